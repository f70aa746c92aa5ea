/** The instants by which history is trimmed: what they say, and how many of them are kept. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Timeline } from "./timeline.ts";

/** A revision every 100 ms for `seconds`: at time t the newest is t / 100. */
function lived(seconds: number): Timeline {
  const timeline = new Timeline();
  for (let time = 0; time <= seconds * 1_000; time += 100) timeline.note(time, time / 100);
  return timeline;
}

test("[TRIM-1] what was followed by another before a time is named, to a second, once", () => {
  const timeline = lived(600);
  assert.equal(timeline.passed(500), undefined);
  const found = timeline.passed(300_000) ?? 0;
  assert.ok(found >= 2_980 && found <= 3_000, `revision ${found}`);
  assert.equal(timeline.passed(300_000), undefined);
});

test("[TRIM-2] a day has at most 1,024 instants, evenly spread", () => {
  const timeline = lived(86_400);
  const { instants } = timeline;
  assert.ok(instants.length <= 1_024 && instants.length >= 512, `${instants.length} instants`);
  const gaps = instants.slice(1).map(({ time }, at) => time - (instants[at]?.time ?? 0));
  assert.ok(Math.max(...gaps) <= 200_000, `${Math.max(...gaps)} ms between two`);
  const found = timeline.passed(43_200_000) ?? 0;
  assert.ok(432_000 - found < 4_000 && found <= 432_000, `revision ${found}`);
});

test("[TRIM-3] a loaded timeline goes on as the one that was saved; one out of order is refused", () => {
  const saved = lived(40_000);
  const loaded = new Timeline();
  assert.ok(loaded.load(saved.instants));
  for (const each of [saved, loaded])
    for (let time = 40_000_100; time <= 80_000_000; time += 100) each.note(time, time / 100);
  assert.deepEqual(loaded.instants, saved.instants);
  for (const bad of [
    [3, 2],
    [3, 3],
  ])
    assert.ok(!new Timeline().load(bad.map((time) => ({ time, revision: 1 }))));
  const falling = [5, 4].map((revision, time) => ({ time, revision }));
  assert.ok(!new Timeline().load(falling));
});
