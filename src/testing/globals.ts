/**
 * The globals of simulated user code: time, timers and randomness come from the machine that the code runs on. Code that
 * runs outside of a simulation, in the same process and at the same time, gets the host's as ever.
 *
 * Invariants: I1 what is replaced is put back when the last simulation has ended. I2 whoever took a reference before, as
 * `const { setTimeout } = globalThis`, keeps the host's: real time, which no seed repeats.
 */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { performance } from "node:perf_hooks";
import timers from "node:timers";
import timersPromises from "node:timers/promises";
import type { MachineLife } from "../verify/simulator/machine.ts";
import { hexUuid, randomFill } from "./random-bytes.ts";
import { lifeHere } from "./stage.ts";
import { simulatedPromises } from "./timers-promises.ts";
import { SimTimer } from "./timers.ts";

type Anything = (...args: never[]) => unknown;
interface Replacement {
  readonly on: object;
  readonly name: string;
  readonly by: unknown;
}

const HostDate = Date;
let users = 0;
let restore: (() => void) | undefined;

/** Replaces the globals until the returned function is called. */
export function replaceGlobals(): () => void {
  if (users++ === 0) restore = install(replacements());
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    if (--users > 0) return;
    restore?.();
    restore = undefined;
  };
}

function install(all: readonly Replacement[]): () => void {
  const before = all.map(({ on, name }) => ({
    on,
    name,
    descriptor: Object.getOwnPropertyDescriptor(on, name),
  }));
  for (const { on, name, by } of all)
    Object.defineProperty(on, name, { value: by, writable: true, configurable: true });
  // So that `import { setTimeout } from "node:timers/promises"` sees it as well.
  syncBuiltinESMExports();
  return () => {
    for (const { on, name, descriptor } of before) {
      if (descriptor === undefined) Reflect.deleteProperty(on, name);
      else Object.defineProperty(on, name, descriptor);
    }
    syncBuiltinESMExports();
  };
}

/** `simulated` on a life, the host's own elsewhere. */
function either<F extends Anything>(
  on: object,
  name: string,
  simulated: (life: MachineLife) => F,
): Replacement {
  const host = Reflect.get(on, name) as Anything;
  const by = function (this: unknown, ...args: never[]): unknown {
    const life = lifeHere();
    return life === undefined ? host.apply(this, args) : simulated(life)(...args);
  };
  // What `util.promisify` and others look for on it.
  for (const key of Reflect.ownKeys(host)) {
    if (key in by) continue;
    Object.defineProperty(by, key, Object.getOwnPropertyDescriptor(host, key) ?? {});
  }
  return { on, name, by };
}

function replacements(): readonly Replacement[] {
  return [
    { on: globalThis, name: "Date", by: simulatedDate() },
    either(
      performance,
      "now",
      ({ clock }) =>
        () =>
          clock.monotonicMs(),
    ),
    either(
      Math,
      "random",
      ({ random }) =>
        () =>
          random.u32() / 0x1_0000_0000,
    ),
    either(AbortSignal, "timeout", (life) => (ms: number) => signalAfter(life, ms)),
    ...[globalThis, timers].flatMap(timerFunctions),
    ...simulatedPromises(timersPromises).map(({ on, name, by }) => either(on, name, by)),
    ...randomness(),
    ...highResolution(),
  ];
}

function timerFunctions(on: object): readonly Replacement[] {
  type Timed = (callback: () => unknown, delay?: unknown, ...args: unknown[]) => SimTimer;
  type Immediate = (callback: () => unknown, ...args: unknown[]) => SimTimer;
  const clear = (name: string): Replacement => {
    const host = Reflect.get(on, name) as (timer: unknown) => void;
    const by = (timer: unknown): void => {
      if (!SimTimer.clear(timer)) host(timer);
    };
    return { on, name, by };
  };
  return [
    either<Timed>(
      on,
      "setTimeout",
      (life) =>
        (callback, delay, ...args) =>
          SimTimer.timeout(life, callback, delay, args),
    ),
    either<Timed>(
      on,
      "setInterval",
      (life) =>
        (callback, delay, ...args) =>
          SimTimer.interval(life, callback, delay, args),
    ),
    either<Immediate>(
      on,
      "setImmediate",
      (life) =>
        (callback, ...args) =>
          SimTimer.immediate(life, callback, args),
    ),
    ...["clearTimeout", "clearInterval", "clearImmediate"].map(clear),
  ];
}

function randomness(): readonly Replacement[] {
  const web = globalThis.crypto;
  return [
    either(
      web,
      "randomUUID",
      ({ random }) =>
        () =>
          hexUuid(random),
    ),
    either(
      web,
      "getRandomValues",
      ({ random }) =>
        <T extends ArrayBufferView>(into: T): T =>
          randomFill(random, into),
    ),
    either(
      crypto,
      "randomUUID",
      ({ random }) =>
        () =>
          hexUuid(random),
    ),
    either(
      crypto,
      "randomBytes",
      ({ random }) =>
        (size: number, done?: (error: null, bytes: Buffer) => void) => {
          const bytes = randomFill(random, Buffer.alloc(size));
          if (done === undefined) return bytes;
          setImmediate(() => done(null, bytes));
          return undefined;
        },
    ),
    either(
      crypto,
      "randomFillSync",
      ({ random }) =>
        <T extends ArrayBufferView>(into: T): T =>
          randomFill(random, into),
    ),
    either(
      crypto,
      "randomInt",
      ({ random }) =>
        (low: number, high?: number) =>
          high === undefined ? random.below(low) : low + random.below(high - low),
    ),
  ];
}

function highResolution(): readonly Replacement[] {
  const host = process.hrtime;
  const nanoseconds = ({ clock }: MachineLife): bigint =>
    BigInt(Math.floor(clock.monotonicMs() * 1_000)) * 1_000n;
  const by = Object.assign(
    (since?: [number, number]): [number, number] => {
      const life = lifeHere();
      if (life === undefined) return host(since);
      const at =
        nanoseconds(life) - BigInt(since?.[0] ?? 0) * 1_000_000_000n - BigInt(since?.[1] ?? 0);
      return [Number(at / 1_000_000_000n), Number(at % 1_000_000_000n)];
    },
    {
      bigint: (): bigint => {
        const life = lifeHere();
        return life === undefined ? host.bigint() : nanoseconds(life);
      },
    },
  );
  return [{ on: process, name: "hrtime", by }];
}

/** `Date` that says what the machine's wall clock says; otherwise Date itself, prototype and all. */
function simulatedDate(): DateConstructor {
  const now = (): number => lifeHere()?.clock.wallMs() ?? HostDate.now();
  return new Proxy(HostDate, {
    construct: (target, args, made) =>
      Reflect.construct(target, args.length === 0 ? [now()] : args, made) as Date,
    apply: () => new HostDate(now()).toString(),
    get: (target, key, receiver) =>
      key === "now" ? now : (Reflect.get(target, key, receiver) as unknown),
  });
}

function signalAfter({ clock }: MachineLife, ms: number): AbortSignal {
  const controller = new AbortController();
  clock.after(ms, () =>
    controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")),
  );
  return controller.signal;
}
