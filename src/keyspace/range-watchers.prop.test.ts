/** The index of ranges against looking at every one. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "../base/bytes.ts";
import { prng } from "../base/prng.ts";
import type { Ranged } from "./range-watchers.ts";
import { RangeWatchers } from "./range-watchers.ts";

test("[WATCH-9] the ranges found for a key are those that contain it, through additions and removals", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const key = (): Bytes =>
        String.fromCharCode(97 + random.below(12)).repeat(1 + random.below(2)) as Bytes;
      const index = new RangeWatchers<Ranged>();
      const all: Ranged[] = [];
      // Many at once are sorted in, few are looked at one by one.
      const many = random.chance(1, 4) ? 400 : 2;
      for (let step = 0; step < 80; step++) {
        const count = 1 + random.below(many);
        if (random.chance(2, 3))
          for (let at = 0; at < count && all.length < 2_000; at++) {
            const range = { from: key(), until: random.chance(1, 6) ? undefined : key() };
            all.push(range);
            index.add(range);
          }
        else
          for (const removed of all.splice(random.below(all.length + 1), count))
            index.delete(removed);
        const at = key();
        const found = new Set<Ranged>();
        index.visit(at, (range) => void found.add(range));
        const contains = (range: Ranged): boolean =>
          range.from <= at && (range.until === undefined || at < range.until);
        assert.deepEqual(found, new Set(all.filter(contains)));
      }
    }),
    { numRuns: 300 },
  );
});

test("[WATCH-9] a key among 10,000 disjoint ranges looks at its own only", () => {
  const index = new RangeWatchers<Ranged>();
  let looked = 0;
  for (let at = 10_000; at < 20_000; at++) {
    const until = `${at}0` as Bytes;
    index.add({
      from: `${at}/` as Bytes,
      get until() {
        looked++;
        return until;
      },
    });
  }
  index.visit("0" as Bytes, () => assert.fail("in no range"));
  looked = 0;
  let found = 0;
  index.visit("15000/x" as Bytes, () => void found++);
  assert.equal(found, 1);
  assert.ok(looked <= 4, `looked at ${looked}`);
});
