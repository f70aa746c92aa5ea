/** What locks for readers and writers, semaphores and elections promise beyond what a lock does. */
import assert from "node:assert/strict";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Test } from "./over-arm.ts";
import { REVOKED_TTL_MS, owned, refused, untilWaiting } from "./over-arm.ts";

export function sharingCases(test: Test): void {
  test("[RWL-1] [RWL-2] readers share; a writer has it alone; phases in order of arrival (two sessions)", async ({
    a,
    b,
  }) => {
    const one = a.rwlock("doc");
    const two = b.rwlock("doc");
    const r1 = owned(await one.tryRead());
    const r2 = owned(await two.tryRead());
    refused(await one.tryWrite());
    const order: string[] = [];
    const writer = two.tryWrite({ waitMs: 30_000 }).then((held) => (order.push("w"), owned(held)));
    await untilWaiting(one, 1);
    refused(await one.tryRead());
    const late = one.tryRead({ waitMs: 30_000 }).then((held) => (order.push("r"), owned(held)));
    await untilWaiting(one, 2);
    await r1.release();
    assert.deepEqual(order, []);
    await r2.release();
    const w = await writer;
    assert.deepEqual(order, ["w"]);
    await w.release();
    await (await late).release();
  });

  test("[SEM-1] [SEM-2] weights stay within the permits; a heavy claim is not overtaken (two sessions)", async ({
    a,
    b,
  }) => {
    const one = a.semaphore("pool", { permits: 3 });
    const two = b.semaphore("pool", { permits: 3 });
    const x = owned(await one.tryAcquire({ weight: 2 }));
    const order: string[] = [];
    const heavy = two
      .tryAcquire({ weight: 3, waitMs: 30_000 })
      .then((held) => (order.push("heavy"), owned(held)));
    await untilWaiting(one, 1);
    refused(await one.tryAcquire());
    const light = one
      .tryAcquire({ waitMs: 30_000 })
      .then((held) => (order.push("light"), owned(held)));
    await untilWaiting(one, 2);
    await x.release();
    await (await heavy).release();
    await (await light).release();
    assert.deepEqual(order, ["heavy", "light"]);
  });

  test("[SEM-3] the stored number of permits counts (two sessions)", async ({ a, b }) => {
    const held = owned(await a.semaphore("stored", { permits: 1 }).tryAcquire());
    const two = b.semaphore("stored", { permits: 5 });
    refused(await two.tryAcquire());
    assert.equal((await two.explain()).permits, 1);
    await assert.rejects(two.tryAcquire({ weight: 2 }), (error: unknown) => {
      assert.ok(QuorateError.is(error, "INVALID"));
      assert.equal(error.details["permits"], 1);
      return true;
    });
    await held.release();
    assert.deepEqual(await two.resize(5), { ok: true, permits: 5, taken: 0 });
    await owned(await two.tryAcquire({ weight: 5 })).release();
  });

  test("[SEM-4] resizing in use counts at once, takes from nobody and wakes who waits (two sessions)", async ({
    a,
    b,
  }) => {
    const one = a.semaphore("grow", { permits: 2 });
    const two = b.semaphore("grow", { permits: 2 });
    const held = [owned(await one.tryAcquire()), owned(await two.tryAcquire())];
    const third = one.tryAcquire({ waitMs: 30_000 });
    await untilWaiting(two, 1);
    assert.deepEqual(await two.resize(3), { ok: true, permits: 3, taken: 3 });
    held.push(owned(await third));
    assert.deepEqual(await one.resize(1), { ok: true, permits: 1, taken: 3 });
    const { holders, permits } = await two.explain();
    assert.deepEqual([holders.length, permits], [3, 1]);
    for (const each of held) each.assertHeld();
    refused(await two.tryAcquire());
    const fourth = two.tryAcquire({ waitMs: 30_000 });
    await untilWaiting(one, 1);
    await held[0]?.release();
    await held[2]?.release();
    assert.equal((await one.explain()).waiters.length, 1, "the last one still takes the permit");
    await held[1]?.release();
    await owned(await fourth).release();
  });

  test("[SEM-4] who waits for more than a lower number is told (two sessions)", async ({
    a,
    b,
  }) => {
    const one = a.semaphore("heavy", { permits: 3 });
    const held = owned(await one.tryAcquire());
    const heavy = b.semaphore("heavy", { permits: 3 }).tryAcquire({ weight: 3, waitMs: 30_000 });
    await untilWaiting(one, 1);
    await one.resize(2);
    await assert.rejects(heavy, (error: unknown) => QuorateError.is(error, "INVALID"));
    await untilWaiting(one, 0);
    await held.release();
  });

  test("[ELE-1] [ELE-2] one leader; observers see each with a growing epoch; proclaim changes the value (two sessions)", async ({
    a,
    b,
  }) => {
    const stop = new AbortController();
    const seen: [string | undefined, string | undefined, number | undefined][] = [];
    const first = await a.election("chief").campaign({ value: "1" });
    const observing = (async (): Promise<void> => {
      for await (const leader of b.election("chief").observe({ signal: stop.signal })) {
        seen.push([leader?.service, leader?.value, leader?.token]);
        if (leader?.service === "bob") stop.abort();
      }
    })();
    while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
    await first.proclaim("2");
    const second = b.election("chief").campaign({ value: "3" });
    await untilWaiting(a.election("chief"), 1);
    assert.equal((await b.election("chief").leader())?.value, "2");
    await first.resign();
    const led = await second;
    await observing;
    assert.deepEqual(seen.at(0), ["ann", "1", first.token]);
    assert.deepEqual(seen.at(-1), ["bob", "3", led.token]);
    assert.ok(led.token > first.token);
    await assert.rejects(first.proclaim("4"), (error: unknown) =>
      QuorateError.is(error, "CANCELLED"),
    );
    await led.resign();
    assert.equal(await a.election("chief").leader(), undefined);
  });

  test("[ELE-3] lead campaigns again after a loss and ends when aborted (two sessions)", async ({
    a,
    open,
  }) => {
    const c = await open.client("cat", REVOKED_TTL_MS);
    const stop = new AbortController();
    const epochs: number[] = [];
    const leading = c.election("led").lead(
      async ({ token, signal }) => {
        epochs.push(token);
        if (epochs.length === 2) stop.abort();
        else
          await a.commitment.keyspace.call({
            kind: "leaseRevoke",
            id: (await c.commitment.session()).lease,
          });
        if (!signal.aborted)
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      { signal: stop.signal },
    );
    await leading;
    assert.equal(epochs.length, 2);
    assert.ok((epochs[1] as number) > (epochs[0] as number));
    assert.equal(await a.election("led").leader(), undefined);
  });

  test("[ELE-2] observing with an aborted signal ends at once (one session)", async ({ a }) => {
    for await (const _ of a.election("none").observe({ signal: AbortSignal.abort() }))
      assert.fail("it went on");
  });
}
