/**
 * The simulator's own workload over many seeds, on all cores. QUORATE_SEEDS says how many; QUORATE_SEED with which one it
 * begins: without it with the same one each time, so that what fails is what has changed.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import type { SwarmFigures } from "../../src/testing/swarm.ts";
import { FAULT_KINDS } from "../../src/verify/simulator/plan.ts";

const SEEDS = Number(process.env["QUORATE_SEEDS"] ?? 2_000);
const FIRST = Number(process.env["QUORATE_SEED"] ?? 148_135);
/** Of seeds after which each kind of fault must have hit something. */
const ALL_KINDS_AFTER = 50;
/** A lone server has less that can go wrong. */
const LONE_SEEDS: number = Math.ceil(SEEDS / 20);
const command = join(import.meta.dirname, "..", "..", "src", "cli", "main.js");
const folder = mkdtempSync(join(tmpdir(), "quorate-swarm-"));

/** The figures of `quorate sim`, which must find nothing. */
async function swarm(seeds: number, ...words: readonly string[]): Promise<SwarmFigures> {
  const file = join(folder, "figures.json");
  const given = [
    "sim",
    "--seed",
    String(FIRST),
    "--seeds",
    String(seeds),
    "--json",
    file,
    ...words,
  ];
  const child = spawn(process.execPath, [command, ...given], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let told = "";
  child.stderr.on("data", (part: Buffer) => (told += part.toString()));
  const code = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(code, 0, told);
  const figures = JSON.parse(readFileSync(file, "utf8")) as SwarmFigures;
  console.log(`seeds from ${FIRST}: ${JSON.stringify(figures)}`);
  assert.deepEqual([figures.seeds, figures.violations], [seeds, 0]);
  return figures;
}

describe("the swarm", { timeout: 3_000_000 }, () => {
  after(() => rmSync(folder, { recursive: true }));

  test(`[SIM-SWARM-1] [SIM-LIVE-2] [SIM-STATE-1] [SIM-HIST-1] locks, elections, keys, leases and watches survive what ${SEEDS} seeds do to them (4 to 6 clients, 3 or 5 servers)`, async () => {
    const { operations, faults, leaderChanges, hits } = await swarm(
      SEEDS,
      ...["--jobs", String(Math.max(2, availableParallelism()))],
    );
    assert.ok(operations >= 500 * SEEDS && faults >= 10 * SEEDS && leaderChanges >= SEEDS);
    const missed = FAULT_KINDS.filter((kind) => (hits[kind] ?? 0) === 0);
    if (SEEDS >= ALL_KINDS_AFTER)
      assert.deepEqual(missed, [], "each kind of fault must be reached");
  });

  test(`[SIM-DISK-1] so does a lone server (${LONE_SEEDS} seeds, 4 to 6 clients, server)`, async () => {
    const { leaderChanges } = await swarm(LONE_SEEDS, "--servers", "1");
    assert.ok(leaderChanges >= LONE_SEEDS, "each time that it starts it leads anew");
  });

  test("[SIM-SEED-1] in one job or several, the same seeds come to the same (4 to 6 clients, 3 or 5 servers)", async () => {
    const untimed = (figures: SwarmFigures): unknown => ({
      ...figures,
      ...{ eventsPerSecond: 0, timesRealTime: 0 },
    });
    const [one, two] = [await swarm(9, "--jobs", "1"), await swarm(9, "--jobs", "2")];
    assert.deepEqual(untimed(two), untimed(one));
  });
});
