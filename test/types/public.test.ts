/**
 * The types of the public API, asserted by the compiler: what narrows, what is required, what is closed, and that nothing
 * is `any`. A wrong assertion does not compile; the messages that users meet are in `messages.test.ts`.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type {
  Card,
  connect,
  ConnectionState,
  ConnectOptions,
  Engine,
  ErrorCode,
  Failure,
  Guarantee,
  LazyQuorate,
  Quorate,
  QuorateError,
} from "quorate";
import type {
  AcquireOptions,
  CampaignOptions,
  ElectionHandle,
  ElectionOptions,
  Explanation,
  FencingToken,
  guard,
  GuardHandle,
  HandOverOptions,
  Held,
  HeldAlone,
  Holding,
  LeaseOptions,
  lock,
  LockClaim,
  LockHandle,
  LockLease,
  LockOptions,
  LocksHandle,
  LocksOptions,
  Name,
  NotHeld,
  Ran,
  RevokeOptions,
  RwLockHandle,
  SemaphoreHandle,
  SemaphoreOptions,
  Transition,
  WaitOptions,
  Weighted,
} from "quorate/selection";

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Fits<A, B> = A extends B ? true : false;
type IsAny<T> = 0 extends 1 & T ? true : false;
type Optional<T> = { [K in keyof T]-?: object extends Pick<T, K> ? K : never }[keyof T];
type Required<T> = Exclude<keyof T, Optional<T>>;
/** What is optional may also be said to be undefined: `{ signal: maybe }` is no error under the strictest settings. */
type TakesUndefined<T> = Equal<
  { [K in Optional<T> & keyof T]: undefined extends T[K] ? never : K }[Optional<T> & keyof T],
  never
>;
/** The names of members that give `any`, awaited or not. */
type AnyIn<T> = {
  [K in keyof T]-?: T[K] extends (...given: never[]) => infer R
    ? IsAny<R> extends true
      ? K
      : IsAny<Awaited<R>> extends true
        ? K
        : never
    : IsAny<T[K]> extends true
      ? K
      : never;
}[keyof T];

/** Compiles only if every assertion is true. */
function all<T extends readonly true[]>(...proven: T): number {
  return proven.length;
}
function proof<T extends true>(): T {
  return true as T;
}

test("[API-10] handles are made at once, verbs are awaited (types)", () => {
  const count = all(
    proof<Equal<Awaited<ReturnType<typeof connect>>, Quorate>>(),
    proof<Equal<ReturnType<typeof connect.lazy>, LazyQuorate>>(),
    proof<Equal<ReturnType<Quorate["lock"]>, LockHandle>>(),
    proof<Equal<ReturnType<typeof lock>, LockHandle>>(),
    proof<Equal<ReturnType<Quorate["rwlock"]>, RwLockHandle>>(),
    proof<Equal<ReturnType<Quorate["semaphore"]>, SemaphoreHandle>>(),
    proof<Equal<ReturnType<Quorate["election"]>, ElectionHandle>>(),
    proof<Equal<ReturnType<Quorate["locks"]>, LocksHandle>>(),
    proof<Equal<ReturnType<Quorate["guard"]>, GuardHandle>>(),
    proof<Fits<Quorate, Parameters<typeof lock>[0]>>(),
    proof<Fits<ReturnType<Quorate["namespace"]>, Parameters<typeof lock>[0]>>(),
    proof<Fits<readonly ["orders", 42], Name>>(),
    proof<Equal<Fits<42, Name>, false>>(),
    proof<Equal<Parameters<typeof connect>[0], string | Engine | undefined>>(),
  );
  assert.equal(count, 14);
});

test("[API-10] answers are unions told apart by ok, with closed reasons, and both arms are disposable (types)", () => {
  type Answer = Awaited<ReturnType<LockHandle["tryAcquire"]>>;
  type Ended = Awaited<ReturnType<LockHandle["tryRun"]>>;
  const count = all(
    proof<Equal<Answer, HeldAlone | NotHeld>>(),
    proof<Equal<Extract<Answer, { readonly ok: true }>, HeldAlone>>(),
    proof<Fits<HeldAlone, Held>>(),
    proof<Equal<Awaited<ReturnType<LocksHandle["tryAcquire"]>>, Held | NotHeld>>(),
    proof<Equal<NotHeld["reason"], "held" | "timeout">>(),
    proof<Equal<Extract<Ended, { readonly ok: false }>["reason"], "held" | "timeout" | "lost">>(),
    proof<Equal<Extract<Ran<7>, { readonly ok: true }>["value"], 7>>(),
    proof<Fits<Held, AsyncDisposable>>(),
    proof<Fits<NotHeld, AsyncDisposable>>(),
    proof<Fits<LockLease, AsyncDisposable>>(),
    proof<Fits<Awaited<ReturnType<ElectionHandle["campaign"]>>, AsyncDisposable>>(),
    proof<Fits<Quorate, AsyncDisposable>>(),
    // A handle holds nothing: it cannot be disposed of by mistake.
    proof<Equal<Fits<LockHandle, AsyncDisposable>, false>>(),
    proof<Equal<ConnectionState, "connected" | "suspended" | "resumed" | "lost">>(),
  );
  assert.equal(count, 14);
});

test("[API-10] a token is a number that no number is (types)", () => {
  const count = all(
    proof<Fits<FencingToken, number>>(),
    proof<Equal<Fits<number, FencingToken>, false>>(),
    proof<Equal<Held["token"], FencingToken>>(),
    proof<Equal<Holding["token"], FencingToken>>(),
    proof<Equal<LockLease["token"], FencingToken>>(),
    proof<Fits<FencingToken, Parameters<ReturnType<typeof guard>["admit"]>[0]>>(),
  );
  assert.equal(count, 6);
});

test("[API-10] what no default can be right for is required, all else is optional and may be undefined (types)", () => {
  const count = all(
    proof<Equal<Required<SemaphoreOptions>, "permits">>(),
    proof<Equal<Required<LeaseOptions>, "ttlMs">>(),
    proof<Equal<Required<LockOptions>, never>>(),
    proof<Equal<Required<ConnectOptions>, never>>(),
    proof<Equal<Required<Parameters<ElectionHandle["lead"]>[1]>, "signal">>(),
    proof<Equal<Fits<"waitMs", keyof WaitOptions>, false>>(),
    proof<Equal<Required<RevokeOptions>, "reason">>(),
    proof<Equal<Required<HandOverOptions>, never>>(),
    // What is held meanwhile may be lost while another leadership is sought.
    proof<Equal<Fits<"within", keyof CampaignOptions>, false>>(),
    proof<TakesUndefined<ConnectOptions>>(),
    proof<TakesUndefined<HandOverOptions>>(),
    proof<TakesUndefined<LockClaim>>(),
    proof<TakesUndefined<LocksOptions>>(),
    proof<TakesUndefined<RevokeOptions>>(),
    proof<TakesUndefined<AcquireOptions>>(),
    proof<TakesUndefined<CampaignOptions>>(),
    proof<TakesUndefined<ElectionOptions>>(),
    proof<TakesUndefined<LeaseOptions>>(),
    proof<TakesUndefined<LockOptions>>(),
    proof<TakesUndefined<SemaphoreOptions>>(),
    proof<TakesUndefined<Weighted>>(),
    proof<Equal<AcquireOptions["signal"], AbortSignal | undefined>>(),
  );
  assert.equal(count, 22);
});

test("[API-10] errors narrow, codes are closed, and nothing is any (types)", () => {
  type Narrowed<F> = F extends ((error: unknown, code?: ErrorCode) => error is infer E) ? E : never;
  const count = all(
    proof<Equal<Narrowed<typeof QuorateError.is>, QuorateError>>(),
    proof<Equal<Fits<string, ErrorCode>, false>>(),
    proof<Equal<QuorateError["outcome"], "definite" | "indefinite">>(),
    proof<Equal<QuorateError["failure"], Failure>>(),
    proof<Equal<Fits<string, Guarantee["consistency"]>, false>>(),
    proof<Equal<AnyIn<Quorate>, never>>(),
    proof<Equal<AnyIn<LockHandle>, never>>(),
    proof<Equal<AnyIn<RwLockHandle>, never>>(),
    proof<Equal<AnyIn<SemaphoreHandle>, never>>(),
    proof<Equal<AnyIn<ElectionHandle>, never>>(),
    proof<Equal<AnyIn<HeldAlone>, never>>(),
    proof<Equal<AnyIn<LocksHandle>, never>>(),
    proof<Equal<AnyIn<GuardHandle>, never>>(),
    proof<Equal<AnyIn<Held>, never>>(),
    proof<Equal<AnyIn<Explanation>, never>>(),
    proof<Equal<AnyIn<Transition>, never>>(),
    proof<Equal<AnyIn<Card>, never>>(),
    proof<Equal<AnyIn<QuorateError>, never>>(),
  );
  assert.equal(count, 18);
});
