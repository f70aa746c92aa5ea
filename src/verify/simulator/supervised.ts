/**
 * A process of the simulated world: a machine and the program that runs on it. A program that was killed, or that a
 * failure of the engine ended, is started again, as a supervisor would; one that returned is done.
 *
 * Invariant: at most one life of the program goes on at a time. What a killed life was waiting for never comes.
 */
import { QuorateError } from "../../base/errors.ts";
import type { Machine } from "./machine.ts";
import type { SimNetwork } from "./network.ts";

/** After this long a supervisor starts a program again that has failed, ms. */
const AGAIN_MS = 500;

export interface ProcessParts {
  readonly machine: Machine;
  readonly network: SimNetwork;
  /** Where the supervisor is. */
  readonly supervisor: Machine;
  /** One life of the program. */
  readonly program: () => Promise<unknown>;
  readonly say: (text: string) => void;
  /** The program has failed in a way that no fault excuses. */
  readonly broken: (error: unknown) => void;
}

export class SimProcess {
  readonly machine: Machine;
  readonly #parts: ProcessParts;
  #resolveDone: () => void = () => {};
  /** How often the program was started. */
  lives = 0;
  /** The program has returned. */
  isDone = false;
  /** Resolves when the program has returned. */
  readonly done: Promise<void>;

  constructor(parts: ProcessParts) {
    this.#parts = parts;
    this.machine = parts.machine;
    this.done = new Promise((resolve) => {
      this.#resolveDone = resolve;
    });
  }

  get name(): string {
    return this.machine.name;
  }

  start(): void {
    this.machine.in(0, () => this.#live());
  }

  /** Ends the present life at once. `silent`: with its machine, so that nobody is told. */
  kill(silent: boolean): void {
    const { machine, network } = this.#parts;
    if (!machine.isOn) return;
    machine.turnOff();
    network.gone(machine, silent);
  }

  /** Starts the program again, if it was killed. */
  revive(): void {
    const { machine, network } = this.#parts;
    if (machine.isOn || this.isDone) return;
    machine.turnOn();
    network.back(machine);
    this.start();
  }

  #live(): void {
    const { life } = this.machine;
    const { program, say } = this.#parts;
    if (++this.lives > 1) say(`starts again (life ${this.lives})`);
    program().then(
      () => life?.isOver === false && this.#returned(),
      (error: unknown) => life?.isOver === false && this.#failed(error),
    );
  }

  #returned(): void {
    this.#parts.say("is done");
    this.isDone = true;
    this.kill(false);
    this.#resolveDone();
  }

  #failed(error: unknown): void {
    const { say, broken, supervisor } = this.#parts;
    if (!QuorateError.is(error)) return broken(error);
    say(`failed: ${error.code} (${error.outcome}) ${error.object}: ${error.failure.what}`);
    this.kill(false);
    supervisor.in(AGAIN_MS, () => this.revive());
  }
}
