/** What `import … from "quorate/selection"` gives. */
export { lock } from "../mechanisms/selection/lock/lock.ts";
export type { LockHandle, LockLease, LockOptions } from "../mechanisms/selection/lock/lock.ts";
export { rwlock } from "../mechanisms/selection/rwlock/rwlock.ts";
export type { RwLockHandle } from "../mechanisms/selection/rwlock/rwlock.ts";
export { semaphore } from "../mechanisms/selection/semaphore/semaphore.ts";
export type {
  SemaphoreHandle,
  SemaphoreOptions,
} from "../mechanisms/selection/semaphore/semaphore.ts";
export { election } from "../mechanisms/selection/election/election.ts";
export type {
  ElectionHandle,
  ElectionOptions,
  Leadership,
} from "../mechanisms/selection/election/election.ts";
export { accepts, guard } from "../mechanisms/selection/guard/guard.ts";
export type { Held } from "../mechanisms/selection/contention/held.ts";
export type { AcquireOptions, NotHeld } from "../mechanisms/selection/contention/acquire.ts";
export type { Explanation, Party, Waiter } from "../mechanisms/selection/contention/explain.ts";
