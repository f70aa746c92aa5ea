/**
 * Acquiring one object, by age or by grant.
 *
 * Invariants: I1 a waiter watches one key, or two where ownership is granted: one release wakes one waiter, there at most
 * two. Cost: see `line.ts`.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Ran } from "../../../contract/keyspace.ts";
import type { Session } from "../../../contract/plane.ts";
import { requireWait } from "./arguments.ts";
import type { Contended } from "./contended.ts";
import { ask, told } from "./contended.ts";
import { needsGrant } from "./grant.ts";
import { promote, release } from "./granted.ts";
import type { HeldParts } from "./held.ts";
import { Held } from "./held.ts";
import type { ContenderRecord } from "./layout.ts";
import { contenderKey } from "./layout.ts";
import type { Line, StandOptions } from "./line.ts";
import { standInLine, withdraw } from "./line.ts";
import type { NotHeld } from "./not-held.ts";
import { notHeld } from "./not-held.ts";
import { enter, leave, look } from "./procedures.ts";
import type { Standing } from "./queue.ts";
import { revocation } from "./revocation.ts";
import { waitsKey } from "./waits.ts";

export interface AcquireOptions extends StandOptions {
  /**
   * What is held and will not be released before this is acquired. If waiting would then never end, because those in
   * front wait for it in the same way, the one who closed the circle gets DEADLOCK (definite) and has left the queue.
   * Cost: one more key for each, and one more round trip when it has to wait.
   */
  readonly within?: Held | readonly Held[] | undefined;
}

/** Of a call that waits until it owns. */
export type WaitOptions = Omit<AcquireOptions, "waitMs">;

/** What a contender says of itself beyond who it is. */
export type Claim = Pick<
  ContenderRecord,
  "label" | "mode" | "weight" | "value" | "priority" | "barging" | "delayMs" | "revocable"
> & { readonly raw?: string | undefined };

/** How what is acquired is held: some can do more with it than release it. */
export type Holder<H extends Held> = (parts: HeldParts, on: Contended) => H;

const plainly: Holder<Held> = (parts) => new Held(parts);

export function acquire(
  on: Contended,
  claim: Claim,
  options?: AcquireOptions,
): Promise<Held | NotHeld> {
  return acquireAs(plainly, on, claim, options);
}

export async function acquireAs<H extends Held>(
  hold: Holder<H>,
  on: Contended,
  claim: Claim,
  options: AcquireOptions = {},
): Promise<H | NotHeld> {
  const { plane, object } = on;
  requireWait(object, options.waitMs);
  const done = plane.busy();
  try {
    const session = await told(on, plane.session(options.signal, options.timeoutMs));
    const key = contenderKey(on.prefix, session.lease, session.nextHold());
    const line = lineOf(on, session, key, claim, options);
    const stood = await standInLine(line, session, options);
    if (stood.state !== "owns") return notHeld(on, stood.standing, stood.state);
    const { created, token, revision } = stood;
    const letGo = (): Promise<void> => withdraw(line, session, created);
    const revoked = claim.revocable === true ? revocation(on, key, revision) : undefined;
    const parts = { keys: [key] as const, created, token, object, session, plane };
    return hold({ ...parts, release: letGo, revoked }, on);
  } finally {
    done();
  }
}

/** Acquires, however long that takes. Throws ABORTED when `signal` aborts first: definite, but before the engine has answered. */
export function acquireWaiting(on: Contended, claim: Claim, options?: WaitOptions): Promise<Held> {
  return acquireWaitingAs(plainly, on, claim, options);
}

export async function acquireWaitingAs<H extends Held>(
  hold: Holder<H>,
  on: Contended,
  claim: Claim,
  options: WaitOptions = {},
): Promise<H> {
  return served(on, await acquireAs(hold, on, claim, { ...options, waitMs: Infinity }));
}

/** What an endless wait has ended with. */
export function served<T extends { readonly ok: true }>(
  on: Pick<Contended, "object">,
  held: T | NotHeld,
): T {
  if (held.ok) return held;
  const what = "an endless wait ended";
  throw fail("BUG", { object: on.object, what, remedy: "Report this." });
}

function lineOf(
  on: Contended,
  session: Session,
  key: Bytes,
  claim: Claim,
  options: AcquireOptions,
): Line {
  const { plane, prefix, rule, object } = on;
  const { signal, timeoutMs, waitMs = 0 } = options;
  const { raw, ...said } = claim;
  const record = { layout: 1 as const, ...plane.identity, ...said };
  const lease = session.lease.toString();
  const held = heldWithin(on, options.within);
  const within = held === undefined ? undefined : { held, places: [{ prefix, key }], rule };
  const waits = held?.map((each) => waitsKey(each, key.slice(prefix.length)));
  const entering = { prefix, key, lease, record, rule, queue: waitMs > 0, raw, within };
  // Whoever knows that the object is granted hands on when it leaves; else a waiter notices that it has gone.
  let granted = needsGrant(claim);
  const noting = async (ran: Promise<Ran<Standing>>): Promise<Ran<Standing>> => {
    const found = await ran;
    granted ||= found.result.granted === true;
    return found;
  };
  const leaving = { timeoutMs: session.ttlMs };
  return {
    plane,
    object,
    key,
    // For permits, anybody older may free what is missing, so all are watched.
    anybodyIn: rule.kind === "permits" ? prefix : undefined,
    join: () => noting(ask(on, enter, entering, { signal, timeoutMs })),
    look: (created, stop) =>
      noting(ask(on, look, { key, created, prefix, rule, held }, { signal: stop, timeoutMs })),
    promote: (stop) => ask(on, promote, { prefix, taker: key }, { signal: stop, timeoutMs }),
    leave: (created) =>
      granted
        ? ask(on, release, { prefix, key, created, waits }, leaving)
        : ask(on, leave, { key, created, waits }, leaving),
  };
}

/** Keys in the wait graph that one claim may add: what fits in one transaction beside the rest. */
const WITHIN_MAX = 32;

/** The keys of what is held meanwhile. Throws its loss if it no longer is, INVALID if it cannot be seen from here. */
export function heldWithin(
  on: Pick<Contended, "object" | "plane">,
  within: AcquireOptions["within"],
): readonly string[] | undefined {
  const all: readonly Held[] = within === undefined ? [] : [within].flat();
  for (const each of all) {
    if (!(each instanceof Held)) {
      const what = "within names what is not held";
      throw fail("INVALID", { object: on.object, what, remedy: "Give what acquiring gave." });
    }
    each.assertHeld();
    if (each.isOf(on.plane)) continue;
    const what = "within names what is held through another connection or namespace";
    const remedy = "Acquire both through one connection and namespace.";
    throw fail("INVALID", { object: on.object, what, remedy });
  }
  const keys = all.flatMap((each) => each.keys);
  if (keys.length > WITHIN_MAX) {
    const what = `within names ${keys.length} keys that are held`;
    const remedy = `Name at most ${WITHIN_MAX}, or acquire them at once with q.locks.`;
    throw fail("INVALID", { object: on.object, what, remedy });
  }
  return keys.length === 0 ? undefined : keys;
}
