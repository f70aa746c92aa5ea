/**
 * The lock: one owner at a time, in the order in which they asked.
 *
 * Guarantee: as the engine's consistency; at most one owner whose token a guard accepts. A TTL lock alone cannot stop a
 * paused owner from writing late: give `token` to the resource and have it refuse lower ones.
 * Source: the etcd concurrency recipe; Burrows, Chubby (OSDI 2006) §2.4 for tokens.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { utf8 } from "../../../base/bytes.ts";
import type { CommitmentPlane, OnCommitment } from "../../../contract/plane.ts";
import { id63 } from "../../../ports/entropy.ts";
import type { AcquireOptions, Contended, NotHeld, WaitOptions } from "../contention/acquire.ts";
import { acquire, acquireWaiting, notHeld } from "../contention/acquire.ts";
import type { Explanation } from "../contention/explain.ts";
import { explain } from "../contention/explain.ts";
import type { FencingToken, Held } from "../contention/held.ts";
import type { Name } from "../contention/layout.ts";
import { contenderPrefix, nameText } from "../contention/layout.ts";
import { enter, extend, leave } from "../contention/procedures.ts";
import type { Holding, Ran } from "../contention/run.ts";
import { runHolding, tryRun } from "../contention/run.ts";
import type { Transition } from "../contention/watch.ts";
import { transitions } from "../contention/watch.ts";

export interface LockOptions {
  /** Shown to whoever waits. */
  readonly label?: string | undefined;
  /**
   * Uses this prefix as it stands, to share a lock with etcd programs (`etcdctl lock NAME`): `true` takes the lock's
   * name. Nothing else may be stored below it.
   */
  readonly etcdName?: boolean | undefined;
}

/** A hold that outlives the process: it ends at `expiresAt` by the engine's clock, with nobody connected. */
export interface LockLease {
  readonly ok: true;
  readonly id: string;
  readonly token: FencingToken;
  readonly expiresAt: number;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface LockHandle {
  readonly name: string;
  /** Acquires, waiting at most `waitMs` (default: not at all); an answer either way. */
  tryAcquire(options?: AcquireOptions): Promise<Held | NotHeld>;
  /** Acquires, waiting until it is owned or `signal` aborts (ABORTED, definite). */
  acquire(options?: WaitOptions): Promise<Held>;
  /** Runs `work` while holding, or answers why not. */
  tryRun<T>(work: (holding: Holding) => T | Promise<T>, options?: AcquireOptions): Promise<Ran<T>>;
  /** Waits as `acquire`, runs `work` while holding, releases; gives and throws what `work` does. */
  run<T>(work: (holding: Holding) => T | Promise<T>, options?: WaitOptions): Promise<T>;
  /** Holds for `ttlMs` without a session; `id` lets any process extend or release it. Answers why not if it is held. */
  lease(options: {
    readonly ttlMs: number;
    readonly signal?: AbortSignal | undefined;
  }): Promise<LockLease | NotHeld>;
  /** Moves a lease's end to `ttlMs` from now. Throws EXPIRED (definite) if it has ended. */
  extendLease(id: string, ttlMs: number): Promise<{ readonly expiresAt: number }>;
  /** Ends a lease; false if it had ended. */
  releaseLease(id: string): Promise<boolean>;
  /** Follows who joins and leaves. */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<Transition, void>;
  /** Who holds, who waits and why. */
  explain(): Promise<Explanation>;
}

/** The lock called `name`. No I/O; cheap enough to make per request. Throws INVALID for an empty name. */
export function lock(on: OnCommitment, name: Name, options: LockOptions = {}): LockHandle {
  const called = nameText(name, "lock");
  const plane = on.commitment;
  const prefix = options.etcdName === true ? utf8(`${called}/`) : contenderPrefix("lock", called);
  const contended: Contended = { plane, object: `lock ${called}`, prefix, rule: { kind: "first" } };
  const claim = { label: options.label };
  const tryAcquire = (given?: AcquireOptions): Promise<Held | NotHeld> =>
    acquire(contended, claim, given);
  return {
    name: called,
    tryAcquire,
    acquire: (given) => acquireWaiting(contended, claim, given),
    tryRun: (work, given = {}) => tryRun(tryAcquire, work, given),
    run: async (work, given) => runHolding(await acquireWaiting(contended, claim, given), work),
    lease: (given) => lease(contended, claim.label, given),
    extendLease: async (id, ttlMs) =>
      (await plane.keyspace.run(extend, { key: prefix + id, ttlMs }, { prefix: plane.prefix }))
        .result,
    releaseLease: async (id) =>
      (await plane.keyspace.run(leave, { key: prefix + id, created: 0 }, { prefix: plane.prefix }))
        .result.left,
    watch: (given) => transitions(contended, given?.signal),
    explain: () => explain(contended),
  };
}

async function lease(
  on: Contended,
  label: string | undefined,
  given: { readonly ttlMs: number; readonly signal?: AbortSignal | undefined },
): Promise<LockLease | NotHeld> {
  const { plane } = on;
  const id = id63(plane.entropy).toString(16);
  const key = (on.prefix + id) as Bytes;
  const record = { layout: 1 as const, ...plane.identity, label };
  const args = {
    prefix: on.prefix,
    key,
    lease: "0",
    record,
    rule: on.rule,
    queue: false,
    ttlMs: given.ttlMs,
  };
  const { result } = await plane.keyspace.run(enter, args, {
    signal: given.signal,
    prefix: plane.prefix,
  });
  if (result.state !== "owns") return notHeld(on, result, "held");
  return {
    ok: true,
    id,
    token: (result.tokenBase + Number(result.created)) as FencingToken,
    expiresAt: result.expiresAt ?? 0,
    [Symbol.asyncDispose]: () => letGo(plane, key),
  };
}

async function letGo(plane: CommitmentPlane, key: string): Promise<void> {
  await plane.keyspace.run(leave, { key, created: 0 }, { prefix: plane.prefix }).catch(() => {});
}
