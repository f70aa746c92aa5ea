/**
 * The one timer of a driver, and how many of a member's ticks are due.
 *
 * Invariant: ticks follow the monotonic clock. After a stall all that were missed are due at once, before anything else
 * is looked at: a leader that stood still must not believe that no time has passed.
 */
import type { Cancel, Clock } from "../ports/clock.ts";

/** How often what a leader does by itself is looked at, ms. */
export const MAINTAIN_MS = 100;

export class Ticker {
  readonly #clock: Clock;
  /** Of the Raft machine's ticks, ms; undefined: time is nothing to it. */
  readonly #tickMs: number | undefined;
  readonly #fire: () => void;
  #lastMs: number;
  #maintainedMs: number;
  #cancel: Cancel = () => {};

  constructor(clock: Clock, tickMs: number | undefined, fire: () => void) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#fire = fire;
    this.#lastMs = this.#maintainedMs = clock.monotonicMs();
  }

  start(): void {
    this.#cancel = this.#clock.after(
      this.#tickMs ?? MAINTAIN_MS,
      () => {
        this.start();
        this.#fire();
      },
      { idle: true },
    );
  }

  stop(): void {
    this.#cancel();
  }

  /** Ticks since this was last asked. */
  due(nowMs: number): number {
    if (this.#tickMs === undefined) return 0;
    const count = Math.floor((nowMs - this.#lastMs) / this.#tickMs);
    this.#lastMs += count * this.#tickMs;
    return count;
  }

  /** Whether it is time for maintenance. */
  isMaintenanceDue(nowMs: number): boolean {
    if (this.#tickMs !== undefined && nowMs - this.#maintainedMs < MAINTAIN_MS) return false;
    this.#maintainedMs = nowMs;
    return true;
  }
}
