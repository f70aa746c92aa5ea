/**
 * The lock: one owner at a time, in the order in which they asked.
 *
 * Guarantee: as the engine's consistency; at most one owner whose token a guard accepts. A TTL lock alone cannot stop a
 * paused owner from writing late: give `token` to the resource and have it refuse lower ones.
 * Source: the etcd concurrency recipe; Burrows, Chubby (OSDI 2006) §2.4 for tokens.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { CallOptions } from "../../../contract/keyspace.ts";
import type { OnCommitment } from "../../../contract/plane.ts";
import { id63 } from "../../../ports/entropy.ts";
import type { AcquireOptions, Claim, WaitOptions } from "../contention/acquire.ts";
import { acquireAs, acquireWaitingAs } from "../contention/acquire.ts";
import { requireTtl } from "../contention/arguments.ts";
import type { Contended } from "../contention/contended.ts";
import { ask, contended } from "../contention/contended.ts";
import type { HeldAlone } from "../contention/hand-over.ts";
import { alone } from "../contention/hand-over.ts";
import type { NotHeld } from "../contention/not-held.ts";
import { notHeld } from "../contention/not-held.ts";
import type { Revoked, RevokeOptions } from "../contention/revocation.ts";
import { askBack } from "../contention/revocation.ts";
import type { Explanation } from "../contention/explain.ts";
import { explain } from "../contention/explain.ts";
import type { FencingToken } from "../contention/held.ts";
import type { Name } from "../contention/layout.ts";
import { tellLate } from "../contention/tell.ts";
import { idle } from "../../../ports/clock.ts";
import { enter, extend, leave } from "../contention/procedures.ts";
import type { Holding, Ran } from "../contention/run.ts";
import { runHolding, tryRun } from "../contention/run.ts";
import type { Transition } from "../contention/watch.ts";
import { transitions } from "../contention/watch.ts";
import { lockCard } from "./card.ts";

/**
 * How a claim is served, where age alone is not to decide. Each makes the object owned by grant while it is contended for:
 * one more key is written when it joins and when ownership passes on, and one more waiter wakes. Not with `etcdName`,
 * whose other users go by age alone; not beside a claim of `q.locks`.
 */
export interface LockClaim {
  /** Served before lower ones and after higher ones, among equals by age; default 0. It never takes from an owner. */
  readonly priority?: number | undefined;
  /** Its release leaves the lock to whoever comes next, new or woken, which is faster under load and unfair. */
  readonly barging?: boolean | undefined;
  /**
   * If this owner dies: nobody is granted for so long, ms, after somebody noticed, so that what it had under way can end
   * where no guard refuses its token.
   */
  readonly lockDelayMs?: number | undefined;
  /** `revoke` aborts its signal with REVOKED; it owns until it releases. Costs one watch, and no grant. */
  readonly revocable?: boolean | undefined;
}

export interface LockOptions {
  /** Shown to whoever waits. */
  readonly label?: string | undefined;
  /**
   * Uses this prefix as it stands, to share a lock with etcd programs (`etcdctl lock NAME`): `true` takes the lock's
   * name. Nothing else may be stored below it.
   */
  readonly etcdName?: boolean | undefined;
}

export interface LeaseOptions extends CallOptions {
  /** How long it is held, ms. Shorter frees sooner after a crash, longer needs fewer extensions. */
  readonly ttlMs: number;
}

/** The longest time between two attempts to let go of a lease that nobody knows, ms. */
const LET_GO_AGAIN_MS_MAX = 5_000;

/** A day: who means more wants somebody to look at it. */
const DELAY_MAX_MS = 86_400_000;

/** A hold that outlives the process: it ends at `expiresAt` by the engine's clock, with nobody connected. */
export interface LockLease {
  readonly ok: true;
  readonly id: string;
  readonly token: FencingToken;
  /** Ms since 1970 by the engine's clock. */
  readonly expiresAt: number;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface LockHandle {
  readonly name: string;
  /** Acquires, waiting at most `waitMs` (default: not at all); an answer either way. */
  tryAcquire(options?: AcquireOptions & LockClaim): Promise<HeldAlone | NotHeld>;
  /** Acquires, waiting until it is owned or `signal` aborts (ABORTED, definite). */
  acquire(options?: WaitOptions & LockClaim): Promise<HeldAlone>;
  /** Runs `work` while holding, or answers why not. */
  tryRun<T>(
    work: (holding: Holding) => T | Promise<T>,
    options?: AcquireOptions & LockClaim,
  ): Promise<Ran<T>>;
  /** Waits as `acquire`, runs `work` while holding, releases; gives and throws what `work` does. */
  run<T>(work: (holding: Holding) => T | Promise<T>, options?: WaitOptions & LockClaim): Promise<T>;
  /** Asks the owner to let go. It owns until it releases, and listens only if it acquired as `revocable`. */
  revoke(options: RevokeOptions): Promise<Revoked>;
  /** Holds for `ttlMs` without a session; `id` lets any process extend or release it. Answers why not if it is held. */
  lease(options: LeaseOptions): Promise<LockLease | NotHeld>;
  /** Moves a lease's end to `ttlMs` from now. Throws EXPIRED (definite) if it has ended. */
  extendLease(
    id: string,
    ttlMs: number,
    options?: CallOptions,
  ): Promise<{ readonly expiresAt: number }>;
  /** Ends a lease; false if it had ended. */
  releaseLease(id: string, options?: CallOptions): Promise<boolean>;
  /** Follows who joins and leaves. */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<Transition, void>;
  /** Who holds, who waits and why. */
  explain(options?: CallOptions): Promise<Explanation>;
}

/**
 * The lock called `name`. No I/O; cheap enough to make per request. Throws INVALID for a name that cannot be, GUARANTEE
 * for an engine that is too weak.
 */
export function lock(on: OnCommitment, name: Name, options: LockOptions = {}): LockHandle {
  const { label, etcdName = false } = options;
  const object = contended(on, lockCard, name, { kind: "first" }, etcdName);
  const claim = (given: LockClaim = {}): Claim => {
    const { priority, barging, lockDelayMs: delayMs, revocable } = given;
    requireClaim(object.object, etcdName, given);
    return { label, priority, barging, delayMs, revocable };
  };
  const tryAcquire = async (given?: AcquireOptions & LockClaim): Promise<HeldAlone | NotHeld> =>
    await acquireAs(alone, object, claim(given), given);
  const acquire = async (given?: WaitOptions & LockClaim): Promise<HeldAlone> =>
    await acquireWaitingAs(alone, object, claim(given), given);
  return {
    name: object.name,
    tryAcquire,
    acquire,
    tryRun: (work, given) => tryRun(tryAcquire, work, given),
    run: async (work, given) => runHolding(await acquire(given), work),
    revoke: (given) => askBack(object, given),
    lease: (given) => lease(object, label, given),
    extendLease: async (id, ttlMs, given) => {
      requireTtl(object.object, ttlMs);
      return (await ask(object, extend, { key: object.prefix + id, ttlMs }, given)).result;
    },
    releaseLease: async (id, given) =>
      (await ask(object, leave, { key: object.prefix + id, created: 0 }, given)).result.left,
    watch: (given) => transitions(object, given?.signal),
    explain: (given) => explain(object, given),
  };
}

/** Throws INVALID for what no lock, or no lock that etcd programs share, can do. */
function requireClaim(object: string, etcdName: boolean, given: LockClaim): void {
  const { priority = 0, barging = false, lockDelayMs = 0, revocable = false } = given;
  const invalid = (what: string, remedy: string): Error =>
    fail("INVALID", { object, what, remedy });
  if (!Number.isSafeInteger(priority))
    throw invalid(`priority is ${priority}`, "Give a whole number.");
  if (!(lockDelayMs >= 0 && lockDelayMs <= DELAY_MAX_MS))
    throw invalid(`lockDelayMs is ${lockDelayMs}`, `Give 0 to ${DELAY_MAX_MS} ms.`);
  if (etcdName && (priority !== 0 || barging || lockDelayMs > 0 || revocable)) {
    const what = "is shared with etcd programs, which go by age alone and do not listen";
    throw invalid(what, "Use no priority, barging, lockDelayMs or revocable with etcdName.");
  }
}

async function lease(
  on: Contended,
  label: string | undefined,
  options: LeaseOptions,
): Promise<LockLease | NotHeld> {
  const { ttlMs } = options;
  requireTtl(on.object, ttlMs);
  const { plane, prefix, rule } = on;
  const id = id63(plane.entropy).toString(16);
  const key = (prefix + id) as Bytes;
  const record = { layout: 1 as const, ...plane.identity, label };
  const args = { prefix, key, lease: "0", record, rule, queue: false, ttlMs };
  const letGo = async (): Promise<void> => {
    await ask(on, leave, { key, created: 0 }).catch(() => {});
  };
  const { result } = await ask(on, enter, args, options).catch((error: unknown) => {
    if (QuorateError.is(error) && error.outcome === "indefinite") void letGoOfLate(on, key, ttlMs);
    throw error;
  });
  if (result.state !== "owns") return notHeld(on, result, "held");
  return {
    ok: true,
    id,
    token: (result.tokenBase + Number(result.created)) as FencingToken,
    expiresAt: result.expiresAt ?? 0,
    [Symbol.asyncDispose]: letGo,
  };
}

/** Nobody knows the id of a lease that may have begun, or may yet begin: it is let go of, unless it ends by itself before. */
async function letGoOfLate(on: Contended, key: Bytes, ttlMs: number): Promise<void> {
  const clock = idle(on.plane.clock);
  const ended = new AbortController();
  const following = on.plane.follow([on.plane.closing, ended.signal]);
  const cancel = clock.after(ttlMs, () => ended.abort());
  const { signal } = following;
  const teller = { clock, signal, delayMsMax: LET_GO_AGAIN_MS_MAX };
  await tellLate(teller, () => ask(on, leave, { key, created: 0 }));
  cancel();
  following.stop();
}
