/** The world as scenarios see it: lives, faults made on purpose, resources, histories, options. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import type { Recorder, Invocation, Scenario, SimulateOptions } from "../../src/testing/index.ts";
import { simulate, SimulationError } from "../../src/testing/index.ts";

/** Nothing goes wrong but what the scenario does. */
const QUIET: SimulateOptions = {
  seed: 3,
  servers: 1,
  faults: [],
  faultsMs: 120_000,
  smallerRuns: 4,
};

async function finding(options: SimulateOptions, scenario: Scenario): Promise<SimulationError> {
  const found: unknown = await simulate(options, scenario).catch((error: unknown) => error);
  assert.ok(found instanceof SimulationError, String(found));
  return found;
}

describe("the world", { timeout: 480_000 }, () => {
  test("[SIM-LIFE-1] a killed process has another life, with a session of its own; the first one holds until its lease ends (2 clients, server)", async () => {
    const seen: string[] = [];
    await simulate(QUIET, async (world) => {
      const a = world.process("a", async ({ q, life }) => {
        seen.push(`life ${life} at ${Math.round(world.elapsedMs / 1_000)} s`);
        const held = await q.lock("x").acquire();
        seen.push(`held at ${Math.round(world.elapsedMs / 1_000)} s`);
        if (life === 1) await world.sleep(3_600_000);
        await held.release();
      });
      await world.sleep(5_000);
      world.fault.crash("a", { forMs: 1_000 });
      await a.done;
    });
    assert.deepEqual(seen.slice(0, 3), ["life 1 at 0 s", "held at 0 s", "life 2 at 6 s"]);
    const tookOver = Number(/^held at (\d+) s$/.exec(seen[3] ?? "")?.[1]);
    // Its last renewal was at 3 s or so, for 10 s.
    assert.ok(tookOver >= 12 && tookOver <= 15, seen[3]);
  });

  test("[SIM-LIVE-1] a failure of the engine starts a process again, another error is a finding (1 client, server)", async () => {
    let lives = 0;
    await simulate(QUIET, (world) => {
      world.process("a", async ({ q, life }) => {
        lives = life;
        if (life < 3) await q.commitment.keyspace.call({ kind: "leaseRevoke", id: 99n });
      });
    });
    assert.equal(lives, 3);
    const found = await finding(QUIET, (world) => {
      world.process("a", () => {
        throw new RangeError("mine");
      });
    });
    assert.equal(found.rule, "error");
    assert.match(found.message, /a failed: RangeError: mine/);
    assert.ok(found.cause instanceof RangeError);
  });

  test("[SIM-NET-1] a partition from the server alone: requests arrive, answers do not, until it is over (1 client, server)", async () => {
    await simulate(QUIET, async (world) => {
      const done = world.process("a", async ({ q }) => {
        await world.sleep(2_000);
        const put = { kind: "put", key: "k", value: "v" } as never;
        const outcome = await q.commitment.keyspace
          .call(put, { timeoutMs: 1_000 })
          .catch((error: unknown) => error);
        assert.ok(QuorateError.is(outcome, "TIMEOUT"));
        assert.equal(outcome.outcome, "indefinite");
        await world.sleep(30_000);
        const { kvs } = await q.commitment.keyspace.call({ kind: "range", key: "k" } as never);
        assert.equal((kvs as readonly unknown[]).length, 1, "it had arrived");
      }).done;
      await world.sleep(1_500);
      world.fault.partition("a", { forMs: 10_000, way: "from-server" });
      await done;
    });
  });

  test("[SIM-DISK-1] what was acknowledged is there after the server has lost its power (1 client, server)", async () => {
    const { leaderChanges } = await simulate(QUIET, async (world) => {
      const done = world.process("a", async ({ q }) => {
        for (let at = 0; at < 40; at++) {
          const put = { kind: "put", key: "k", value: String(at) } as never;
          await q.commitment.keyspace.call(put, { timeoutMs: 60_000 });
          const { kvs } = await q.commitment.keyspace.call({ kind: "range", key: "k" } as never);
          assert.equal((kvs as readonly { value: string }[])[0]?.value, String(at));
          await world.sleep(500);
        }
      }).done;
      for (let at = 0; at < 5; at++) {
        await world.sleep(3_000);
        world.fault.crash("server", { forMs: 700 });
      }
      await done;
    });
    assert.equal(leaderChanges, 5);
  });

  test("[SIM-RES-3] two that certainly own at once are found, one after the other is not (2 clients, server)", async () => {
    const apart = (names: readonly string[]): Scenario => {
      return (world) => {
        const resource = world.resource("r", { guard: true });
        for (const [at, name] of ["a", "b"].entries()) {
          world.process(name, async ({ q }) => {
            const held = await q.lock(names[at] ?? "").acquire();
            await world.sleep(1_000);
            await resource.write(held, name);
            await world.sleep(1_000);
            await held.release();
          });
        }
      };
    };
    await simulate(QUIET, apart(["one", "one"]));
    const found = await finding(QUIET, apart(["one", "another"]));
    assert.equal(found.rule, "SIM-RES-3");
  });

  // Of a world whose type nobody names: a method that narrowed its argument could not be called so.
  test("[API-10] checks and expectations: false, or a throw, is a finding under its name", async () => {
    const checked = await finding(QUIET, (world) => world.check("mine", () => false));
    assert.equal(checked.rule, "check mine");
    const expected = await finding(QUIET, (world) =>
      world.expect(world.seed < 0, "one is not more"),
    );
    assert.equal(expected.rule, "expectation");
    assert.match(expected.message, /one is not more/);
  });

  test("a history is told of every call of every client, in virtual time, and how it ended (2 clients, server)", async () => {
    const open = new Map<number, Invocation>();
    const ended: string[] = [];
    const history: Recorder = {
      invoked: (each) => void open.set(each.id, each),
      ended: (id, atMs, { kind }) => {
        const begun = open.get(id);
        assert.ok(begun !== undefined && atMs >= begun.atMs);
        open.delete(id);
        ended.push(`${begun.process} ${begun.request.kind} ${kind}`);
      },
    };
    await simulate({ ...QUIET, history: () => history }, (world) => {
      world.process("a", async ({ q }) => {
        await q.commitment.keyspace.call({ kind: "put", key: "k", value: "v" } as never);
        await q.commitment.keyspace.call({ kind: "leaseRevoke", id: 9n }).catch(() => {});
      });
    });
    assert.deepEqual(ended.slice(0, 2), ["a put ok", "a leaseRevoke definite"]);
    assert.equal(open.size, 0);
  });

  test("a session that cannot be opened ends nobody's process when nobody waits for it any more (1 client, server)", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on("unhandledRejection", note);
    try {
      await simulate(QUIET, (world) => {
        world.process("a", async ({ q }) => {
          world.fault.crash("server", { forMs: 30_000 });
          const signal = AbortSignal.abort();
          await assert.rejects(q.lock("x").acquire({ signal }), { code: "ABORTED" });
          await world.sleep(60_000);
        });
      });
    } finally {
      process.off("unhandledRejection", note);
    }
    assert.deepEqual(unhandled, []);
  });

  test("what cannot be simulated is refused by name", async () => {
    const scenario = (): void => {};
    for (const [options, code] of [
      [{ engine: "redis" as never }, "CONFIG"],
      [{ faults: ["flood" as never] }, "INVALID"],
      [{ runs: 0 }, "INVALID"],
      [{ clients: 0 }, "INVALID"],
      [{ servers: 0 }, "INVALID"],
      [{ servers: 8 }, "INVALID"],
      [{ faultsMs: 0 }, "INVALID"],
      [{ seed: "7-zz" }, "INVALID"],
    ] as const)
      await assert.rejects(simulate(options, scenario), { code });
    await assert.rejects(
      simulate(QUIET, (world) => {
        world.process("a", () => {});
        world.process("a", () => {});
      }),
      /has the name of another one/,
    );
  });

  test("a scenario that depends on more than its seed is told so", async () => {
    let runs = 0;
    const found = await finding(QUIET, (world) => {
      runs++;
      world.expect(runs > 1, "the first time");
    });
    assert.match(found.message, /^not repeatable/);
  });
});
