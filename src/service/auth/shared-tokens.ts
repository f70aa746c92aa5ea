/**
 * Simple tokens of a cluster: one that any member gave is good at each. What a member gave is replicated as the SHA-256
 * of the token, which nobody can use.
 *
 * Invariants: I1 where the others cannot be told, the token is good at the member that gave it. I2 a member takes another's
 * token up to its time to live after it was given, and from its first use here on for that long after each use. I3 what was
 * read back from a disk is not taken: a token dies with the servers that know it.
 */
import { fromArray, toArray, utf8 } from "../../base/bytes.ts";
import type { Bytes } from "../../base/bytes.ts";
import type { AuthOrder } from "../../contract/auth.ts";
import { TELLS_TOKENS } from "../../contract/formats.ts";
import type { Driver } from "../../driver/face.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Sha256 } from "../../ports/digest.ts";
import type { Claim, Tokens } from "../../ports/tokens.ts";

const TAKEN_MAX = 100_000;

export interface SharedTokensParts {
  /** Those of this member. */
  readonly own: Tokens;
  readonly driver: Pick<Driver, "users" | "standing" | "status">;
  /** Has the member that leads carry out an order. */
  readonly order: (order: AuthOrder, done: () => void) => void;
  readonly clock: Clock;
  readonly sha256: Sha256;
  readonly ttlMs: number;
}

interface Taken {
  readonly claim: Claim;
  expiresAt: number;
}

export function sharedTokens(parts: SharedTokensParts): Tokens {
  const { own, driver, order, clock, sha256, ttlMs } = parts;
  /** Others' tokens that were used here, least recently used first. */
  const taken = new Map<Bytes, Taken>();
  const digestOf = (token: string): Bytes => {
    const digest = sha256();
    digest.add(toArray(utf8(token)));
    return fromArray(digest.take());
  };
  const use = (digest: Bytes, claim: Claim): Claim => {
    taken.delete(digest);
    taken.set(digest, { claim, expiresAt: clock.monotonicMs() + ttlMs });
    const [oldest] = taken.size > TAKEN_MAX ? taken.keys() : [];
    if (oldest !== undefined) taken.delete(oldest);
    return claim;
  };
  /** Of another member; undefined if none gave it lately. */
  const given = (digest: Bytes): Claim | undefined => {
    const token = driver.users.token(digest);
    if (token === undefined) return undefined;
    const { name, revision, time, atMs } = token;
    const age = Math.max(clock.monotonicMs() - atMs, driver.status().time - time);
    return age < ttlMs ? { name, revision } : undefined;
  };
  return {
    renewed: own.renewed,
    assign: (claim) => own.assign(claim),
    // Whether it came about or not: the token is good here.
    share: (token, claim) =>
      new Promise<void>((told) => {
        if (driver.standing().format < TELLS_TOKENS) return told();
        order({ kind: "giveToken", ...claim, digest: digestOf(token) }, told);
      }),
    claim: (token) => {
      const here = own.claim(token);
      if (here !== undefined) return here;
      const digest = digestOf(token);
      const before = taken.get(digest);
      if (before !== undefined && before.expiresAt > clock.monotonicMs())
        return use(digest, before.claim);
      taken.delete(digest);
      const claim = given(digest);
      return claim === undefined ? undefined : use(digest, claim);
    },
  };
}
