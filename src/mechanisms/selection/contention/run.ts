/** The callback shape of acquiring: holds while a function runs. */
import type { NotHeld } from "./not-held.ts";
import type { FencingToken, Held } from "./held.ts";

/** What the function is given. */
export interface Holding {
  readonly token: FencingToken;
  /** Aborts when it is no longer owned: stop, and do not write. Also when it was asked back (REVOKED): come to an end. */
  readonly signal: AbortSignal;
}

/** `lost`: it ran, and stopped because it was no longer owned, or had been asked back. */
export type Ran<T> =
  | { readonly ok: true; readonly value: T; readonly token: FencingToken }
  | NotHeld
  | (Omit<NotHeld, "reason"> & { readonly reason: "lost" });

/**
 * Acquires, runs `work`, releases; answers why not if it is not acquired, or if `work` stopped because of its own
 * signal. Throws what else `work` throws.
 */
export async function tryRun<T, O>(
  tryAcquire: (options: O) => Promise<Held | NotHeld>,
  work: (holding: Holding) => T | Promise<T>,
  options: O,
): Promise<Ran<T>> {
  const held = await tryAcquire(options);
  if (!held.ok) return held;
  try {
    return {
      ok: true,
      value: await work({ token: held.token, signal: held.signal }),
      token: held.token,
    };
  } catch (error) {
    const { signal } = held;
    if (!cameOf(error, signal)) throw error;
    return {
      ok: false,
      reason: "lost",
      why: signal.reason instanceof Error ? signal.reason.message : String(signal.reason),
      holder: undefined,
      holderToken: undefined,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  } finally {
    await held.release();
  }
}

/** Runs `work` and releases, whatever comes of it. Throws the loss if `work` stopped because of it. */
export async function runHolding<T>(
  held: Held,
  work: (holding: Holding) => T | Promise<T>,
): Promise<T> {
  try {
    return await work({ token: held.token, signal: held.signal });
  } catch (error) {
    throw cameOf(error, held.signal) ? held.signal.reason : error;
  } finally {
    await held.release();
  }
}

/** Whether `error` is what aborting `signal` brings about: its reason, an AbortError, or an error caused by either. */
export function cameOf(error: unknown, signal: AbortSignal): boolean {
  if (!signal.aborted) return false;
  for (let each = error, left = 8; each instanceof Error && left > 0; each = each.cause, left--)
    if (each === signal.reason || each.name === "AbortError") return true;
  return false;
}
