/**
 * The same seed is the same run: in one process, in another one, and on other versions of Node, where QUORATE_NODES
 * names their executables (CI does).
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { simulate } from "../../src/testing/index.ts";
import { workload } from "../../src/testing/workload.ts";

const RUNS = 6;
const printer = join(import.meta.dirname, "trace-printer.js");

test(
  `[SIM-SEED-1] ${RUNS} seeds have the same traces twice in a process, in another one and on other Nodes (1 to 5 clients, 1 to 5 servers)`,
  { timeout: 900_000 },
  async (t) => {
    const options = { seed: 100, runs: RUNS, clients: 5, faultsMs: 30_000 };
    const { trace, events, leaderChanges } = await simulate(options, workload);
    assert.ok(leaderChanges > RUNS, "clusters must be among them");
    assert.ok(events > 1_000 * RUNS);
    assert.equal((await simulate(options, workload)).trace, trace);
    assert.notEqual((await simulate({ ...options, seed: 101 }, workload)).trace, trace);
    const nodes = [process.execPath, ...(process.env["QUORATE_NODES"]?.split(":") ?? [])];
    for (const node of nodes.filter((path) => path !== "")) {
      const printed = execFileSync(node, [printer, JSON.stringify(options)], {
        encoding: "utf8",
        env: { ...process.env, QUORATE_SEED: undefined },
      });
      assert.equal(printed.trim(), trace, node);
      t.diagnostic(`${node}: ${printed.trim()}`);
    }
  },
);
