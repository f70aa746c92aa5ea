/**
 * Where simulations run: this process. Each appointment has a macrotask of its own, and what comes of it (its promises,
 * its callbacks) belongs to its machine, which is how the replaced globals know whose time is asked for.
 *
 * Source: decision 0015 (AsyncLocalStorage rather than a worker or a context of `node:vm`).
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { setImmediate as hostImmediate } from "node:timers";
import type { MachineLife } from "../verify/simulator/machine.ts";
import type { Stage } from "../verify/simulator/runner.ts";

const lives = new AsyncLocalStorage<MachineLife | undefined>();

/** The life, of a machine, that the present code is part of; undefined outside of simulations. */
export function lifeHere(): MachineLife | undefined {
  return lives.getStore();
}

/** Does `act` as nobody in the simulation: host functions are the host's there. */
export function outside<T>(act: () => T): T {
  return lives.run(undefined, act);
}

// Taken when this module loads: whoever fakes timers later does not fake these.
const immediate = hostImmediate;

/** Where simulated user code runs. */
export const userStage: Stage = {
  turn: (next) => void immediate(next),
  rest: (next) => void immediate(next),
  as: (life, act) => lives.run(life, act),
};

/** Things that happen before the host's own have their turn. */
const TURNS = 32;
let turns = 0;

/**
 * Where only Quorate is simulated: the test around it stays in the host's time. Promises come to rest before what is
 * queued behind them for the next tick, which costs a third of a macrotask; every so often the host has a whole one.
 */
export const plainStage: Stage = {
  turn: (next) => {
    if (++turns % TURNS === 0) immediate(next);
    else queueMicrotask(() => process.nextTick(next));
  },
  rest: (next) => void immediate(next),
  as: (_life, act) => act(),
};
