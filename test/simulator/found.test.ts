/** Mistakes that are planted where a user of the simulator can make them, and are found. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { describe, test } from "node:test";
import type { Life, Resource, SimulationError } from "../../src/testing/index.ts";
import { simulate } from "../../src/testing/index.ts";
import { workload } from "../../src/testing/workload.ts";
import { workers } from "./examples/report-job.ts";
import { takeOver } from "./examples/take-over.ts";

/** Seeds within which each mistake must be found. */
const FOUND_WITHIN = 200;
/** Seeds over which what is right must pass. */
const PASSED_OVER = 60;

function isFinding(error: unknown): error is SimulationError {
  return error instanceof Error && "timeline" in error;
}

/** What the simulation says; fails if it says nothing. */
async function finding(work: Promise<unknown>): Promise<SimulationError> {
  const found: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  // Not by its class: the examples have theirs from the bundle.
  assert.equal((found as Error | undefined)?.name, "SimulationError", String(found));
  assert.ok(isFinding(found));
  assert.match(found.message, /again: QUORATE_SEED=\d\S* node /);
  console.log(found.message.split("\n").slice(0, 3).join("\n"));
  return found;
}

describe("what is found", { timeout: 300_000 }, () => {
  test("[SIM-DOC-1] the example of virtual time holds (embedded)", takeOver);

  test(`[SIM-DOC-2] a report without a guard takes a replaced owner's row; with one none in ${PASSED_OVER} worlds (3 clients, server)`, async () => {
    const found = await finding(workers(false, FOUND_WITHIN));
    assert.equal(found.rule, "SIM-RES-1");
    assert.match(found.timeline, /\* stands still|\* nothing passes|\* its network/);
    if (process.env["QUORATE_SEED"] === undefined) {
      const [first = ""] = found.message.split("\n");
      const shown = readFileSync("docs/testing.md", "utf8");
      assert.ok(shown.includes(`\n${first}\n`), `docs/testing.md does not show ${first}`);
    }
    const passed = await workers(true, PASSED_OVER);
    assert.equal(passed.runs, process.env["QUORATE_SEED"] === undefined ? PASSED_OVER : 1);
  });

  test("[SIM-RES-2] a client that ignores its signal is found, though the guard refuses what it writes (2 clients, server)", async () => {
    const deaf = async ({ q, calm }: Life, report: Resource): Promise<void> => {
      while (!calm.aborted) {
        const held = await q.lock("report").acquire();
        for (let row = 0; row < 3; row++) {
          await setTimeout(1_500);
          await report.write(held, row);
        }
        await held.release();
      }
    };
    const found = await finding(
      simulate({ seed: 1, runs: FOUND_WITHIN }, (world) => {
        const report = world.resource("report", { guard: true });
        for (const name of ["a", "b"]) world.process(name, (life) => deaf(life, report));
      }),
    );
    assert.equal(found.rule, "SIM-RES-2");
  });

  test("[SIM-DISK-1] a disk that says it has written what it has not is found by the workload (1 to 5 clients, server)", async () => {
    const found = await finding(
      simulate({ seed: 1, runs: FOUND_WITHIN, servers: 1, clients: 5, disk: "lies" }, workload),
    );
    assert.match(found.rule, /^(check WL-1|expectation|SIM-RES-1|server-opens)$/);
    assert.match(found.timeline, /server +\* (loses its power|is killed)/);
  });

  test("[SIM-LIVE-1] a client that waits for what never comes is found (1 client, server)", async () => {
    const found = await finding(
      simulate({ seed: 1, faults: [], faultsMs: 1_000 }, (world) => {
        world.process("a", async ({ q }) => {
          await q.lock("report").acquire();
          await q.lock("report").acquire();
        });
      }),
    );
    assert.equal(found.rule, "liveness");
    assert.match(found.message, /still not done: a$/m);
  });
});
