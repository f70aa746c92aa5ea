/**
 * How much a peer may still send, of a stream or of a connection.
 *
 * Invariants: I1 a peer that sends more than it was allowed is found out. I2 what has been consumed is given back in portions
 * of half the window, so that a peer which is read never waits and hears of it seldom. Source: RFC 9113, §5.2 and §6.9.
 */
import { assert } from "../../base/assert.ts";

export class ReceiveWindow {
  readonly #bytesMax: number;
  #left: number;
  #consumed = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.#left = bytesMax;
  }

  /** False: it sends more than it was allowed. */
  take(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }

  /** By how much to open the window now that `bytes` more have been consumed; 0: not yet. */
  consume(bytes: number): number {
    this.#consumed += bytes;
    assert(this.#consumed <= this.#bytesMax - this.#left, "what is consumed has been received");
    if (this.#consumed * 2 < this.#bytesMax) return 0;
    const by = this.#consumed;
    this.#left += by;
    this.#consumed = 0;
    return by;
  }
}
