/** The callback shape of acquiring: holds while a function runs. */
import type { AcquireOptions, NotHeld } from "./acquire.ts";
import type { FencingToken, Held } from "./held.ts";

/** What the function is given. */
export interface Holding {
  readonly token: FencingToken;
  /** Aborts when it is no longer owned: stop, and do not write. */
  readonly signal: AbortSignal;
}

export type Ran<T> =
  | { readonly ok: true; readonly value: T; readonly token: FencingToken }
  | NotHeld;

/** Acquires, runs `work`, releases; answers why not if it is not acquired. Throws what `work` throws. */
export async function tryRun<T>(
  tryAcquire: (options: AcquireOptions) => Promise<Held | NotHeld>,
  work: (holding: Holding) => T | Promise<T>,
  options: AcquireOptions,
): Promise<Ran<T>> {
  const held = await tryAcquire(options);
  if (!held.ok) return held;
  return { ok: true, value: await runHolding(held, work), token: held.token };
}

/** Runs `work` and releases, whatever comes of it. */
export async function runHolding<T>(
  held: Held,
  work: (holding: Holding) => T | Promise<T>,
): Promise<T> {
  try {
    return await work({ token: held.token, signal: held.signal });
  } finally {
    await held.release();
  }
}
