/** Waiting for a condition that asks other programs: what it throws meanwhile is part of the report if it never holds. */
import { until } from "../until.ts";

/** Waits until `condition` gives something, and gives that. */
export function untilTold<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs?: number,
): Promise<T> {
  let last: unknown;
  return until(
    async () => {
      try {
        return await condition();
      } catch (error) {
        last = error;
        return undefined;
      }
    },
    () => `${what}; last: ${String(last)}`,
    limitMs,
  );
}
