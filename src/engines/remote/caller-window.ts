/** The stamps of one caller: sequence numbers, and the lowest one whose answer is not in yet. */
import type { CallerStamp } from "../../contract/requests.ts";
import type { Entropy } from "../../ports/entropy.ts";
import { id63 } from "../../ports/entropy.ts";

export interface Stamp {
  readonly id: bigint;
  readonly sequence: number;
}

export class CallerWindow {
  readonly #entropy: Entropy;
  readonly #unanswered = new Set<number>();
  #next = 1;
  id: bigint;
  opened = false;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
    this.id = id63(entropy);
  }

  stamp(): Stamp {
    const sequence = this.#next++;
    this.#unanswered.add(sequence);
    return { id: this.id, sequence };
  }

  /** The stamp as it goes on the wire now: what may be forgotten has moved on since it was made. */
  current(stamp: Stamp): CallerStamp {
    const oldest = this.#unanswered.values().next().value ?? stamp.sequence;
    return { ...stamp, firstUnacked: stamp.id === this.id ? oldest : stamp.sequence };
  }

  answered(stamp: Stamp): void {
    if (stamp.id === this.id) this.#unanswered.delete(stamp.sequence);
  }

  /** Takes a new identity, unless the one that `stamp` had has been replaced already. */
  renew(stamp: Stamp): void {
    if (stamp.id !== this.id) return;
    this.id = id63(this.#entropy);
    this.#next = 1;
    this.#unanswered.clear();
    this.opened = false;
  }
}
