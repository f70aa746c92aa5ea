/**
 * The read/write lock: many readers or one writer, in phases by order of arrival: a reader waits for older writers, a
 * writer for everyone older, so that neither starves.
 * Source: Brandenburg and Anderson, "Reader-Writer Synchronization for Shared-Memory Multiprocessor Real-Time Systems"
 * (ECRTS 2009), phase-fairness; here by create revision.
 */
import type { OnCommitment } from "../../../contract/plane.ts";
import type { AcquireOptions, Contended, NotHeld } from "../contention/acquire.ts";
import { acquire } from "../contention/acquire.ts";
import type { Explanation } from "../contention/explain.ts";
import { explain } from "../contention/explain.ts";
import type { Held } from "../contention/held.ts";
import type { Name } from "../contention/layout.ts";
import { contenderPrefix, nameText } from "../contention/layout.ts";
import type { Transition } from "../contention/watch.ts";
import { transitions } from "../contention/watch.ts";

export interface RwLockHandle {
  readonly name: string;
  /** Shares it with other readers; an answer either way. */
  tryRead(options?: AcquireOptions): Promise<Held | NotHeld>;
  /** Has it alone; an answer either way. */
  tryWrite(options?: AcquireOptions): Promise<Held | NotHeld>;
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<Transition, void>;
  explain(): Promise<Explanation>;
}

/** The read/write lock called `name`. No I/O. Throws INVALID for an empty name. */
export function rwlock(
  on: OnCommitment,
  name: Name,
  options: { readonly label?: string | undefined } = {},
): RwLockHandle {
  const called = nameText(name, "rwlock");
  const contended: Contended = {
    plane: on.commitment,
    object: `rwlock ${called}`,
    prefix: contenderPrefix("rwlock", called),
    rule: { kind: "phase" },
  };
  const { label } = options;
  return {
    name: called,
    tryRead: (given) => acquire(contended, { label, mode: "read" }, given),
    tryWrite: (given) => acquire(contended, { label, mode: "write" }, given),
    watch: (given) => transitions(contended, given?.signal),
    explain: () => explain(contended),
  };
}
