/**
 * The read/write lock: many readers or one writer, in phases by order of arrival: a reader waits for older writers, a
 * writer for everyone older, so that neither starves.
 * Source: Brandenburg and Anderson, "Reader-Writer Synchronization for Shared-Memory Multiprocessor Real-Time Systems"
 * (ECRTS 2009), phase-fairness; here by create revision.
 */
import type { CallOptions } from "../../../contract/keyspace.ts";
import type { OnCommitment } from "../../../contract/plane.ts";
import type { AcquireOptions, WaitOptions } from "../contention/acquire.ts";
import { acquire, acquireWaiting } from "../contention/acquire.ts";
import { contended } from "../contention/contended.ts";
import type { NotHeld } from "../contention/not-held.ts";
import type { Explanation } from "../contention/explain.ts";
import { explain } from "../contention/explain.ts";
import type { Held } from "../contention/held.ts";
import type { Name } from "../contention/layout.ts";
import type { Transition } from "../contention/watch.ts";
import { transitions } from "../contention/watch.ts";
import { rwlockCard } from "./card.ts";

export interface RwLockOptions {
  /** Shown to whoever waits. */
  readonly label?: string | undefined;
}

export interface RwLockHandle {
  readonly name: string;
  /** Shares it with other readers; an answer either way. */
  tryRead(options?: AcquireOptions): Promise<Held | NotHeld>;
  /** Has it alone; an answer either way. */
  tryWrite(options?: AcquireOptions): Promise<Held | NotHeld>;
  /** Shares it with other readers, waiting until it may or `signal` aborts (ABORTED, definite). */
  read(options?: WaitOptions): Promise<Held>;
  /** Has it alone, waiting until it may or `signal` aborts (ABORTED, definite). */
  write(options?: WaitOptions): Promise<Held>;
  /** Follows who joins and leaves. */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<Transition, void>;
  /** Who holds, who waits and why. */
  explain(options?: CallOptions): Promise<Explanation>;
}

/** The read/write lock called `name`. No I/O. Throws INVALID for a name that cannot be, GUARANTEE for a weak engine. */
export function rwlock(on: OnCommitment, name: Name, options: RwLockOptions = {}): RwLockHandle {
  const object = contended(on, rwlockCard, name, { kind: "phase" });
  const { label } = options;
  return {
    name: object.name,
    tryRead: (given) => acquire(object, { label, mode: "read" }, given),
    tryWrite: (given) => acquire(object, { label, mode: "write" }, given),
    read: (given) => acquireWaiting(object, { label, mode: "read" }, given),
    write: (given) => acquireWaiting(object, { label, mode: "write" }, given),
    watch: (given) => transitions(object, given?.signal),
    explain: (given) => explain(object, given),
  };
}
