/**
 * Carries out an agenda, one appointment at a time: whatever it set off in promises has come to rest before the next one,
 * as in a real process that gets its events one by one.
 *
 * Invariants: I1 nothing of two appointments is interleaved. I2 what a machine that stands still should get is put off;
 * what one should get that is off is dropped. I3 a run ends when nothing is left by its time, or when it is told to.
 */
import type { Agenda, Appointment } from "./agenda.ts";
import type { Machine, MachineLife } from "./machine.ts";
import type { Trace } from "./trace.ts";

/** What the runner needs of the process that it runs in. */
export interface Stage {
  /** Does `next` after everything that is ready now, and all that comes of it in promises. */
  turn(next: () => void): void;
  /** Does `next` in a later macrotask. */
  rest(next: () => void): void;
  /** Does `act` as part of `life`, and everything that comes of it. */
  as(life: MachineLife, act: () => void): void;
}

export interface RunnerOptions {
  readonly agenda: Agenda;
  readonly trace: Trace;
  readonly stage: Stage;
  /** Told of what an appointment threw, which nobody caught. */
  readonly thrown: (machine: Machine, error: unknown) => void;
}

export class Runner {
  readonly #options: RunnerOptions;

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /** Lets the world go on until `untilMs`, or until `over` says so. */
  run(untilMs: number, over: () => boolean = () => false): Promise<void> {
    const { agenda, stage } = this.#options;
    return new Promise((resolve, reject) => {
      let hasRested = false;
      const step = (): void => {
        try {
          if (over()) return resolve();
          const next = agenda.take(untilMs);
          if (next === undefined && !hasRested) {
            hasRested = true;
            return stage.rest(step);
          }
          hasRested = false;
          if (next === undefined) {
            if (untilMs !== Infinity) agenda.passTo(untilMs);
            return resolve();
          }
          this.#deliver(next);
          stage.turn(step);
        } catch (error) {
          reject(error as Error);
        }
      };
      stage.turn(step);
    });
  }

  #deliver(appointment: Appointment): void {
    const { agenda, trace, stage, thrown } = this.#options;
    const { machine } = appointment;
    const { life } = machine;
    if (life === undefined) return;
    if (machine.stillUntilMs > agenda.nowMs)
      return agenda.putOff(appointment, machine.stillUntilMs);
    trace.event(agenda.nowMs, machine.number);
    stage.as(life, () => {
      try {
        appointment.fire();
      } catch (error) {
        thrown(machine, error);
      }
    });
  }
}
