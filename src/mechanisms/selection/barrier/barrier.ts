/**
 * The barrier: nobody goes on until all parties have arrived; then it begins anew with the next generation.
 *
 * Guarantee: as the engine's consistency. A party whose session ends before the last one arrives does not count; one that
 * dies afterwards has met. Bound: 90 parties, because the last arrival clears all of them in one transaction.
 * Source: the barrier recipe of ZooKeeper; cyclic as `CyclicBarrier` (Lea, JSR-166), without its broken state: who stops
 * waiting is taken out, and the others wait on.
 */
import type { OnCommitment } from "../../../contract/plane.ts";
import type { StandOptions } from "../contention/line.ts";
import type { Name } from "../contention/layout.ts";
import { barrierCard } from "./card.ts";
import type { BarrierOptions, MeetingChange, MeetingExplanation, NotMet } from "./meeting.ts";
import { explainMeeting, meet, meeting, meetingChanges } from "./meeting.ts";

/** All have arrived. */
export interface AllArrived {
  readonly ok: true;
  /** Counts the meetings at this barrier, from 1. */
  readonly generation: number;
}

export interface BarrierHandle {
  readonly name: string;
  /** Arrives and waits for the others, at most `waitMs` (default: for ever). Aborting rejects with ABORTED (definite). */
  arrive(options?: StandOptions): Promise<AllArrived | NotMet>;
  /** Follows who arrives and goes, and each completed generation. */
  watch(options?: {
    readonly signal?: AbortSignal | undefined;
  }): AsyncGenerator<MeetingChange, void>;
  explain(): Promise<MeetingExplanation>;
}

/** The barrier called `name`. No I/O. Throws INVALID for an empty name or parties out of range. */
export function barrier(on: OnCommitment, name: Name, options: BarrierOptions): BarrierHandle {
  const it = meeting(on, barrierCard, name, options);
  return {
    name: it.name,
    arrive: async (given) => {
      const met = await meet(it, given);
      return met.ok ? { ok: true, generation: met.generation } : met;
    },
    watch: (given) => meetingChanges(it, given?.signal),
    explain: () => explainMeeting(it),
  };
}
