/**
 * A fifth of the planted mistakes, another one each day: the swarms find them. `QUORATE_PLANTED` names the fifth, 0 to 4, or
 * rows by their ids; `npm run planted` searches for all, from several seeds, and measures.
 */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { TABLE } from "../../src/verify/planted/table.ts";
import { OffThread } from "../off-thread.ts";
import type * as swarms from "./swarms.ts";

const DAY_MS = 86_400_000;
const FIFTHS = 5;
/** More than any of them needs from where its search begins, while the swarm stays as it is. */
const SEEDS_MAX = 150;

const chosen = process.env["QUORATE_PLANTED"] ?? String(Math.floor(Date.now() / DAY_MS) % FIFTHS);
const rows = TABLE.filter(({ id }, at) =>
  /^[0-4]$/.test(chosen) ? at % FIFTHS === Number(chosen) : chosen.split(",").includes(id),
);

const hunts = new OffThread<typeof swarms>(import.meta.resolve("./swarms.js"));
after(() => hunts.end());

test("[PLANT-1] every row is planted, or says why not, and has an id of its own", () => {
  assert.ok(rows.length > 0, `QUORATE_PLANTED=${chosen} names nothing`);
  assert.equal(new Set(TABLE.map(({ id }) => id)).size, TABLE.length);
  for (const row of TABLE) assert.ok(row.swarm !== "none" || row.why.length > 40, row.id);
});

for (const row of rows) {
  if (row.swarm === "none") continue;
  test(`[PLANT-2] ${row.id} is found: ${row.title}`, async (t) => {
    const { seeds, what } = await hunts.call("planted", row.id, SEEDS_MAX);
    assert.ok(seeds !== undefined, `QUORATE_PLANTED=${row.id}: not within ${SEEDS_MAX} seeds`);
    t.diagnostic(`seed ${seeds}: ${what.split("\n")[0]}`);
  });
}
