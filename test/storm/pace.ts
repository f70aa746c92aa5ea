/** Lets so many begin in a second, whoever they are; what was missed in an outage is not made up for. */
import { setTimeout as pause } from "node:timers/promises";

export class Pace {
  readonly #gapMs: number;
  #nextMs = performance.now();

  constructor(perSecond: number) {
    this.#gapMs = 1_000 / perSecond;
  }

  async turn(): Promise<void> {
    const nowMs = performance.now();
    this.#nextMs = Math.max(this.#nextMs + this.#gapMs, nowMs);
    await pause(this.#nextMs - nowMs);
  }
}
