/**
 * Time as a port. `monotonicMs` never jumps and measures elapsed time; `wallMs` is what people read and may jump.
 * No other floor may ask for the time or set a timer.
 */

/** Stops a timer that has not fired; afterwards does nothing. */
export type Cancel = () => void;

/** The time of one process. */
export interface Clock {
  /** Milliseconds since an arbitrary start, never decreasing; fractions allowed. */
  monotonicMs(): number;
  /** Milliseconds since 1970 by the machine's wall clock; may jump either way. */
  wallMs(): number;
  /** Runs `fire` once, `delayMs` from now or later. `idle` timers do not keep the process alive. */
  after(
    delayMs: number,
    fire: () => void,
    options?: { readonly idle?: boolean | undefined },
  ): Cancel;
  /** Runs `fire` after the work at hand, before any timer: the end of the present tick. */
  soon(fire: () => void): void;
}

/** `clock` for what goes on in the background: it does not keep the process alive. */
export function idle(clock: Clock): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after: (delayMs, fire) => clock.after(delayMs, fire, { idle: true }),
    soon: (fire) => clock.soon(fire),
  };
}

/** A promise of `delayMs` having passed, or of `signal` having aborted, whichever is first. Never rejects. */
export function sleep(
  clock: Clock,
  delayMs: number,
  signal?: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const cancel = clock.after(delayMs, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    const onAbort = (): void => {
      cancel();
      resolve();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}
