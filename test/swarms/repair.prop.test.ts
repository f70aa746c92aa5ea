/** Clusters under seeded faults whose disks are damaged as well. `QUORATE_CLUSTERS` and `QUORATE_SEED` change the run. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { OffThread } from "../off-thread.ts";
import type * as swarms from "./swarms.ts";

const CLUSTERS = Number(process.env["QUORATE_CLUSTERS"] ?? 40);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);

const runs = new OffThread<typeof swarms>(import.meta.resolve("./swarms.js"));
after(() => runs.end());

test(`[REP-14] ${CLUSTERS} clusters under faults of which members are damaged one at a time are repaired, and lose nothing acknowledged`, async (context) => {
  let [harmed, repaired] = [0, 0];
  for (let seed = SEED; seed < SEED + CLUSTERS; seed++) {
    const found = await runs.call("damaged", seed);
    harmed += found.harmed;
    repaired += found.repaired;
  }
  context.diagnostic(`${harmed} times damaged, ${repaired} members with a file set aside`);
  assert.ok(repaired > CLUSTERS / 4, `${harmed} damages, ${repaired} repairs prove nothing`);
});
