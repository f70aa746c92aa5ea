/** Whole clusters under seeded faults: safety throughout, liveness after healing. A failure prints its seed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { NOTHING_LATE } from "../../../verify/raft/faults.ts";
import type { Mistake } from "../../../verify/raft/planted.ts";
import { planted } from "../../../verify/raft/planted.ts";
import type { SimOptions, SimReport } from "../../../verify/raft/sim-cluster.ts";
import { simulate } from "../../../verify/raft/sim-cluster.ts";

const FIRST = Number(process.env["QUORATE_SEED"] ?? 1);
const SEEDS = Number(process.env["QUORATE_SEEDS"] ?? 600);

/** Runs seeds one after the other; returns the sums, and the longest time to heal. */
function runAll(seeds: number, options: Partial<SimOptions>): { sum: SimReport; slowest: number } {
  let sum: SimReport | undefined;
  let slowest = 0;
  for (let seed = FIRST; seed < FIRST + seeds; seed++) {
    const report = runOne({ ...options, seed });
    slowest = Math.max(slowest, report.healedTicks);
    sum = sum === undefined ? report : add(sum, report);
  }
  assert.ok(sum !== undefined);
  return { sum, slowest };
}

function runOne(options: SimOptions): SimReport {
  try {
    return simulate(options);
  } catch (error) {
    throw new Error(`seed ${options.seed}: ${String(error)}`, { cause: error });
  }
}

function add(a: SimReport, b: SimReport): SimReport {
  const names = Object.keys(a) as (keyof SimReport)[];
  return Object.fromEntries(names.map((name) => [name, a[name] + b[name]])) as unknown as SimReport;
}

test(`[RAFT-SIM-1] ${SEEDS} seeds of faults break no safety property and heal (1 to 5 members, 4 to come)`, (t) => {
  const began = performance.now();
  const { sum, slowest } = runAll(SEEDS, {});
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(`seeds ${FIRST}..${FIRST + SEEDS - 1}: ${JSON.stringify(sum)}`);
  t.diagnostic(
    `slowest healing ${slowest} ticks; ${Math.round(sum.events / seconds)} events per second`,
  );
  // Every kind of fault and of progress was there: a run in which nothing happens proves nothing.
  for (const [name, count] of Object.entries(sum))
    assert.ok(count > SEEDS / 20, `${name}: ${count}`);
  assert.ok(sum.elections > SEEDS, "leadership changes within runs");
});

test("[RAFT-LEASE-1] reads by lease are never stale while clocks keep their rate (pauses, transfers)", () => {
  const { sum } = runAll(150, { lease: true });
  assert.ok(sum.reads > 1_000 && sum.transfers > 20, JSON.stringify(sum));
});

test("[RAFT-SIM-1] a voter that decides alone and loses its first write of a term writes another one", () => {
  for (const seed of [2_113, 4_383]) simulate({ seed, late: NOTHING_LATE });
});

test("[RAFT-SIM-2] a seed replays exactly", () => {
  for (const seed of [3, 17, 40]) assert.deepEqual(simulate({ seed }), simulate({ seed }));
});

/** Mistakes that the same swarm finds, and within how many seeds. */
const FOUND: readonly (readonly [Mistake, number])[] = [
  ["counts entries before they are stable", 50],
  ["votes for a log that is behind", 50],
  ["votes twice in a term", 50],
  ["confirms reads without asking", 400],
  ["confirms reads before it has committed in its term", 50],
  ["cuts its log at the end of a late message", 20],
];

for (const [mistake, seeds] of FOUND) {
  test(`[RAFT-SIM-3] the swarm finds a member that ${mistake}`, (t) => {
    const rules = planted(mistake);
    for (let seed = 1; seed <= seeds; seed++) {
      try {
        simulate({ seed, rules });
      } catch (error) {
        t.diagnostic(`seed ${seed}: ${String(error)}`);
        return;
      }
    }
    assert.fail(`not found within ${seeds} seeds`);
  });
}
