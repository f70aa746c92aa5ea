/** Clusters of whole drivers under seeded faults. `QUORATE_CLUSTERS` and `QUORATE_SEED` change the run. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { OffThread } from "../off-thread.ts";
import type * as swarms from "./swarms.ts";

const CLUSTERS = Number(process.env["QUORATE_CLUSTERS"] ?? 80);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);

const runs = new OffThread<typeof swarms>(import.meta.resolve("./swarms.js"));
after(() => runs.end());

test(`[REP-18] ${CLUSTERS} clusters under faults lose nothing acknowledged, do nothing twice, agree, and go on once healed`, async (context) => {
  const total = { acknowledged: 0, crashes: 0, kills: 0, cuts: 0, changes: 0, transfers: 0 };
  const checked = {
    failures: 0,
    harms: 0,
    writes: 0,
    ends: 0,
    ownerships: 0,
    resources: 0,
    events: 0,
  };
  let healedMs = 0;
  for (let seed = SEED; seed < SEED + CLUSTERS; seed++) {
    const report = await runs.call("cluster", seed);
    for (const what of Object.keys(total) as (keyof typeof total)[]) total[what] += report[what];
    for (const what of Object.keys(checked) as (keyof typeof checked)[])
      checked[what] += report.checked[what] ?? 0;
    checked.failures += report.failures.length;
    checked.harms += report.harms;
    healedMs = Math.max(healedMs, report.healedMs);
  }
  context.diagnostic(`${JSON.stringify({ ...total, ...checked })}, healed within ${healedMs} ms`);
  for (const [what, times] of Object.entries({ ...total, ...checked }))
    assert.ok(
      times > CLUSTERS / 40,
      `${what}: ${times} times in ${CLUSTERS} clusters prove nothing`,
    );
});

test("[REP-18] a seed replays exactly", async () => {
  for (const seed of [SEED, SEED + 1, SEED + 2])
    assert.deepEqual(await runs.call("cluster", seed), await runs.call("cluster", seed));
});
