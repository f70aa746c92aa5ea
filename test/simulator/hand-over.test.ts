/** Handing over while answers are lost: at no moment do two certainly own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import { simulate } from "../../src/testing/index.ts";

test("[GNT-7] whoever hands over does not certainly own meanwhile, nor if the answer never comes (2 clients, server)", async () => {
  await simulate({ seed: 1, servers: 1, faults: [], faultsMs: 60_000 }, async (world) => {
    const resource = world.resource("r", { guard: true });
    const first = world.process("first", async ({ q }) => {
      const held = await q.lock("x").acquire();
      await resource.write(held, "first");
      await world.sleep(2_000);
      world.fault.partition("first", { forMs: 4_000, way: "from-server" });
      const handing = held.handover({ timeoutMs: 1_000 }).catch((error: unknown) => error);
      await world.sleep(500);
      assert.equal(held.remainingMs(), 0, "it may be another's by now");
      const failed = await handing;
      assert.ok(QuorateError.is(failed, "TIMEOUT"));
      assert.equal(failed.outcome, "indefinite");
      assert.equal(held.remainingMs(), 0);
      await world.sleep(20_000);
      assert.equal(held.remainingMs(), 0);
      assert.equal(held.signal.aborted, true);
      assert.throws(() => held.assertHeld(), { code: "CANCELLED" });
    });
    const second = world.process("second", async ({ q }) => {
      await world.sleep(500);
      const held = await q.lock("x").acquire();
      await resource.write(held, "second");
      await held.release();
    });
    await Promise.all([first.done, second.done]);
    assert.deepEqual(
      resource.effects.map(({ value }) => value),
      ["first", "second"],
    );
  });
});

test("[GNT-7] whoever handed over to nobody, and was not told, finds out that it still owns (1 client, server)", async () => {
  await simulate({ seed: 1, servers: 1, faults: [], faultsMs: 60_000 }, async (world) => {
    const only = world.process("only", async ({ q }) => {
      const held = await q.lock("x").acquire();
      world.fault.partition("only", { forMs: 3_000, way: "from-server" });
      await assert.rejects(held.handover({ timeoutMs: 1_000 }), { code: "TIMEOUT" });
      assert.equal(held.remainingMs(), 0);
      await world.sleep(10_000);
      assert.ok(held.remainingMs() > 0);
      held.assertHeld();
      await held.release();
    });
    await only.done;
  });
});

test("[GNT-7] a hand-over that nobody took changes nothing (2 clients, server)", async () => {
  await simulate({ seed: 1, servers: 1, faults: [], faultsMs: 30_000 }, async (world) => {
    const only = world.process("only", async ({ q }) => {
      const held = await q.lock("x").acquire();
      const nobody = await held.handover();
      assert.equal(nobody.ok, false);
      assert.ok(held.remainingMs() > 0);
      held.assertHeld();
      await held.release();
    });
    await only.done;
  });
});
