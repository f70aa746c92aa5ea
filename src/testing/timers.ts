/** Timers of simulated user code, with the shape that Node's have. */
import type { Cancel } from "../ports/clock.ts";
import type { MachineLife } from "../verify/simulator/machine.ts";

type Callback = (...args: unknown[]) => unknown;

/** As Node has it: a delay that is no number, or none, is one millisecond. */
function delayOf(given: unknown): number {
  const delayMs = Number(given);
  return delayMs >= 1 && delayMs <= 0x7fff_ffff ? delayMs : 1;
}

/** What setTimeout, setInterval and setImmediate return in a simulation. */
export class SimTimer {
  static #count = 0;
  static readonly #byId = new Map<number, SimTimer>();
  readonly #id = ++SimTimer.#count;
  readonly #life: MachineLife;
  readonly #fire: () => void;
  readonly #delayMs: number;
  readonly #repeats: boolean;
  #cancel: Cancel = () => {};
  #isRef = true;

  private constructor(life: MachineLife, delayMs: number, repeats: boolean, fire: () => void) {
    this.#life = life;
    this.#delayMs = delayMs;
    this.#repeats = repeats;
    this.#fire = fire;
    this.#arm();
  }

  static timeout(life: MachineLife, callback: Callback, delay: unknown, args: unknown[]): SimTimer {
    return new SimTimer(life, delayOf(delay), false, () => callback(...args));
  }
  static interval(
    life: MachineLife,
    callback: Callback,
    delay: unknown,
    args: unknown[],
  ): SimTimer {
    return new SimTimer(life, delayOf(delay), true, () => callback(...args));
  }
  static immediate(life: MachineLife, callback: Callback, args: unknown[]): SimTimer {
    return new SimTimer(life, 0, false, () => callback(...args));
  }

  /** Clears `given` if it is one of these, or the number of one. */
  static clear(given: unknown): boolean {
    const timer =
      typeof given === "number" || typeof given === "string"
        ? SimTimer.#byId.get(Number(given))
        : given;
    if (!(timer instanceof SimTimer)) return false;
    timer.close();
    return true;
  }

  #arm(): void {
    this.#cancel = this.#life.clock.after(this.#delayMs, () => {
      if (this.#repeats) this.#arm();
      else SimTimer.#byId.delete(this.#id);
      this.#fire();
    });
  }

  close(): this {
    this.#cancel();
    SimTimer.#byId.delete(this.#id);
    return this;
  }
  refresh(): this {
    this.#cancel();
    this.#arm();
    return this;
  }
  ref(): this {
    this.#isRef = true;
    return this;
  }
  unref(): this {
    this.#isRef = false;
    return this;
  }
  hasRef(): boolean {
    return this.#isRef;
  }
  [Symbol.toPrimitive](): number {
    SimTimer.#byId.set(this.#id, this);
    return this.#id;
  }
  [Symbol.dispose](): void {
    this.close();
  }
}
