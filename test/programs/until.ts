/** Waiting for a condition that asks other programs. */
import assert from "node:assert/strict";

const POLL_MS = 100;

/** Waits until `condition` gives something; what it throws meanwhile is part of the report if it never does. */
export async function until<T>(
  what: string,
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  limitMs = 120_000,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    let last: unknown;
    try {
      const found = await condition();
      if (found !== undefined && found !== false) return found;
    } catch (error) {
      last = error;
    }
    assert.ok(performance.now() < end, `waited in vain: ${what}; last: ${String(last)}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
