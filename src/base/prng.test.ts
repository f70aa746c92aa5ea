/** The seeded generator. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prng } from "./prng.ts";

test("[PRNG-1] a seed determines the sequence; another seed gives another", () => {
  const take = (seed: number): number[] => {
    const random = prng(seed);
    return Array.from({ length: 8 }, () => random.u32());
  };
  assert.deepEqual(take(7), take(7));
  assert.notDeepEqual(take(7), take(8));
});

test("[PRNG-2] below is uniform: no bucket of 16 is off by more than 5 standard deviations", () => {
  const random = prng(1);
  const draws = 160_000;
  const counts = new Array<number>(16).fill(0);
  for (let at = 0; at < draws; at++) {
    const drawn = random.below(16);
    counts[drawn] = (counts[drawn] ?? 0) + 1;
  }
  const expected = draws / 16;
  const deviation = Math.sqrt(expected * (15 / 16));
  for (const count of counts) assert.ok(Math.abs(count - expected) < 5 * deviation, String(counts));
});
