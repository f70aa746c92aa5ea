/** A disk's speed: SimDisk takes its time from a clock, and this is the clock of a disk that can be slow or stall. */
import type { Clock } from "../../ports/clock.ts";
import type { Agenda } from "./agenda.ts";

export class DiskSpeed {
  readonly #agenda: Agenda;
  #untilMs = 0;
  #eachMs = 0;

  constructor(agenda: Agenda) {
    this.#agenda = agenda;
  }

  /** For the next `forMs` every operation takes `eachMs` longer. */
  slow(forMs: number, eachMs: number): void {
    this.#untilMs = this.#agenda.nowMs + forMs;
    this.#eachMs = eachMs;
  }
  heal(): void {
    this.#untilMs = this.#agenda.nowMs;
  }

  /** `clock`, by which a disk measures how long it takes. */
  of(clock: Clock): Clock {
    return {
      ...clock,
      after: (delayMs, fire, options) =>
        clock.after(
          delayMs + (this.#agenda.nowMs < this.#untilMs ? this.#eachMs : 0),
          fire,
          options,
        ),
    };
  }
}
