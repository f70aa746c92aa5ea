/** What the rules of ownership promise, for any queue. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Contender, Rule } from "./rules.ts";
import { obstacle, resized } from "./rules.ts";

const queue: fc.Arbitrary<readonly Contender[]> = fc
  .array(fc.record({ shared: fc.boolean(), weight: fc.integer({ min: 1, max: 4 }) }), {
    maxLength: 12,
  })
  .map((each) => each.map((one, at) => ({ ...one, key: String(at), created: at + 1 })));
const rule: fc.Arbitrary<Rule> = fc.oneof(
  fc.constant<Rule>({ kind: "first" }),
  fc.constant<Rule>({ kind: "phase" }),
  fc.integer({ min: 4, max: 8 }).map((permits): Rule => ({ kind: "permits", permits })),
);

function owners(by: Rule, all: readonly Contender[]): readonly Contender[] {
  return all.filter((_, at) => obstacle(by, all, at) === undefined);
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
        ? [...all, { key: "new", shared: which % 2 === 0, weight: 1, created: 99 }]
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
        const behind = obstacle(by, all, at);
        if (behind !== undefined) assert.ok(Number(behind.key) < at);
      }
    }),
    { numRuns: 2_000 },
  );
});

test("[SEM-4] another number of permits takes from nobody; who waits is served once the sum fits (any sequence)", () => {
  const step = fc.oneof(
    fc.record({ arrive: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ leave: fc.nat() }),
    fc.record({ resize: fc.integer({ min: 1, max: 8 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      let by: Rule & { readonly kind: "permits" } = { kind: "permits", permits: 4 };
      let all: readonly Contender[] = [];
      let created = 0;
      for (const each of steps) {
        const before = owners(by, all).map(({ key }) => key);
        const gone = "leave" in each ? all[each.leave % Math.max(1, all.length)] : undefined;
        if ("arrive" in each) {
          created++;
          const one = { key: String(created), shared: false, weight: each.arrive, created };
          all = [...all, one];
        } else if ("resize" in each) by = resized(by, all, each.resize);
        else all = all.filter((one) => one !== gone);
        const now = owners(by, all);
        for (const key of before)
          assert.ok(key === gone?.key || now.some((one) => one.key === key), `${key} was demoted`);
        assert.deepEqual(now, all.slice(0, now.length), "owners are a prefix");
        const taken = now.reduce((sum, { weight }) => sum + weight, 0);
        const fresh = now.filter(({ key }) => !before.includes(key));
        assert.ok(fresh.length === 0 || taken <= by.permits, "served beyond the permits");
        const next = all[now.length];
        assert.ok(next === undefined || taken + next.weight > by.permits, "somebody is forgotten");
      }
    }),
    { numRuns: 3_000 },
  );
});
