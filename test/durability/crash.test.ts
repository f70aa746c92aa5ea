/** Simulated power cuts at random points: the proof of durability. `QUORATE_CRASHES` and `QUORATE_SEED` change the run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { World } from "./world.ts";

const CRASHES = Number(process.env["QUORATE_CRASHES"] ?? 100_000);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);
const CYCLES = 50;

test(`[DUR-1..4] ${CRASHES} power cuts at random points lose nothing acknowledged (one simulated node)`, async () => {
  let crashes = 0;
  let acknowledgements = 0;
  for (let seed = SEED; crashes < CRASHES; seed++) {
    const world = new World({ seed });
    try {
      for (let cycle = 0; cycle < CYCLES; cycle++) await world.cycle();
    } catch (error) {
      throw new Error(
        `seed ${seed}, power cut ${world.crashes}: QUORATE_SEED=${seed} QUORATE_CRASHES=${CYCLES}`,
        { cause: error },
      );
    }
    crashes += world.crashes;
    acknowledgements += world.acknowledgements;
  }
  assert.ok(
    acknowledgements > CRASHES,
    `only ${acknowledgements} acknowledgements: the load is too thin to prove anything`,
  );
});

test("[DUR-5] the same test fails when the disk does not keep what O_DSYNC promises", async () => {
  let lost = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const world = new World({ seed, honest: false });
    try {
      for (let cycle = 0; cycle < CYCLES; cycle++) await world.cycle();
    } catch {
      lost++;
    }
  }
  assert.ok(lost >= 18, `the loss was seen in ${lost} of 20 worlds`);
});
