/** The index against a `Map`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HashIndex } from "./hash-index.ts";
import { prng } from "./prng.ts";

interface Entry {
  readonly key: string;
  readonly value: number;
}

function check(random: ReturnType<typeof prng>, keyOf: (number: number) => string): void {
  const index = new HashIndex<Entry>((entry) => entry.key);
  const model = new Map<string, Entry>();
  const space = 1 + random.below(6_000);
  for (let phase = 0; phase < 4; phase++) {
    // Phases lean towards growing or towards emptying, so that tables double and halve.
    for (let step = 0; step < 3_000; step++) {
      const key = keyOf(random.below(space));
      if (random.chance(phase % 2 === 0 ? 1 : 9, 10)) {
        assert.equal(index.delete(key), model.delete(key));
      } else if (!model.has(key)) {
        const entry = { key, value: step };
        index.add(key, entry);
        model.set(key, entry);
      }
      const other = keyOf(random.below(space));
      assert.equal(index.get(other), model.get(other));
    }
    assert.equal(index.size, model.size);
    for (const [key, entry] of model) assert.equal(index.get(key), entry);
  }
  for (const key of [...model.keys()]) assert.ok(index.delete(key));
  assert.equal(index.size, 0);
}

test("[IDX-1] adding, finding and deleting answer as a map does, while tables grow and shrink", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => check(prng(seed), (number) => `key/${number}`)),
    { numRuns: 20 },
  );
});

test("[IDX-2] keys that all hash alike are told apart", () => {
  // Only the last 64 characters are hashed.
  const tail = "x".repeat(64);
  fc.assert(
    fc.property(fc.integer(), (seed) => check(prng(seed), (number) => `${number % 50}/${tail}`)),
    { numRuns: 5 },
  );
});
