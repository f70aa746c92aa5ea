/** Clusters under seeded faults whose disks are damaged as well. `QUORATE_CLUSTERS` and `QUORATE_SEED` change the run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "./node.ts";
import { DamagedRun } from "./damaged-run.ts";

const CLUSTERS = Number(process.env["QUORATE_CLUSTERS"] ?? 40);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);

test(`[REP-14] ${CLUSTERS} clusters under faults of which members are damaged one at a time are repaired, and lose nothing acknowledged`, async (context) => {
  let [harmed, repaired] = [0, 0];
  for (let seed = SEED; seed < SEED + CLUSTERS; seed++) {
    const run = new DamagedRun({ seed });
    try {
      await run.disturb();
      await run.heal();
      await run.end();
    } catch (error) {
      throw new Error(`seed ${seed}: QUORATE_SEED=${seed} QUORATE_CLUSTERS=1`, { cause: error });
    }
    harmed += run.harmed;
    repaired += run.nodes.filter(wasRepaired).length;
  }
  context.diagnostic(`${harmed} times damaged, ${repaired} members with a file set aside`);
  assert.ok(repaired > CLUSTERS / 4, `${harmed} damages, ${repaired} repairs prove nothing`);
});

function wasRepaired({ disk }: Node): boolean {
  return disk.names().some((name) => name.endsWith(".damaged"));
}
