/**
 * The callers of one remote keyspace: deduplication identities, each with its sequence numbers and the lowest one
 * whose answer is not in yet.
 *
 * Invariants: I1 a stamp is given once. I2 a caller that the server does not know, or could not open, gets no more
 * stamps; what was stamped by it keeps its stamp, because it may have happened under it.
 */
import type { Failure } from "../../base/errors.ts";
import type { CallerStamp } from "../../contract/requests.ts";
import type { Entropy } from "../../ports/entropy.ts";
import { id63 } from "../../ports/entropy.ts";

/** One identity. */
export class Caller {
  readonly id: bigint;
  /** Its opening has been asked for. */
  opened = false;
  /** Why the server would not open it: what was stamped by it cannot have happened. */
  refused: Failure | undefined;
  #oldest = 1;
  /** Answered, though an older one is not. */
  readonly #ahead = new Set<number>();
  #next = 1;

  constructor(id: bigint) {
    this.id = id;
  }
  stamp(): Stamp {
    return { caller: this, sequence: this.#next++ };
  }
  answered(sequence: number): void {
    if (sequence !== this.#oldest) {
      if (sequence > this.#oldest) this.#ahead.add(sequence);
      return;
    }
    do this.#oldest++;
    while (this.#ahead.delete(this.#oldest));
  }
  get oldestUnanswered(): number {
    return this.#oldest;
  }
}

export interface Stamp {
  readonly caller: Caller;
  readonly sequence: number;
}

/** The stamp as it goes on the wire now: what may be forgotten has moved on since it was made. */
export function onWire({ caller, sequence }: Stamp): CallerStamp {
  return { id: caller.id, sequence, firstUnacked: Math.min(caller.oldestUnanswered, sequence) };
}

export class CallerWindow {
  readonly #entropy: Entropy;
  #current: Caller;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
    this.#current = new Caller(id63(entropy));
  }

  /** The caller that stamps what comes next. */
  get current(): Caller {
    return this.#current;
  }

  /** `caller` is of no use any more. */
  retire(caller: Caller): void {
    if (this.#current === caller) this.#current = new Caller(id63(this.#entropy));
  }
}
