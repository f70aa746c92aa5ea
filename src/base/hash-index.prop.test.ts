/** The index against a `Map`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { HashIndex, hashOf } from "./hash-index.ts";
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

/** Keys of which each has the hash of another one. */
function alike(): readonly string[] {
  const byHash = new Map<number, string>();
  const found: string[] = [];
  for (let number = 0; found.length < 20; number++) {
    const key = `key/${number}`;
    const other = byHash.get(hashOf(key));
    if (other === undefined) byHash.set(hashOf(key), key);
    else found.push(other, key);
  }
  return found;
}

test("[IDX-2] keys that hash alike are told apart", () => {
  const keys = alike();
  fc.assert(
    fc.property(fc.integer(), (seed) =>
      check(prng(seed), (number) => keys[number % keys.length] ?? ""),
    ),
    { numRuns: 5 },
  );
});

test("[IDX-3] keys that begin or end alike over 1,000 characters are found in a step or two", () => {
  const long = "x".repeat(1_000);
  for (const keyOf of [
    (number: number): string => `${number}/${long}`,
    (number: number): string => `${long}/${number}`,
    (number: number): string => `${long}/${number}/${long}`,
  ]) {
    let looked = 0;
    const index = new HashIndex<Entry>((entry) => {
      looked++;
      return entry.key;
    });
    const count = 2_000;
    for (let number = 0; number < count; number++)
      index.add(keyOf(number), { key: keyOf(number), value: number });
    looked = 0;
    for (let number = 0; number < count; number++)
      assert.equal(index.get(keyOf(number))?.value, number);
    assert.ok(looked < 2 * count, `${looked} entries looked at for ${count} keys`);
  }
});
