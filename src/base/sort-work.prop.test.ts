/** The sort in steps against the runtime's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prng } from "./prng.ts";
import { sortWork } from "./sort-work.ts";

test("[SORT-1] it sorts as the runtime does, keeping the order of equals, in steps of bounded work", () => {
  const random = prng(5);
  for (const length of [0, 1, 255, 256, 257, 512, 1_000, 5_000, 20_000]) {
    const items = Array.from({ length }, (_, place) => ({
      by: random.below(length / 3 + 1),
      place,
    }));
    const wanted = items.toSorted((a, b) => a.by - b.by);
    let compared = 0;
    let most = 0;
    const work = sortWork(items, (a, b) => {
      compared++;
      return a.by - b.by;
    });
    for (;;) {
      compared = 0;
      const step = work.next();
      most = Math.max(most, compared);
      if (step.done !== true) continue;
      assert.deepEqual(step.value, wanted);
      break;
    }
    assert.ok(most <= 2_300, `${most} comparisons in one step of ${length} items`);
  }
});
