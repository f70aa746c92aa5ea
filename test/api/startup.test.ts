/**
 * What the first minute costs: import, connect, first lock, and ending without being told to. The limits here only catch
 * an order of magnitude on a noisy machine; the figures come from `npm run bench -- startup`.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { connect } from "../../src/sdk/index.ts";
import { startServer } from "../../src/server/index.ts";

const run = promisify(execFile);
const here = import.meta.dirname;

/** CPU time of this process that the cheapest of so many takes, ms: other programs do not count. */
async function cheapest(times: number, work: () => Promise<unknown>): Promise<number> {
  let best = Infinity;
  for (let at = 0; at < times; at++) {
    const from = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(from);
    best = Math.min(best, (user + system) / 1_000);
  }
  return best;
}

/** CPU time of the cheapest of five processes that run `script`, ms. */
async function cheapestProcess(script: string): Promise<number> {
  const told = `${script}; process.on("exit", () => console.log(JSON.stringify(process.cpuUsage())))`;
  let best = Infinity;
  for (let at = 0; at < 5; at++) {
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", told]);
    const { user, system } = JSON.parse(stdout) as NodeJS.CpuUsage;
    best = Math.min(best, (user + system) / 1_000);
  }
  return best;
}

describe("startup", { timeout: 60_000 }, () => {
  test("[API-1] the first program ends by itself, over memory: and file: (a process each)", async () => {
    const directory = mkdtempSync(join(tmpdir(), "quorate-first-"));
    for (const url of ["memory:", `file:${directory}`]) {
      const { stdout } = await run(process.execPath, [join(here, "first-program.js"), url], {
        timeout: 10_000,
      });
      assert.match(stdout, /^built with token \d+\n$/);
    }
    rmSync(directory, { recursive: true });
  });

  test("[API-1] a loop over changes keeps the process alive while it waits, no longer, over memory: and quorate: (a process each)", async () => {
    const server = await startServer({ listen: "127.0.0.1:0" });
    const loops = ["lock.watch", "election.observe", "latch.watch", "barrier.watch"];
    try {
      for (const url of ["memory:", server.url]) {
        for (const loop of loops) {
          const program = [join(here, "waiting-program.js"), url, loop];
          const { stdout } = await run(process.execPath, program, { timeout: 10_000 });
          assert.match(stdout, /^saw \d\n$/, `${loop} over ${url}`);
        }
      }
    } finally {
      await server.close();
    }
  });

  test("[API-2] the import is within four times its budget of 40 ms over bare Node (cheapest of 5)", async () => {
    const index = join(here, "../../src/sdk/index.js");
    const bare = await cheapestProcess("");
    const loaded = await cheapestProcess(`await import("${index}")`);
    assert.ok(loaded - bare <= 160, `${(loaded - bare).toFixed(1)} ms`);
  });

  test("[API-2] memory: connects and file: has its first lock within eight times their budgets (cheapest of 5)", async () => {
    const memory = await cheapest(5, async () => {
      await connect("memory:");
    });
    assert.ok(memory <= 40, `memory: ${memory.toFixed(1)} ms`);
    const root = mkdtempSync(join(tmpdir(), "quorate-start-"));
    let number = 0;
    const opened: { close(): Promise<void> }[] = [];
    const file = await cheapest(5, async () => {
      const q = await connect(`file:${join(root, String(number++))}`);
      assert.ok((await q.lock("a").tryAcquire()).ok);
      opened.push(q);
    });
    for (const each of opened) await each.close();
    assert.ok(file <= 400, `file: ${file.toFixed(1)} ms`);
    rmSync(root, { recursive: true, force: true });
  });
});
