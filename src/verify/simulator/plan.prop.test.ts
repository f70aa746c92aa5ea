/** Plans: drawn, written as a word, read back, made smaller. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { minimise } from "./minimise.ts";
import type { Plan, PlanSpace } from "./plan.ts";
import { drawPlan, FAULT_KINDS, keeping, parsePlan, planText } from "./plan.ts";

const SPACE: PlanSpace = {
  kinds: FAULT_KINDS,
  servers: [1, 3, 5],
  clientsMax: 5,
  faultsMs: 60_000,
};
const seeds = fc.integer({ min: 0, max: 0xffff_ffff });

test("[SIM-SEED-2] a plan's word gives it back, whatever was left out", () => {
  fc.assert(
    fc.property(
      seeds,
      fc.array(fc.boolean()),
      fc.option(fc.integer({ min: 1, max: 60_000 })),
      fc.option(fc.integer({ min: 1, max: 7 })),
      (seed, kept, ms, count) => {
        const whole = drawPlan(seed, SPACE);
        const faults = whole.faults.filter((_, at) => kept[at] !== false);
        const servers = count ?? whole.servers;
        const plan: Plan = { ...keeping(whole, faults), servers, faultsMs: ms ?? whole.faultsMs };
        assert.deepEqual(parsePlan(planText(plan, SPACE), SPACE), plan);
      },
    ),
  );
  for (const text of ["", "x", "-1", "4294967296", "7-", "7-q3", "1.5", "1-s0", "1-s9", "1-c0"])
    assert.throws(() => parsePlan(text, SPACE), { code: "INVALID" }, text);
});

test("[SIM-SEED-2] seeds switch kinds off: over many, each kind is on in about half of them, and some have none", () => {
  const plans = Array.from({ length: 2_000 }, (_, seed) => drawPlan(seed, SPACE));
  const withKind = FAULT_KINDS.map(
    (kind) => plans.filter(({ faults }) => faults.some((fault) => fault.kind === kind)).length,
  );
  for (const [at, count] of withKind.entries())
    assert.ok(count > 600 && count < 1_200, `${FAULT_KINDS[at]}: ${count} of 2,000`);
  assert.ok(plans.some(({ faults }) => faults.length === 0));
  for (const { faults } of plans)
    for (const { atMs, forMs } of faults) assert.ok(atMs < 60_000 && forMs >= 0 && forMs <= 30_000);
});

test("[SIM-SMALL-1] what is left is enough to fail, and nothing of it can be left out", async () => {
  const whole = Array.from({ length: 500 }, (_, seed) => drawPlan(seed, SPACE)).find(
    ({ faults, clients, servers }) => faults.length >= 20 && clients === 5 && servers === 5,
  );
  assert.ok(whole !== undefined);
  const needed = [3, 11, 17];
  const fails = (plan: Plan): boolean =>
    plan.clients >= 2 && needed.every((each) => plan.faults.some(({ number }) => number === each));
  let runs = 0;
  const smaller = await minimise(whole, {
    runsMax: 200,
    fewerClients: true,
    servers: SPACE.servers,
    fails: (plan) => {
      runs++;
      return Promise.resolve(fails(plan) ? { atMs: 1 } : undefined);
    },
  });
  assert.deepEqual(
    smaller.faults.map(({ number }) => number),
    needed,
  );
  assert.deepEqual([smaller.servers, smaller.clients], [1, 2]);
  assert.ok(smaller.faultsMs <= whole.faultsMs && runs <= 200);
});

test("[SIM-SMALL-1] it ends with something that fails, however few runs it may spend", async () => {
  const whole = drawPlan(7, SPACE);
  const fails = ({ faults }: Plan): boolean => faults.some(({ number }) => number === 5);
  for (const runsMax of [0, 1, 3, 7]) {
    let runs = 0;
    const smaller = await minimise(whole, {
      runsMax,
      fewerClients: true,
      servers: SPACE.servers,
      fails: (plan) => {
        runs++;
        return Promise.resolve(fails(plan) ? { atMs: 1 } : undefined);
      },
    });
    assert.ok(fails(smaller));
    assert.ok(runs <= runsMax);
  }
});

test("[SIM-SEED-2] one, three or five servers are drawn, three most often, and which changes nothing else of a plan", () => {
  const counts = new Map<number, number>();
  for (let seed = 0; seed < 1_000; seed++) {
    const { servers, ...rest } = drawPlan(seed, { ...SPACE, servers: [1, 3, 3, 3, 5] });
    counts.set(servers, (counts.get(servers) ?? 0) + 1);
    const { servers: _, ...alone } = drawPlan(seed, { ...SPACE, servers: [1] });
    assert.deepEqual(rest, alone);
  }
  assert.deepEqual(new Set(counts.keys()), new Set([1, 3, 5]));
  assert.ok((counts.get(3) ?? 0) > 500);
});

test("[SIM-SWARM-1] where a space asks for faults, every fourth unseats the leader, whatever kinds are switched off", () => {
  for (let seed = 0; seed < 500; seed++) {
    const { faults } = drawPlan(seed, { ...SPACE, faultsMin: 20 });
    assert.ok(faults.length >= 20);
    for (const { number, kind } of faults)
      if (number % 4 === 3) assert.match(kind, /^(crash-leader|stop-leader|power)$/);
  }
});
