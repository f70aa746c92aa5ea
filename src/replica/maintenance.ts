/**
 * What a leader proposes by itself: the end of leases whose time is over, of idle callers and of old history, and the
 * alarm about the clock. All of it is evaluated at the head and logged like any command.
 */
import type { Base } from "../keyspace/base.ts";
import type { Head } from "../keyspace/head.ts";
import type { KeyspaceTime } from "../keyspace/keyspace-time.ts";
import type { Retention } from "./inputs.ts";

export interface Maintained {
  readonly base: Base;
  readonly head: Head;
  readonly time: KeyspaceTime;
  readonly retention: Retention;
}

/** Leases whose end is proposed in one tick. */
const EXPIRIES_PER_TICK = 512;
/** Idle callers whose end is proposed in one tick. */
const CLOSINGS_PER_TICK = 4_096;

export function maintain(parts: Maintained, time: number, monotonicMs: number): void {
  const { base, head, retention } = parts;
  for (const id of base.leases.expired(monotonicMs, EXPIRIES_PER_TICK)) {
    // What does not fit the open entry is found again at the next tick.
    if (head.full) break;
    head.expire(id);
  }
  if (head.full) return;
  // What is proposed twice because the first has not been committed yet does no harm.
  const idle = base.callers.idle(time - retention.callerIdleMs).slice(0, CLOSINGS_PER_TICK);
  if (idle.length > 0) head.propose(idle.map((id) => ({ kind: "callerClosed", id })));
  const trim =
    base.trimTarget(retention.historyMs, retention.historyBytes) ??
    surplus(base.revision, base.compactRevision, retention.historyRevisions);
  if (trim !== undefined) head.propose([{ kind: "compacted", revision: trim }]);
  if (parts.time.disagrees !== base.alarms.has("CLOCK")) {
    head.propose([{ kind: "alarmed", alarm: "CLOCK", on: parts.time.disagrees }]);
  }
}

/** The revision to compact to so that `keep` revisions stay; undefined while there are not many more. */
function surplus(revision: number, compacted: number, keep: number): number | undefined {
  return revision - compacted > keep * 1.1 ? revision - keep : undefined;
}
