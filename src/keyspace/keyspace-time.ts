/**
 * Keyspace time: what `tx.now` says.
 *
 * Invariants: I1 it never decreases and never stops. I2 while running it follows the monotonic clock, at most a tenth
 * faster or slower to approach the wall clock, in a cluster the median of the voters', so that a wall clock that jumps
 * expires nothing. I3 it steps only when a replica of one starts, a cluster is new, or a cluster leads again of which no
 * member counted the time: then to what a majority of the wall clocks says; forward, by at most a day unless that is
 * accepted by name. I4 a member goes on from the last time that was committed, by its own monotonic clock, so that a new
 * leader's wall clock expires nothing.
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
  /** Of the wall clock that it approaches over this member's. */
  #aheadMs = 0;

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

  /** Goes on from the last committed time, at a member that need not be who said it. */
  static resume(lastMs: number, monotonicMs: number, wallMs: number): KeyspaceTime {
    return new KeyspaceTime(lastMs, monotonicMs, wallMs);
  }

  /** Another member's time has been committed: goes on from there. */
  follow(time: number, monotonicMs: number): void {
    this.#time = time;
    this.#monotonicMs = Math.max(this.#monotonicMs, monotonicMs);
  }

  /** The first time of a new cluster is its first leader's, whatever was counted before. */
  begin(wallMs: number): void {
    this.#time = Math.max(this.#time, wallMs);
  }

  /** Nobody counted the time since it was last committed; this is what a majority's clocks say. */
  step(wallMs: number): void {
    const by = wallMs - this.#time;
    if (by > DISAGREEMENT_MS && by <= STEP_MAX_MS) this.#time = wallMs;
  }

  /** The wall clock that it approaches is that much ahead of this member's. */
  lean(aheadMs: number): void {
    this.#aheadMs = aheadMs;
  }

  /** Moves on to the given instants and returns the time there. */
  advance(monotonicMs: number, ownWallMs: number): number {
    const wallMs = ownWallMs + this.#aheadMs;
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
