/**
 * Keyspace time: what `tx.now` says.
 *
 * Invariants: I1 it never decreases and never stops. I2 while running it follows the monotonic clock, at most a tenth
 * faster or slower to approach the wall clock, so that a wall clock that jumps expires nothing. I3 it steps only when
 * a leadership begins, forward, by at most a day unless that is accepted by name.
 */
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";

/** The largest step forward at start without consent. */
export const STEP_MAX_MS: number = 24 * 3_600_000;
/** Disagreement with the wall clock beyond which the alarm CLOCK is raised. */
export const DISAGREEMENT_MS = 1_000;
const SLEW = 0.1;

export class KeyspaceTime {
  #time: number;
  #monotonicMs: number;
  #wallMs: number;

  private constructor(time: number, monotonicMs: number, wallMs: number) {
    this.#time = time;
    this.#monotonicMs = monotonicMs;
    this.#wallMs = wallMs;
  }

  /** Begins from the last committed time (0 on a fresh store); the failure CLOCK_JUMP if the step needs consent. */
  static start(
    lastMs: number,
    monotonicMs: number,
    wallMs: number,
    acceptJump: boolean,
    object: string,
  ): KeyspaceTime | Failure {
    const step = wallMs - lastMs;
    if (lastMs > 0 && step > STEP_MAX_MS && !acceptJump) {
      const hours = Math.round(step / 3_600_000);
      return failure("CLOCK_JUMP", {
        object,
        what: `the machine's clock is ${hours} hours ahead of the last time recorded here, and every deadline in between would pass at once`,
        remedy:
          "If the clock is right (the machine was off), start once with --accept-clock-jump (acceptClockJump: true).",
        details: { lastMs, wallMs },
      });
    }
    return new KeyspaceTime(Math.max(lastMs, wallMs), monotonicMs, wallMs);
  }

  /** Moves on to the given instants and returns the time there. */
  advance(monotonicMs: number, wallMs: number): number {
    const elapsed = Math.max(0, monotonicMs - this.#monotonicMs);
    const behind = wallMs - (this.#time + elapsed);
    const slew = Math.max(-SLEW * elapsed, Math.min(SLEW * elapsed, behind));
    this.#time += elapsed + slew;
    this.#monotonicMs = Math.max(this.#monotonicMs, monotonicMs);
    this.#wallMs = wallMs;
    return this.#time;
  }

  /** Whether keyspace time and wall clock are far enough apart to say so. */
  get disagrees(): boolean {
    return Math.abs(this.#wallMs - this.#time) > DISAGREEMENT_MS;
  }
}
