/** What the suites of the selection mechanisms share: two sessions over one engine, and the answers they read. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Explanation } from "../../../src/mechanisms/selection/contention/explain.ts";
import type { Held } from "../../../src/mechanisms/selection/contention/held.ts";
import type { NotHeld } from "../../../src/mechanisms/selection/contention/not-held.ts";
import type { Quorate } from "../../../src/sdk/index.ts";
import type { Arm, OpenArm } from "../arms.ts";

/** The engine, and two sessions of two services on it. */
export interface Sessions {
  readonly open: OpenArm;
  /** Service `ann`. */
  readonly a: Quorate;
  /** Service `bob`. */
  readonly b: Quorate;
}

/**
 * Of a session whose lease is revoked: it renews each second, and so learns of it within one, and a stall of the machine
 * shorter than this is not taken for the end that the test is about.
 */
export const REVOKED_TTL_MS = 3_000;

export type Test = (title: string, body: (sessions: Sessions) => Promise<void>) => void;

/** A suite whose tests share one engine and the two sessions on it; each test takes names of its own. */
export function overArm(title: string, arm: Arm, suite: (test: Test) => void): void {
  describe(`${title} over ${arm.name}`, { timeout: 240_000, skip: arm.skip ?? false }, () => {
    let sessions: Sessions | undefined;
    before(async () => {
      const open = await arm.open();
      sessions = { open, a: await open.client("ann"), b: await open.client("bob") };
    });
    after(() => sessions?.open.close());
    suite((name, body) => void test(name, () => body(sessions ?? assert.fail("not open"))));
  });
}

export function owned<H extends Held>(result: H | NotHeld): H {
  assert.equal(result.ok, true, result.ok ? "" : result.why);
  return result as H;
}

export function refused(result: Held | NotHeld): NotHeld {
  assert.equal(result.ok, false, "it was acquired");
  return result as NotHeld;
}

/** Waits until `object` has this many waiters. */
export async function untilWaiting(
  object: { explain(): Promise<Explanation> },
  count: number,
): Promise<void> {
  for (;;) {
    const { waiters } = await object.explain();
    if (waiters.length === count) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Repeats `change` until a watch that was begun has seen one, and then once more: that one it sees whole. */
export async function untilWatching(
  seen: readonly unknown[],
  change: () => Promise<unknown>,
): Promise<void> {
  while (seen.length === 0) {
    await change();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await change();
}

/** Waits until the last of `seen` is `last`. */
export async function untilLast<T>(seen: readonly T[], last: T): Promise<void> {
  while (seen.at(-1) !== last) await new Promise((resolve) => setImmediate(resolve));
}
