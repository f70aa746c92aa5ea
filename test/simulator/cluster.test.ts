/** Worlds of several servers: who leads, what clients notice, what is found wrong, and how its history is told. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import type { Quorate } from "../../src/sdk/index.ts";
import type { SimulateOptions, Simulated, World } from "../../src/testing/index.ts";
import { simulate } from "../../src/testing/index.ts";
import type { Outcome } from "../../src/testing/run.ts";
import { owning } from "../../src/testing/ownership.ts";
import { runPlan } from "../../src/testing/run.ts";
import { JUDGED, workload } from "../../src/testing/workload.ts";
import { check } from "../../src/verify/checker/check.ts";
import { readLines } from "../../src/verify/history/lines.ts";
import type { Fault, FaultKind, Plan } from "../../src/verify/simulator/plan.ts";

const QUIET: SimulateOptions = { seed: 3, servers: 3, faults: [], faultsMs: 60_000 };

function put(q: Quorate, value: number): Promise<unknown> {
  const request = { kind: "put", key: utf8("k"), value: utf8(String(value)) } as const;
  return q.commitment.keyspace.call(request, { timeoutMs: 20_000 });
}

/** A client that holds a lock and writes ten times a second while `disturb` does what it does. */
async function through(disturb: (world: World) => Promise<void>): Promise<Simulated> {
  return await simulate(QUIET, async (world) => {
    let isOver = false;
    const client = world.process("a", async ({ q }) => {
      const held = await q.lock("x").acquire();
      let longestMs = 0;
      for (let at = 0; !isOver; at++) {
        const fromMs = world.elapsedMs;
        await put(q, at);
        longestMs = Math.max(longestMs, world.elapsedMs - fromMs);
        await world.sleep(100);
      }
      held.assertHeld();
      await held.release();
      assert.ok(longestMs < 5_000, `a write took ${longestMs} ms`);
    });
    await world.sleep(3_000);
    await disturb(world);
    await world.sleep(8_000);
    isOver = true;
    await client.done;
  });
}

describe("several servers", { timeout: 300_000 }, () => {
  test("[SIM-LEAD-1] a crash of the leader is a change of leader, which a session outlives; one of a follower is none (1 client, 3 servers)", async () => {
    const changed = await through(async (world) => {
      world.fault.crash("leader", { forMs: 6_000 });
      await world.sleep(4_000);
    });
    assert.equal(changed.leaderChanges, 1);
    const kept = await through(async (world) => {
      world.fault.transfer("server-1");
      await world.sleep(2_000);
      for (const name of ["server-2", "server-3"]) {
        world.fault.crash(name, { forMs: 1_000 });
        await world.sleep(3_000);
      }
    });
    assert.ok(kept.leaderChanges <= 1, "the transfer alone, if it was not the leader already");
  });

  for (const way of [undefined, "to-server", "from-server"] as const)
    test(`[SIM-NET-1] a leader that is cut off is replaced: ${way ?? "both ways"} (1 client, 3 servers)`, async () => {
      const { leaderChanges } = await through(async (world) => {
        world.fault.partition("leader", { forMs: 10_000, way });
        await world.sleep(10_000);
      });
      assert.ok(leaderChanges >= 1);
    });

  test("[SIM-LEAD-1] leadership goes to whom it is handed (1 client, 3 servers)", async () => {
    const { leaderChanges } = await through(async (world) => {
      for (const name of ["server-1", "server-2", "server-3", "server-1"]) {
        world.fault.transfer(name);
        await world.sleep(2_000);
      }
    });
    assert.ok(leaderChanges >= 3 && leaderChanges <= 4, String(leaderChanges));
  });

  test("[SIM-MEMBER-1] servers are lost for good one after the other and replaced, until none is left of those who began; a lock is held throughout (1 client, 3 servers)", async () => {
    const names = ["server-1", "server-2", "server-3"];
    const { faults } = await through(async (world) => {
      for (const name of names) {
        world.fault.replace(name, { afterMs: 500 });
        await world.sleep(6_000);
      }
    });
    assert.equal(faults, names.length, "each was lost");
  });

  test("[SIM-MEMBER-1] a server is not lost while another one is away, nor one that is alone (1, 3 servers)", async () => {
    const { faults } = await simulate(QUIET, async (world) => {
      await world.sleep(2_000);
      world.fault.crash("server-1", { forMs: 4_000 });
      world.fault.replace("server-2", { afterMs: 500 });
      await world.sleep(6_000);
    });
    assert.equal(faults, 1, "the crash alone");
    const lone = await simulate({ ...QUIET, servers: 1 }, async (world) => {
      await world.sleep(1_000);
      world.fault.replace("server", { afterMs: 500 });
    });
    assert.equal(lone.faults, 0);
  });

  test("[SIM-MEMBER-1] [SIM-COMPACT-1] a fault that cannot be meant is INVALID: of a server that is not there, of less than nothing (3 servers)", async () => {
    await simulate(QUIET, (world) => {
      const invalid = { code: "INVALID" };
      assert.throws(() => world.fault.replace("server-4", { afterMs: 500 }), invalid);
      assert.throws(() => world.fault.transfer("server-4"), invalid);
      assert.throws(
        () => world.fault.slowDisk({ of: "server-4", forMs: 100, eachMs: 10 }),
        invalid,
      );
      for (const left of [-1, 0.5, Number.NaN])
        assert.throws(() => world.fault.compact({ left }), invalid);
    });
  });

  test("[SIM-COMPACT-1] a watch from before what was forgotten ends with COMPACTED, one from after it tells everything (1 client, 3 servers)", async () => {
    await simulate(QUIET, async (world) => {
      const following = world.process("a", async ({ q }) => {
        const { keyspace } = q.commitment;
        for (let at = 0; at < 20; at++) await put(q, at);
        world.fault.compact({ left: 5 });
        await world.sleep(1_000);
        const { revision } = await keyspace.call({ kind: "range", key: utf8("k") });
        const from = async (startRevision: number): Promise<readonly string[]> => {
          const told: string[] = [];
          for await (const { events } of keyspace.watch({ key: utf8("k"), startRevision })) {
            told.push(...events.map(({ kv }) => String(kv.value)));
            if (told.length >= revision - startRevision + 1) break;
          }
          return told;
        };
        await assert.rejects(from(revision - 15), { code: "COMPACTED" });
        assert.deepEqual(await from(revision - 3), ["16", "17", "18", "19"]);
      });
      await following.done;
    });
  });

  test("[ELE-2] who follows the leader goes on when what it has missed is forgotten (2 clients, 3 servers)", async () => {
    await simulate(QUIET, async (world) => {
      const seen: (string | undefined)[] = [];
      const over = new AbortController();
      const observer = world.process("observer", async ({ q, life }) => {
        assert.equal(life, 1, "it was not told of a failure");
        const leaders = q.election("e").observe({ signal: over.signal });
        for await (const leader of leaders) seen.push(leader?.value);
      });
      await world.sleep(2_000);
      world.fault.partition("observer", { forMs: 6_000 });
      const candidate = world.process("candidate", async ({ q }) => {
        for (const value of ["first", "second"]) {
          const leading = await q.election("e").campaign({ value });
          await leading.proclaim(`${value}, again`);
          if (value === "first") await leading.resign();
        }
        world.fault.compact({ left: 0 });
        await world.sleep(10_000);
        over.abort();
      });
      await candidate.done;
      await observer.done;
      assert.deepEqual(seen, [undefined, "second, again"]);
    });
  });

  test("[SIM-LIVE-2] five servers that lose their power at once serve again and agree (1 client, 5 servers)", async () => {
    await simulate({ ...QUIET, servers: 5 }, async (world) => {
      const writing = world.process("a", async ({ q }) => {
        for (let at = 0; at < 40; at++) {
          await put(q, at);
          await world.sleep(200);
        }
      });
      for (let round = 0; round < 3; round++) {
        await world.sleep(2_500);
        for (let at = 1; at <= 5; at++) world.fault.crash(`server-${at}`, { forMs: 300 });
      }
      await writing.done;
    });
  });
});

/** The run of the workload through the same fault again and again. */
function ran(kind: FaultKind, disk: "honest" | "lies", seed: number): Promise<Outcome> {
  const faults = Array.from({ length: 8 }, (_, number): Fault => ({
    ...{ number, kind, atMs: 4_000 + 3_000 * number, forMs: 500 },
    ...{ target: number, way: number },
  }));
  const plan: Plan = { seed, servers: 3, clients: 4, faultsMs: 30_000, faults, drawn: 8 };
  return runPlan(plan, { scenario: workload, calmMs: 120_000, disk, judged: JUDGED });
}

describe("histories of runs", { timeout: 300_000 }, () => {
  test("[SIM-HIST-1] of a right run is valid as it is written, and tells of everything there is a check of (4 clients, 3 servers)", async () => {
    const { violation, history, hits } = await ran("power", "honest", 1);
    assert.equal(violation, undefined, violation?.text);
    assert.ok((hits.get("power") ?? 0) >= 6);
    const { result, verdicts } = check(readLines(history?.text() ?? ""));
    assert.equal(result, "valid");
    assert.deepEqual(verdicts.map((each) => each.check).toSorted(), [
      ...["keyspace", "lease", "lock", "resource", "state", "watch"],
    ]);
    for (const { counts } of verdicts)
      for (const [what, count] of Object.entries(counts))
        if (!/^(guessed|steps|unanswered)$/.test(what)) assert.ok(count > 0, what);
  });

  test("[SIM-DISK-1] servers whose disks forget what they promised are found (4 clients, 3 servers)", async () => {
    const { violation } = await ran("power", "lies", 1);
    assert.ok(violation !== undefined);
  });

  const PLANTED: readonly (readonly [string, RegExp, (world: World) => void])[] = [
    [
      "two locks where one was meant",
      /^HIST-LOCK-EXCLUSION$/,
      (world) => {
        for (const name of ["a", "b"])
          world.process(name, ({ q }) =>
            owning(
              world,
              { process: name, noun: "lock", name: "x" },
              () => q.lock(`x of ${name}`).acquire(),
              () => world.sleep(1_000),
              (held) => held.release(),
            ),
          );
      },
    ],
    [
      "a read that is answered from before a write that was acknowledged",
      /^HIST-(REALTIME|READ)$/,
      (world) => {
        const key = utf8("kept/k");
        world.process("a", async ({ q }) => {
          await q.commitment.keyspace.call({ kind: "put", key, value: utf8("v") });
          const op = world.history?.begin("a", { kind: "range", key }) ?? 0;
          world.history?.answer(op, { revision: 1, kvs: [], more: false, count: 0 });
        });
      },
    ],
    [
      "a watch that leaves something out",
      /^HIST-WATCH-RELIABLE$/,
      (world) => {
        const key = utf8("kept/k");
        world.process("a", async ({ q }) => {
          const put = { kind: "put", key, value: utf8("v") } as const;
          await q.commitment.keyspace.call(put);
          const { revision } = await q.commitment.keyspace.call(put);
          world.history?.tell({ type: "watch", watch: "w", process: "a", key, from: 1 });
          world.history?.tell({ type: "batch", watch: "w", revision, events: [] });
        });
      },
    ],
  ];
  for (const [what, rule, scenario] of PLANTED)
    test(`[SIM-HIST-1] ${what} is found, and again in the history as it is written (2 clients, 3 servers)`, async () => {
      const plan = { seed: 1, servers: 3, clients: 2, faultsMs: 10_000, faults: [], drawn: 0 };
      const options = { scenario, calmMs: 60_000, disk: "honest", judged: JUDGED } as const;
      const { violation, history } = await runPlan(plan, options);
      assert.match(violation?.rule ?? "", rule, violation?.text);
      const { result, verdicts } = check(readLines(history?.text() ?? ""));
      assert.equal(result, "invalid");
      const found = verdicts.flatMap(({ violations }) => violations.map((each) => each.rule));
      assert.ok(found.includes(violation?.rule ?? ""), found.join());
    });
});
