/**
 * Answers to stamped commands that left no trace in the log: failures, and commands that changed nothing.
 *
 * A client that asks again over a new connection may get such an answer and believe it; the first copy of the command,
 * delayed on the old connection, must not take effect after that. A logged record would cost a flush for nothing: the
 * old connection ends with this process, so memory is enough. Invariants: I1 a sequence answered here is not evaluated
 * again. I2 what a caller has acknowledged is forgotten and refused. I3 at most one window of answers per caller.
 * Leaves out: commands forwarded by another member after a change of leader.
 */
import type { CallerStamp, Reply } from "../contract/requests.ts";

interface Answers {
  firstUnacked: number;
  readonly replies: Map<number, Reply>;
}

export class Answered {
  readonly #byCaller = new Map<bigint, Answers>();

  /** Notes what the stamp acknowledges; returns the lowest sequence that may still be sent. */
  acknowledge(stamp: CallerStamp): number {
    const known = this.#byCaller.get(stamp.id);
    if (known === undefined) {
      this.#byCaller.set(stamp.id, { firstUnacked: stamp.firstUnacked, replies: new Map() });
      return stamp.firstUnacked;
    }
    if (stamp.firstUnacked > known.firstUnacked) {
      known.firstUnacked = stamp.firstUnacked;
      for (const sequence of known.replies.keys()) {
        if (sequence < stamp.firstUnacked) known.replies.delete(sequence);
      }
    }
    return known.firstUnacked;
  }

  get(stamp: CallerStamp): Reply | undefined {
    return this.#byCaller.get(stamp.id)?.replies.get(stamp.sequence);
  }
  keep(stamp: CallerStamp, reply: Reply): void {
    this.#byCaller.get(stamp.id)?.replies.set(stamp.sequence, reply);
  }
  forget(id: bigint): void {
    this.#byCaller.delete(id);
  }
  clear(): void {
    this.#byCaller.clear();
  }
}
