/**
 * How much of something may happen: so much at once, then at a rate. The caller says what time it is.
 * Source: the leaky bucket as a meter (ITU-T I.371).
 */
export class Allowance {
  readonly #atOnce: number;
  readonly #perSecond: number;
  #spent = 0;
  #asOfMs = 0;

  constructor(atOnce: number, perSecond: number) {
    this.#atOnce = atOnce;
    this.#perSecond = perSecond;
  }

  /** False: it is too much. */
  spend(nowMs: number, amount = 1): boolean {
    const regained = ((nowMs - this.#asOfMs) / 1_000) * this.#perSecond;
    this.#spent = Math.max(0, this.#spent - regained) + amount;
    this.#asOfMs = nowMs;
    return this.#spent <= this.#atOnce;
  }

  /** Whether all that was spent has been regained. */
  isWhole(nowMs: number): boolean {
    this.spend(nowMs, 0);
    return this.#spent === 0;
  }
}
