/**
 * Long work on one thread: a generator is run in slices of a few milliseconds, between which everything else goes on.
 */
import type { Clock } from "../ports/clock.ts";

/** The longest that a slice runs before it gives way. */
export const SLICE_MS = 4;

/** Lets everything else have a turn. */
export function giveWay(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.soon(resolve));
}

/** Runs `work` to its end, giving way every few milliseconds; `each` gets what it yields. */
export function runInSlices<Y, T>(
  clock: Clock,
  work: Generator<Y, T>,
  each?: (yielded: Y) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const slice = (): void => {
      const until = clock.monotonicMs() + SLICE_MS;
      try {
        do {
          const step = work.next();
          if (step.done === true) return resolve(step.value);
          each?.(step.value);
        } while (clock.monotonicMs() < until);
      } catch (error) {
        return reject(error as Error);
      }
      clock.soon(slice);
    };
    slice();
  });
}
