/**
 * Virtual time for a user's own test: what is due now happens by itself, anything later only when the test lets time
 * pass. Nothing global is replaced: only Quorate goes by this clock.
 *
 * Invariants: I1 timers fire in the order of their times, each by itself, with everything that an earlier
 * one set off already done. I2 time never passes by itself. I3 advances that are asked for at once come one after the
 * other.
 */
import { fail } from "../base/errors.ts";
import type { Agenda } from "../verify/simulator/agenda.ts";
import type { Machine } from "../verify/simulator/machine.ts";
import type { Runner } from "../verify/simulator/runner.ts";
import { plainStage } from "./stage.ts";

/** How long `runUntil` lets pass at most, by default, ms: an hour. */
const WITHIN_MS = 3_600_000;

/** The clock of a virtual Quorate. */
export class VirtualClock {
  readonly #agenda: Agenda;
  readonly #runner: Runner;
  readonly #machine: Machine;
  #tail: Promise<void> = Promise.resolve();
  #settling = false;
  #advancing = 0;

  /** @internal */
  constructor(agenda: Agenda, runner: Runner, machine: Machine) {
    this.#agenda = agenda;
    this.#runner = runner;
    this.#machine = machine;
    agenda.onDue = () => this.#settleSoon();
  }

  /** Virtual time since it began, ms. */
  get elapsedMs(): number {
    return this.#agenda.nowMs;
  }
  /** What Quorate's wall clock says; 2026-01-01T00:00:00Z at the beginning. */
  now(): Date {
    return new Date(this.#machine.clock.wallMs());
  }

  /**
   * Lets `ms` of virtual time pass: every timer of Quorate that is due by then fires, in order. Resolves when all that
   * came of it is done, as far as it needs neither more time nor the outside world. Throws INVALID if `ms` is negative.
   */
  advance(ms: number): Promise<void> {
    if (!(ms >= 0) || ms === Infinity) return Promise.reject(badTime(ms));
    return this.#inTurn(() => this.#runner.run(this.#agenda.nowMs + ms));
  }

  /** Lets what is due now be done: the same as `advance(0)`. */
  settle(): Promise<void> {
    return this.advance(0);
  }

  /**
   * Lets time pass until `work` is settled, and no longer; gives its value or throws its reason. Throws TIMEOUT if it is
   * not settled after `withinMs` of virtual time, by default an hour.
   */
  async runUntil<T>(
    work: PromiseLike<T>,
    options: { readonly withinMs?: number | undefined } = {},
  ): Promise<T> {
    const { withinMs = WITHIN_MS } = options;
    if (!(withinMs >= 0)) throw badTime(withinMs);
    let isSettled = false;
    const settled = (): void => {
      isSettled = true;
    };
    work.then(settled, settled);
    await this.#inTurn(() => this.#runner.run(this.#agenda.nowMs + withinMs, () => isSettled));
    if (isSettled) return await work;
    throw fail("TIMEOUT", {
      object: "virtual time",
      what: `what was waited for was not settled within ${withinMs} ms`,
      remedy:
        "Give withinMs, or look for what it waits for: time outside of Quorate does not pass.",
    });
  }

  /** Resolves when `ms` of virtual time have passed. For fakes in the test: somebody must let time pass. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#machine.in(Math.max(0, ms), resolve));
  }

  /** Moves the wall clock by `byMs`, either way, as an operator or NTP would; timers and leases do not notice. */
  jump(byMs: number): void {
    this.#machine.jump(byMs);
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    const run = async (): Promise<void> => {
      this.#advancing++;
      try {
        await act();
      } finally {
        this.#advancing--;
      }
      if (this.#agenda.isDue) this.#settleSoon();
    };
    const done = this.#tail.then(run);
    this.#tail = done.catch(() => {});
    return done;
  }

  /** What is due at once does not wait for the test to let time pass. */
  #settleSoon(): void {
    if (this.#settling || this.#advancing > 0) return;
    this.#settling = true;
    plainStage.turn(() => {
      this.#settling = false;
      if (this.#advancing > 0) return;
      void this.#inTurn(() => this.#runner.run(this.#agenda.nowMs));
    });
  }
}

function badTime(ms: number): Error {
  return fail("INVALID", {
    object: "virtual time",
    what: `${ms} ms cannot pass`,
    remedy: "Give milliseconds from 0 on.",
  });
}
