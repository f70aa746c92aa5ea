/** Simulated power cuts at random points: the proof of durability. `QUORATE_CRASHES` and `QUORATE_SEED` change the run. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { OffThread } from "../off-thread.ts";
import type * as powerCuts from "./power-cuts.ts";

const CRASHES = Number(process.env["QUORATE_CRASHES"] ?? 100_000);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);

const worlds = new OffThread<typeof powerCuts>(import.meta.resolve("./power-cuts.js"));
after(() => worlds.end());

test(`[DUR-1..4] ${CRASHES} power cuts at random points lose nothing acknowledged (one simulated node)`, async () => {
  let crashes = 0;
  let acknowledgements = 0;
  for (let seed = SEED; crashes < CRASHES; seed++) {
    const found = await worlds.call("powerCuts", seed, true);
    crashes += found.crashes;
    acknowledgements += found.acknowledgements;
  }
  assert.ok(
    acknowledgements > CRASHES,
    `only ${acknowledgements} acknowledgements: the load is too thin to prove anything`,
  );
});

test("[DUR-5] the same test fails when the disk does not keep what O_DSYNC promises", async () => {
  let lost = 0;
  for (let seed = 1; seed <= 20; seed++)
    await worlds.call("powerCuts", seed, false).catch((error: Error) => {
      assert.match(error.message, /^seed \d+, power cut/);
      lost++;
    });
  assert.ok(lost >= 18, `the loss was seen in ${lost} of 20 worlds`);
});
