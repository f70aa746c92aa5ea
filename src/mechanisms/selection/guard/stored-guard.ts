/**
 * The guard in the keyspace: what any process asks before it acts on a resource that cannot refuse by itself.
 *
 * Guarantee: as the engine's consistency; once a token has been admitted, no lower one ever is, in any process, also after
 * all of them have restarted. It says no more than that: between being admitted and acting the owner can be replaced. For what
 * lies in the keyspace itself, `held.condition()` in the transaction that writes leaves no such gap.
 * Rules: GRD-1 to GRD-4. Source: Burrows, Chubby (OSDI 2006) §2.4 (sequencers).
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { CallOptions } from "../../../contract/keyspace.ts";
import type { OnCommitment } from "../../../contract/plane.ts";
import { strongEnough } from "../contention/arguments.ts";
import { ask, told } from "../contention/contended.ts";
import type { Name } from "../contention/layout.ts";
import { contenderPrefix, nameText } from "../contention/layout.ts";
import { guardCard } from "./card.ts";
import type { Guarded } from "./guard.ts";
import { admit, decodeGuarded } from "./procedures.ts";

export interface GuardHandle {
  readonly name: string;
  /**
   * Admits an owner: a higher token is remembered, the same one is admitted from the same holder (`held.key`). Throws
   * STALE_TOKEN (definite) for one that has been replaced, INVALID for what is no token. Cost: one round trip, and a
   * flush when the token is higher.
   */
  admit(owner: Guarded, options?: CallOptions): Promise<void>;
  /** Who was admitted last. */
  last(options?: CallOptions): Promise<Guarded | undefined>;
  /** Forgets the resource, and with it what was refused; false if nothing was known. */
  clear(options?: CallOptions): Promise<boolean>;
}

/**
 * The guard called `name`. No I/O. Throws INVALID for a name that cannot be, GUARANTEE for an engine that is too weak.
 */
export function storedGuard(on: OnCommitment, name: Name): GuardHandle {
  const called = nameText(name, "guard");
  const object = `guard ${called}`;
  const plane = strongEnough(on.commitment, guardCard, object);
  const it = { plane, object };
  const key = `${contenderPrefix("guard", called)}last` as Bytes;
  const stored = (plane.prefix + key) as Bytes;
  return {
    name: called,
    admit: async ({ token, holder }, given) => {
      requireOwner(object, token, holder);
      await ask(it, admit, { key, object, token, holder }, given);
    },
    last: async (given) => {
      const range = { kind: "range", key: stored } as const;
      const [kv] = (await told(it, plane.keyspace.call(range, given))).kvs;
      return kv === undefined ? undefined : decodeGuarded(object, kv.value);
    },
    clear: async (given) => {
      const range = { kind: "deleteRange", key: stored } as const;
      return (await told(it, plane.keyspace.call(range, given))).deleted > 0;
    },
  };
}

function requireOwner(object: string, token: number, holder: string): void {
  const remedy = "Give the token and the key of what is held.";
  if (!Number.isSafeInteger(token) || token < 0)
    throw fail("INVALID", { object, what: `token is ${String(token)}`, remedy });
  if (typeof holder !== "string")
    throw fail("INVALID", { object, what: `holder is ${String(holder)}`, remedy });
}
