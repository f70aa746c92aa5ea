/** The list in pieces against positions that are counted. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prng } from "./prng.ts";
import { Sequence } from "./sequence.ts";

test("[SEQ-1] a position names the same value from its push to its drop, however many come and go", () => {
  const random = prng(3);
  const sequence = new Sequence<number>();
  let [start, end] = [0, 0];
  for (let step = 0; step < 60_000; step++) {
    // Phases of growth and of shrinking, so that pieces fill, empty and begin anew.
    const growing = Math.floor(step / 15_000) % 2 === 0;
    if (random.chance(growing ? 4 : 1, 5)) {
      // A value that was popped has its position free for the next one.
      sequence.push(end * 7);
      end++;
    } else if (start < end) {
      if (random.chance(1, 10)) assert.equal(sequence.pop(), --end * 7);
      else {
        sequence.dropFirst();
        start++;
      }
    }
    const at = start + random.below(Math.max(1, end - start));
    assert.equal(sequence.at(at), at < end ? at * 7 : undefined);
    assert.deepEqual([sequence.start, sequence.end], [start, end]);
    assert.equal(sequence.at(start - 1), undefined);
    assert.equal(sequence.at(end), undefined);
  }
  assert.ok(start > 8_192, "several pieces were dropped");
  while (start++ < end) sequence.dropFirst();
  assert.equal(sequence.pop(), undefined);
  assert.throws(() => sequence.dropFirst());
});
