/**
 * Virtual time for one simulated node: timers fire in order when the owner steps, never by themselves. The wall clock
 * can be made to jump; the monotonic one cannot.
 */
import type { Cancel, Clock } from "../ports/clock.ts";

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  cancelled: boolean;
}

export class SimClock implements Clock {
  #nowMs: number;
  #wallOffsetMs: number;
  #order = 0;
  readonly #timers: Timer[] = [];

  constructor(startMs = 0, wallMs = 1_700_000_000_000) {
    this.#nowMs = startMs;
    this.#wallOffsetMs = wallMs - startMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }
  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }
  /** Moves the wall clock by `byMs`, either way. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  after(delayMs: number, fire: () => void): Cancel {
    const timer: Timer = {
      at: this.#nowMs + Math.max(0, delayMs),
      order: this.#order++,
      fire,
      cancelled: false,
    };
    let at = this.#timers.length;
    while (at > 0 && later(this.#timers[at - 1] as Timer, timer)) at--;
    this.#timers.splice(at, 0, timer);
    return () => {
      timer.cancelled = true;
    };
  }

  soon(fire: () => void): void {
    this.after(0, fire);
  }

  /** Fires the next timer, moving time to it; false if there is none within `untilMs`. */
  step(untilMs: number = Infinity): boolean {
    for (;;) {
      const next = this.#timers[0];
      if (next === undefined || next.at > untilMs) return false;
      this.#timers.shift();
      if (next.cancelled) continue;
      this.#nowMs = Math.max(this.#nowMs, next.at);
      next.fire();
      return true;
    }
  }
}

function later(a: Timer, b: Timer): boolean {
  return a.at > b.at || (a.at === b.at && a.order > b.order);
}
