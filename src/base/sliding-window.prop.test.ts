/** Values by growing numbers, and by numbers used again, against maps. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prng } from "./prng.ts";
import { SlidingWindow } from "./sliding-window.ts";
import { Slots } from "./slots.ts";

test("[WIN-1] values by growing numbers answer as a map does, also out of order", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const made = new SlidingWindow<number>();
      const model = new Map<number, number>();
      let newest = 0;
      let limit = 0;
      for (let step = 0; step < 500; step++) {
        const late = random.chance(1, 8);
        const number = late ? limit + random.below(newest - limit + 1) : ++newest;
        made.set(number, step);
        model.set(number, step);
        if (random.chance(1, 3)) {
          limit += random.below(4);
          limit = Math.min(limit, newest);
          made.forgetBelow(limit);
          for (const known of [...model.keys()]) if (known < limit) model.delete(known);
        }
        const asked = random.below(newest + 2);
        assert.equal(made.get(asked), model.get(asked));
        assert.equal(made.size, model.size);
      }
      const expected = [...model].sort(([a], [b]) => a - b);
      assert.deepEqual([...made.entries()], expected);
      assert.deepEqual([...made.copy().entries()], expected);
    }),
  );
});

test("[SLOT-1] a number names one value from its adding to its taking, and is used again", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const slots = new Slots<number>();
      const model = new Map<number, number>();
      let most = 0;
      for (let step = 0; step < 300; step++) {
        if (random.chance(3, 5)) {
          const number = slots.add(step);
          assert.equal(model.has(number), false);
          model.set(number, step);
        } else {
          const number = random.below(most + 1);
          assert.equal(slots.take(number), model.get(number));
          model.delete(number);
        }
        most = Math.max(most, model.size);
        assert.equal(slots.size, model.size);
        for (const number of model.keys()) assert.ok(number < most);
      }
      const ascending = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
      assert.deepEqual(ascending(slots.all()), ascending(model.values()));
    }),
  );
});
