/**
 * Answers to stamped commands that left no trace in the log: failures, and commands that changed nothing.
 *
 * A client that asks again over a new connection may get such an answer and believe it; the first copy of the command,
 * delayed on the old connection, must not take effect after that. A logged record would cost a flush for nothing: the
 * old connection ends with this process, so memory is enough. Invariants: I1 a sequence answered here is not evaluated
 * again. I2 what a caller has acknowledged is forgotten and refused. I3 at most one window of answers per caller.
 * Leaves out: commands forwarded by another member after a change of leader.
 */
import { SlidingWindow } from "../base/sliding-window.ts";
import type { CallerStamp, Reply } from "../contract/requests.ts";
import type { Caller } from "./callers.ts";

interface Answers {
  firstUnacked: number;
  /** The highest sequence that has been sent here. */
  newest: number;
  readonly replies: SlidingWindow<Reply>;
}

export class Answered {
  readonly #byCaller = new Map<bigint, Answers>();

  /**
   * Notes what the stamp acknowledges; returns the lowest sequence that may still be sent. `base` is what is committed of
   * the caller, if anything is.
   */
  acknowledge(stamp: CallerStamp, base: Caller | undefined): number {
    let known = this.#byCaller.get(stamp.id);
    if (known === undefined) {
      const firstUnacked = base?.firstUnacked ?? 1;
      known = { firstUnacked, newest: base?.newest ?? 0, replies: new SlidingWindow() };
      this.#byCaller.set(stamp.id, known);
    }
    if (stamp.firstUnacked > known.firstUnacked) {
      known.firstUnacked = stamp.firstUnacked;
      known.replies.forgetBelow(stamp.firstUnacked);
    }
    return known.firstUnacked;
  }

  /** Whether no command with this sequence or a higher one has come before; the next call will say that one has. */
  isNew(stamp: CallerStamp): boolean {
    const known = this.#byCaller.get(stamp.id);
    if (known === undefined) return false;
    if (stamp.sequence <= known.newest || stamp.sequence < known.firstUnacked) return false;
    known.newest = stamp.sequence;
    return true;
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
}
