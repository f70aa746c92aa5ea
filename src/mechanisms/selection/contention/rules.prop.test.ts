/** What the rules of ownership promise, for any queue. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Contender, Rule } from "./rules.ts";
import { decide } from "./rules.ts";

const queue: fc.Arbitrary<readonly Contender[]> = fc
  .array(fc.record({ shared: fc.boolean(), weight: fc.integer({ min: 1, max: 4 }) }), {
    maxLength: 12,
  })
  .map((each) => each.map((one, at) => ({ ...one, key: String(at) })));
const rule: fc.Arbitrary<Rule> = fc.oneof(
  fc.constant<Rule>({ kind: "first" }),
  fc.constant<Rule>({ kind: "phase" }),
  fc.integer({ min: 4, max: 8 }).map((permits): Rule => ({ kind: "permits", permits })),
);

function owners(by: Rule, all: readonly Contender[]): readonly Contender[] {
  return all.filter((_, at) => decide(by, all, at).owns);
}

test("[SEL-10] [RWL-1] [SEM-1] owners never conflict (any queue)", () => {
  fc.assert(
    fc.property(rule, queue, (by, all) => {
      const own = owners(by, all);
      if (by.kind === "first") assert.ok(own.length <= 1);
      if (by.kind === "phase") assert.ok(own.length <= 1 || own.every(({ shared }) => shared));
      if (by.kind === "permits")
        assert.ok(own.reduce((sum, { weight }) => sum + weight, 0) <= by.permits);
    }),
    { numRuns: 2_000 },
  );
});

test("[SEL-22] somebody owns unless nobody asks (any queue)", () => {
  fc.assert(
    fc.property(rule, queue, (by, all) => assert.equal(owners(by, all).length > 0, all.length > 0)),
    { numRuns: 2_000 },
  );
});

test("[SEL-23] no arrival and no departure takes ownership from an owner (any queue)", () => {
  fc.assert(
    fc.property(rule, queue, fc.nat(), fc.boolean(), (by, all, which, arrives) => {
      const before = new Set(owners(by, all).map(({ key }) => key));
      const gone = all[which % Math.max(1, all.length)];
      const changed = arrives
        ? [...all, { key: "new", shared: which % 2 === 0, weight: 1 }]
        : all.filter((each) => each !== gone);
      const after = new Set(owners(by, changed).map(({ key }) => key));
      for (const key of before)
        assert.ok(after.has(key) || key === gone?.key, `${key} was demoted`);
    }),
    { numRuns: 2_000 },
  );
});

test("[SEL-21] whoever waits watches somebody older, so waits form no circle (any queue)", () => {
  fc.assert(
    fc.property(rule, queue, (by, all) => {
      for (const [at] of all.entries()) {
        const decision = decide(by, all, at);
        if (!decision.owns) assert.ok(Number(decision.behind.key) < at);
      }
    }),
    { numRuns: 2_000 },
  );
});
