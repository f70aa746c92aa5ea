/** What a storm draws and how it judges, without a storm. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prng } from "../../src/base/prng.ts";
import { isFlat } from "./memory.ts";
import { drawnRound, ROUND_MS } from "./round.ts";

const names = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `m${at + 1}`);

test("[CLS-21] a seed means the same rounds, each of which is undone before the next and disturbs another than it kills (any seed, 2 to 7 members)", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 2, max: 7 }), (seed, count) => {
      const [random, again] = [prng(seed), prng(seed)];
      for (let at = 0; at < 20; at++) {
        const round = drawnRound(random, names(count));
        assert.deepEqual(drawnRound(again, names(count)), round);
        const { victim, disturbance } = round;
        assert.ok(disturbance !== undefined && disturbance.member !== victim);
        const { member, afterMs, forMs, what } = disturbance;
        assert.ok(afterMs + forMs < ROUND_MS);
        if (what.kind === "part")
          assert.ok(what.others.length > 0 && !what.others.includes(member));
      }
    }),
  );
});

test("[CLS-21] every kind of fault is drawn, in every direction (seed 1, 200 rounds)", () => {
  const random = prng(1);
  const rounds = Array.from({ length: 200 }, () => drawnRound(random, names(3)));
  const kinds = new Set(
    rounds.map(({ disturbance }) => {
      const what = disturbance?.what ?? assert.fail("there are others");
      return what.kind === "stop" ? "stop" : `${what.isDeaf}, ${what.rule}, ${what.others.length}`;
    }),
  );
  assert.equal(kinds.size, 9, [...kinds].join("; "));
  assert.ok(rounds.some(({ failingWrite }) => failingWrite !== undefined));
});

test("[CLS-21] memory that grows and levels off is flat, memory that goes on growing is not (30 minutes)", () => {
  const minutes = Array.from({ length: 30 }, (_, at) => at);
  assert.equal(isFlat(minutes.map((at) => 100 + Math.min(at, 9) * 10)), true);
  assert.equal(isFlat(minutes.map((at) => 100 + at * 10)), false);
  assert.equal(isFlat(minutes.slice(0, 5)), undefined);
});
