/** Waiting for a condition, in tests of what goes by real time: processes, sockets, other programs. */
import assert from "node:assert/strict";

/** Whatever a test waits for comes within this time, or not at all; less than a test has, so that it can say what. */
const PATIENCE_MS = 120_000;
const POLL_MS = 5;

/** Waits until `condition` gives something, and gives that; fails after `limitMs` with what `says` then. */
export async function until<T>(
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  says: () => string,
  limitMs: number = PATIENCE_MS,
): Promise<T> {
  const end = performance.now() + limitMs;
  for (;;) {
    const found = await condition();
    if (found !== undefined && found !== false) return found;
    assert.ok(performance.now() < end, `not within ${limitMs} ms: ${says()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
