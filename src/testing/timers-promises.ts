/** `node:timers/promises` in a simulation. */
import type { MachineLife } from "../verify/simulator/machine.ts";

interface WaitOptions {
  readonly signal?: AbortSignal | undefined;
}
type Waiting = (...args: never[]) => unknown;

/** What is replaced in `module`, and by what. */
export function simulatedPromises(module: {
  readonly scheduler: object;
}): readonly { on: object; name: string; by: (life: MachineLife) => Waiting }[] {
  return [
    {
      on: module,
      name: "setTimeout",
      by:
        (life) =>
        <T>(delayMs?: number, value?: T, options?: WaitOptions) =>
          wait(life, Math.max(1, delayMs ?? 1), value, options),
    },
    {
      on: module,
      name: "setImmediate",
      by:
        (life) =>
        <T>(value?: T, options?: WaitOptions) =>
          wait(life, 0, value, options),
    },
    {
      on: module,
      name: "setInterval",
      by:
        (life) =>
        <T>(delayMs?: number, value?: T, options?: WaitOptions) =>
          beats(life, Math.max(1, delayMs ?? 1), value, options),
    },
    {
      on: module.scheduler,
      name: "wait",
      by: (life) => (delayMs: number, options?: WaitOptions) =>
        wait(life, Math.max(1, delayMs), undefined, options),
    },
    { on: module.scheduler, name: "yield", by: (life) => () => wait(life, 0, undefined) },
  ];
}

function wait<T>(
  { clock }: MachineLife,
  delayMs: number,
  value: T,
  { signal }: WaitOptions = {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(aborted(signal));
    const onAbort = (): void => {
      cancel();
      reject(aborted(signal));
    };
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve(value);
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

async function* beats<T>(
  life: MachineLife,
  delayMs: number,
  value: T,
  options?: WaitOptions,
): AsyncGenerator<T, void> {
  // As Node's: beats that nobody took meanwhile are given one after the other.
  const { clock } = life;
  for (let nextMs = clock.monotonicMs() + delayMs; ; nextMs += delayMs) {
    const leftMs = nextMs - clock.monotonicMs();
    if (leftMs > 0) await wait(life, leftMs, undefined, options);
    else if (options?.signal?.aborted === true) throw aborted(options.signal);
    yield value;
  }
}

function aborted(signal: AbortSignal | undefined): Error {
  return Object.assign(new Error("The operation was aborted", { cause: signal?.reason }), {
    name: "AbortError",
    code: "ABORT_ERR",
  });
}
