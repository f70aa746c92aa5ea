/** What `import … from "quorate/selection"` gives. */
export { lock } from "../mechanisms/selection/lock/lock.ts";
export type {
  LeaseOptions,
  LockClaim,
  LockHandle,
  LockLease,
  LockOptions,
} from "../mechanisms/selection/lock/lock.ts";
export { locks } from "../mechanisms/selection/locks/locks.ts";
export type { LocksHandle, LocksOptions } from "../mechanisms/selection/locks/locks.ts";
export { rwlock } from "../mechanisms/selection/rwlock/rwlock.ts";
export type { RwLockHandle, RwLockOptions } from "../mechanisms/selection/rwlock/rwlock.ts";
export { semaphore } from "../mechanisms/selection/semaphore/semaphore.ts";
export type {
  Resized,
  SemaphoreHandle,
  SemaphoreOptions,
  Weighted,
} from "../mechanisms/selection/semaphore/semaphore.ts";
export { election } from "../mechanisms/selection/election/election.ts";
export type {
  CampaignOptions,
  ElectionHandle,
  ElectionOptions,
  Leadership,
  LeadOptions,
} from "../mechanisms/selection/election/election.ts";
export { latch } from "../mechanisms/selection/latch/latch.ts";
export type {
  LatchChange,
  LatchExplanation,
  LatchHandle,
  LatchOptions,
  Opened,
} from "../mechanisms/selection/latch/latch.ts";
export { barrier } from "../mechanisms/selection/barrier/barrier.ts";
export type { AllArrived, BarrierHandle } from "../mechanisms/selection/barrier/barrier.ts";
export type {
  BarrierOptions,
  MeetingChange,
  MeetingExplanation,
  NotMet,
} from "../mechanisms/selection/barrier/meeting.ts";
export { doubleBarrier } from "../mechanisms/selection/double-barrier/double-barrier.ts";
export type {
  AllLeft,
  DoubleBarrierHandle,
  Membership,
} from "../mechanisms/selection/double-barrier/double-barrier.ts";
export { accepts, guard } from "../mechanisms/selection/guard/guard.ts";
export type { Guarded } from "../mechanisms/selection/guard/guard.ts";
export { storedGuard } from "../mechanisms/selection/guard/stored-guard.ts";
export type { GuardHandle } from "../mechanisms/selection/guard/stored-guard.ts";
export type {
  HandedOver,
  HandOverOptions,
  HeldAlone,
} from "../mechanisms/selection/contention/hand-over.ts";
export type { Revoked, RevokeOptions } from "../mechanisms/selection/contention/revocation.ts";
export type { FencingToken, Held } from "../mechanisms/selection/contention/held.ts";
export type { AcquireOptions, WaitOptions } from "../mechanisms/selection/contention/acquire.ts";
export type { NotHeld } from "../mechanisms/selection/contention/not-held.ts";
export type { StandOptions } from "../mechanisms/selection/contention/line.ts";
export type { Explanation, Party, Waiter } from "../mechanisms/selection/contention/explain.ts";
export type { Name } from "../mechanisms/selection/contention/layout.ts";
export type { Holding, Ran } from "../mechanisms/selection/contention/run.ts";
export type { Transition } from "../mechanisms/selection/contention/watch.ts";
