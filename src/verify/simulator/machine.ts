/**
 * One simulated computer: its clock, its randomness, and whether it runs. Whatever happens in the world happens on a
 * machine; one that stands still gets it late, in order, and one that was turned off never.
 *
 * Invariants: I1 the monotonic clock never goes back and goes on while the machine stands still. I2 a timer never fires
 * before its delay has passed on the machine's own clock, however that drifts. I3 what was begun in one life of the
 * machine does not happen in the next.
 */
import { must } from "../../base/assert.ts";
import type { Prng } from "../../base/prng.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Agenda, Appointment } from "./agenda.ts";

/** What the wall clocks say when a world begins: 2026-01-01T00:00:00Z. */
export const EPOCH_MS = 1_767_225_600_000;

/** The least that a timer is put off: sums of this size are not lost in rounding. */
const STEP_MS = 0.001;

/**
 * One life of a machine: from the moment that it is turned on until it is turned off. Code of a life that is over may
 * go on computing for a while, because nobody can stop a promise; but nothing that it asks for ever happens.
 */
export class MachineLife {
  readonly machine: Machine;
  /** Time as programs of this life see it. */
  readonly clock: Clock;
  readonly #agenda: Agenda;

  constructor(machine: Machine, agenda: Agenda) {
    this.machine = machine;
    this.#agenda = agenda;
    this.clock = {
      monotonicMs: () => machine.monotonicMs,
      wallMs: () => machine.wallMs,
      after: (delayMs, fire) => this.#after(Math.max(0, delayMs), fire),
      soon: (fire) => void this.in(0, fire),
    };
  }

  get random(): Prng {
    return this.machine.random;
  }
  get isOver(): boolean {
    return this.machine.life !== this;
  }

  /** Does `fire` on this machine, `delayMs` of virtual time from now, if it still has this life then. */
  in(delayMs: number, fire: () => void): Cancel {
    if (this.isOver) return () => {};
    const appointment: Appointment = this.#agenda.add(this.machine, delayMs, () => {
      if (!this.isOver) fire();
    });
    return () => this.#agenda.cancel(appointment);
  }

  #after(delayMs: number, fire: () => void): Cancel {
    const { machine } = this;
    const dueMs = machine.monotonicMs + delayMs;
    let cancel: Cancel = () => {};
    const arm = (leftMs: number): void => {
      cancel = this.in(leftMs / machine.rate, () => {
        const missingMs = dueMs - machine.monotonicMs;
        // Its clock goes slower than when the timer was set, or a sum was rounded down.
        if (missingMs > 0) arm(Math.max(missingMs, STEP_MS));
        else fire();
      });
    };
    arm(delayMs);
    return () => cancel();
  }
}

export class Machine {
  readonly name: string;
  /** Its place among the machines of the world. */
  readonly number: number;
  readonly random: Prng;
  readonly #agenda: Agenda;
  #life: MachineLife | undefined;
  #stillUntilMs = 0;
  #rate = 1;
  #rateSinceMs = 0;
  #localMs = 0;
  #wallOffsetMs = EPOCH_MS;

  constructor(name: string, number: number, agenda: Agenda, random: Prng) {
    this.name = name;
    this.number = number;
    this.random = random;
    this.#agenda = agenda;
    this.#rateSinceMs = agenda.nowMs;
    this.#localMs = agenda.nowMs;
    this.#life = new MachineLife(this, agenda);
  }

  /** What it lives now; undefined while it is off. */
  get life(): MachineLife | undefined {
    return this.#life;
  }
  get isOn(): boolean {
    return this.#life !== undefined;
  }
  /** The clock of the present life. */
  get clock(): Clock {
    return must(this.#life, `${this.name} is on`).clock;
  }
  /** Does `fire` in the present life, `delayMs` of virtual time from now, if it is not over by then. */
  in(delayMs: number, fire: () => void): Cancel {
    return this.#life?.in(delayMs, fire) ?? (() => {});
  }

  /** Virtual time until which it stands still. */
  get stillUntilMs(): number {
    return this.#stillUntilMs;
  }
  /** Stands still for so long, as under SIGSTOP or a collection of garbage: whatever is due meanwhile comes late. */
  standStill(forMs: number): void {
    this.#stillUntilMs = Math.max(this.#stillUntilMs, this.#agenda.nowMs + forMs);
  }

  /** Everything in it is gone at once. */
  turnOff(): void {
    this.#life = undefined;
  }
  turnOn(): void {
    this.#life = new MachineLife(this, this.#agenda);
    this.#stillUntilMs = this.#agenda.nowMs;
  }

  /** What its clocks say, ms. */
  get monotonicMs(): number {
    return this.#localMs + (this.#agenda.nowMs - this.#rateSinceMs) * this.#rate;
  }
  get wallMs(): number {
    return Math.floor(this.monotonicMs + this.#wallOffsetMs);
  }
  /** How fast its clocks go; 1: as the world. */
  get rate(): number {
    return this.#rate;
  }

  /** Sets the wall clock `skewMs` off the world's; the monotonic clock does not notice. */
  skew(skewMs: number): void {
    this.#wallOffsetMs = EPOCH_MS + skewMs + this.#agenda.nowMs - this.monotonicMs;
  }
  /** Moves the wall clock by `byMs`, either way. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
  /** From now on its clocks go `rate` times as fast as the world's. */
  drift(rate: number): void {
    this.#localMs = this.monotonicMs;
    this.#rateSinceMs = this.#agenda.nowMs;
    this.#rate = rate;
  }
}
