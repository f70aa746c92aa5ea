/** `quorate sim`: a story from one seed, figures from many, without a server. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const command = join(import.meta.dirname, "..", "..", "src", "cli", "main.js");

async function quorate(...words: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, [command, ...words], { maxBuffer: 64 << 20 });
  return stdout;
}

describe("quorate sim", { timeout: 480_000 }, () => {
  test("[SIM-SEED-1] tells the same story of a seed each time, line by line in virtual time", async () => {
    const [first, second] = await Promise.all([
      quorate("sim", "--seed", "7"),
      quorate("sim", "--seed", "7"),
    ]);
    assert.equal(first, second);
    assert.match(first, /^ +\d+\.\d{3} s {2}server-1 +serves$/m);
    assert.match(first, /^ +\d+\.\d{3} s {2}\S+ +\* /m, "something goes wrong in it");
    assert.match(
      first,
      /^seed 7: nothing is wrong; [35] servers, \d+ operations, \d+ faults, .* trace [\da-f]{16}$/m,
    );
    const told = JSON.parse(await quorate("sim", "--seed", "7", "--output", "json")) as {
      readonly trace: string;
    };
    assert.ok(first.includes(told.trace));
  });

  test("[CLI-8] figures of many seeds, also into a file", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-sim-"));
    try {
      const file = join(folder, "figures.json");
      const told = await quorate("sim", "--seeds", "3", "--json", file, "--output", "json");
      const figures = JSON.parse(readFileSync(file, "utf8")) as Record<string, number>;
      assert.deepEqual(JSON.parse(told), figures);
      assert.deepEqual(Object.keys(figures).toSorted(), [
        ...["clusterHours", "eventsPerSecond", "faults", "hits", "leaderChanges"],
        ...["operations", "seeds", "timesRealTime", "trace", "violations"],
      ]);
      assert.equal(figures["seeds"], 3);
      assert.equal(figures["violations"], 0);
      assert.ok((figures["operations"] ?? 0) >= 3 * 500);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("[SIM-HIST-1] writes what clients saw, which `quorate check` reads and finds valid", async () => {
    const folder = mkdtempSync(join(tmpdir(), "quorate-sim-"));
    try {
      await quorate("sim", "--seed", "7", "--history", folder);
      assert.deepEqual(readdirSync(folder).toSorted(), ["seed-7.html", "seed-7.jsonl"]);
      const told = await quorate("check", join(folder, "seed-7.jsonl"), "--output", "json");
      const { result, checks } = JSON.parse(told) as {
        readonly result: string;
        readonly checks: readonly unknown[];
      };
      assert.deepEqual([result, checks.length], ["valid", 6]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("[CLI-2] what is no seed, what only many seeds have without them, and a file that cannot be written, is a wrong command line", async () => {
    for (const words of [
      ["--seed", "x"],
      ["--seed", "7-f1", "--seeds", "2"],
      ["--seeds", "0"],
      ["--servers", "8"],
      ["--jobs", "2"],
      ["--json", "figures.json"],
      ["--seeds", "1", "--json", join(import.meta.dirname, "nowhere", "figures.json")],
      ["--seed", "1-s0"],
      ["--seed", "1-s8"],
      ["--seed", "1-c0"],
    ])
      await assert.rejects(quorate("sim", ...words), { code: 2 }, words.join(" "));
  });
});
