import assert from "node:assert/strict";
import { test } from "node:test";
import { prng } from "../base/prng.ts";
import { KeyspaceTime } from "./keyspace-time.ts";

const DAY = 86_400_000;
const START = 1_700_000_000_000;

function started(last: number, wall: number, accept = false): KeyspaceTime {
  const time = KeyspaceTime.start(last, 0, wall, accept, "data directory d");
  assert.ok(time instanceof KeyspaceTime);
  return time;
}

for (const [name, jump] of [
  ["ahead", DAY],
  ["back", -DAY],
] as const) {
  test(`[TIME-SLEW] a wall clock that jumps a day ${name} changes time by a tenth of what passes (one replica)`, () => {
    const time = started(START, START);
    for (let at = 100; at <= 60_000; at += 100) {
      const now = time.advance(at, START + jump + at);
      assert.ok(Math.abs(now - START - at) <= at * 0.1 + 0.001, `${now - START} ms after ${at} ms`);
      assert.equal(time.disagrees, true);
    }
  });
}

test("[TIME-SLEW] time meets the wall clock again and the disagreement ends (one replica)", () => {
  const time = started(START, START);
  time.advance(1_000, START + 6_000);
  assert.equal(time.disagrees, true);
  let at = 1_000;
  while (time.disagrees && at < 100_000) time.advance((at += 100), START + 5_000 + at);
  assert.ok(at < 51_000, `agreed after ${at} ms`);
  assert.equal(time.advance(at + 60_000, START + 65_000 + at), START + 65_000 + at);
});

test("[TIME-FORWARD] time never decreases and never stops, whatever both clocks do (one replica)", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = prng(seed);
    const time = started(START, START);
    let monotonic = 0;
    let before = START;
    for (let step = 0; step < 200; step++) {
      const elapsed = random.chance(1, 4) ? -random.below(50) : random.below(2_000);
      monotonic += elapsed;
      const now = time.advance(monotonic, START + random.below(4 * DAY) - 2 * DAY);
      assert.ok(now >= before, `seed ${seed}: went back by ${before - now} ms`);
      before = now;
    }
    const stopped = time.advance((monotonic += 1_000_000), START - DAY);
    assert.ok(stopped > before, `seed ${seed}: stood still`);
  }
});

test("[TIME-STEP] a start steps forward up to a day, and further only with consent (one replica)", () => {
  assert.equal(started(START, START + DAY).advance(0, START + DAY), START + DAY);
  const refused = KeyspaceTime.start(START, 0, START + DAY + 1, false, "data directory d");
  assert.ok(!(refused instanceof KeyspaceTime));
  assert.equal(refused.code, "CLOCK_JUMP");
  assert.equal(refused.outcome, "definite");
  assert.match(refused.remedy, /--accept-clock-jump/);
  assert.equal(started(START, START + 3 * DAY, true).advance(0, START + 3 * DAY), START + 3 * DAY);
});

test("[TIME-STEP] a start with a wall clock behind goes on from the last committed time (one replica)", () => {
  const time = started(START, START - 30 * DAY);
  assert.equal(time.advance(0, START - 30 * DAY), START);
  const later = time.advance(1_000, START - 30 * DAY + 1_000);
  assert.ok(later >= START + 900 && later <= START + 1_000);
});

test("[TIME-STEP] a fresh store takes the wall clock whatever it says (one replica)", () => {
  assert.equal(started(0, START).advance(0, START), START);
});
