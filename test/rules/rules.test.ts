/**
 * The rules that a plausible implementation breaks, each by one test that is named for it and fails when it is broken, in
 * simulated time where time is the point.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { barrier, election, latch, lock, locks } from "../../src/sdk/selection.ts";
import { prng } from "../../src/base/prng.ts";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import { slowTwin } from "../../src/verify/slow-twin.ts";
import { Simulated } from "./simulated.ts";

const DAY_MS = 24 * 3_600_000;
const contenders = {
  kind: "range",
  key: utf8("lock/"),
  end: utf8("lock0"),
  countOnly: true,
} as const;

test("[SEL-19] an expired hold is acted on with no client present (one simulated node)", async () => {
  const machine = new Simulated();
  const { driver, keyspace } = await machine.start();
  const lease = await machine.until(
    lock(machine.client(keyspace, "ann"), "seat").lease({ ttlMs: 300_000 }),
  );
  assert.ok(lease.ok);
  const created = driver.status().revision;
  await machine.pass(299_000);
  assert.equal(driver.status().keys, 2, "the hold and its due record");
  await machine.pass(3_000);
  // Nobody has looked: no request has been made since the hold was given, and yet it was ended.
  assert.equal(driver.status().keys, 0);
  assert.equal(driver.status().revision, created + 1, "by one transaction");
});

test("[SEL-19] deadlines that nobody here can act on do not hold up the others (one simulated node)", async () => {
  const machine = new Simulated();
  const { driver, keyspace } = await machine.start();
  const later = JSON.stringify({ layout: 1, procedure: "of/a/later@9", args: {}, prefix: "" });
  // More than a reactor reads at once, and all of them before any other.
  for (let at = 1; at <= 150; at++) {
    const key = utf8(`due/${String(at).padStart(16, "0")}/later/${at}`);
    await machine.until(keyspace.call({ kind: "put", key, value: utf8(later) }));
  }
  const lease = await machine.until(
    lock(machine.client(keyspace, "ann"), "seat").lease({ ttlMs: 5_000 }),
  );
  assert.ok(lease.ok);
  await machine.pass(10_000);
  assert.equal(driver.status().keys, 150, "the hold has ended; what cannot be acted on stays");
});

test("[DRV-4] a lease whose process is gone ends with its keys though nobody is connected (one simulated node)", async () => {
  const machine = new Simulated();
  const { driver, keyspace } = await machine.start();
  const { id } = await machine.until(keyspace.call({ kind: "leaseGrant", id: 0n, ttlMs: 60_000 }));
  await machine.until(
    keyspace.call({ kind: "put", key: utf8("held"), value: utf8("1"), lease: id }),
  );
  await machine.pass(59_000);
  assert.deepEqual([driver.status().keys, driver.status().leases], [1, 1]);
  await machine.pass(2_000);
  assert.deepEqual([driver.status().keys, driver.status().leases], [0, 0]);
});

for (const [name, jumpMs] of [
  ["a day ahead", DAY_MS],
  ["a year ahead", 365 * DAY_MS],
  ["two days back", -2 * DAY_MS],
] as const) {
  test(`[DRV-11] a clock that jumps ${name} expires nothing, neither sessions nor deadlines (one simulated node)`, async () => {
    const machine = new Simulated();
    const { driver, keyspace } = await machine.start();
    const client = machine.client(keyspace, "ann");
    const held = await machine.until(lock(client, "session-held").acquire());
    const seat = await machine.until(lock(client, "deadline-held").lease({ ttlMs: 600_000 }));
    assert.ok(seat.ok);
    machine.clock.jump(jumpMs);
    await machine.pass(120_000);
    assert.equal(held.signal.aborted, false);
    const { count } = await machine.until(keyspace.call(contenders));
    assert.equal(count, 2, "both are still held");
    // The slew is at most a tenth: 720 s of this clock are at least 648 s of keyspace time.
    await machine.pass(600_000);
    assert.equal(
      (await machine.until(keyspace.call(contenders))).count,
      1,
      "the deadline has passed",
    );
    assert.equal(held.signal.aborted, false);
    assert.ok(driver.status().alarms.includes("CLOCK"));
    await machine.until(held.release());
  });
}

test("[SEL-10] two acquires in one process exclude each other (one simulated session)", async () => {
  const machine = new Simulated();
  const { keyspace } = await machine.start();
  const client = machine.client(keyspace, "ann");
  const first = await machine.until(lock(client, "a").tryAcquire());
  const second = await machine.until(lock(client, "a").tryAcquire());
  assert.deepEqual([first.ok, second.ok], [true, false]);
  assert.ok(first.ok);
  const waiting = lock(client, "a").acquire();
  await machine.pass(1_000);
  const { count } = await machine.until(keyspace.call(contenders));
  assert.equal(count, 2, "each has a key of its own");
  await machine.until(first.release());
  const next = await machine.until(waiting);
  assert.ok(next.token > first.token);
});

for (const order of ["the outer first", "the inner first"]) {
  test(`[SEL-1] orders and orders/42 do not block each other, ${order} (one simulated session)`, async () => {
    const machine = new Simulated();
    const { keyspace } = await machine.start();
    const client = machine.client(keyspace, "ann");
    const names = ["orders", "orders/42", "orders/42/x", "orders%2F42", "orders%"];
    if (order === "the inner first") names.reverse();
    for (const name of names) {
      const held = await machine.until(lock(client, name).tryAcquire());
      assert.ok(
        held.ok,
        `${name} is free while ${names.slice(0, names.indexOf(name)).join(", ")} are held`,
      );
    }
    for (const name of names)
      assert.ok(!(await machine.until(lock(client, name).tryAcquire())).ok, name);
    const outer = { kind: "range", key: utf8("lock/orders/"), end: utf8("lock/orders0") } as const;
    const { kvs } = await machine.until(keyspace.call(outer));
    assert.equal(kvs.length, 1, "no key of an inner one lies under the outer one's prefix");
  });
}

for (const [timeoutMs, succeeds] of [
  [60_000, true],
  [undefined, false],
] as const)
  test(`[SEL-32] whoever waits gives each question the time that it was given, ${timeoutMs ?? "or the default"} ms (an engine that takes 12 s to answer)`, async () => {
    const machine = new Simulated();
    const { keyspace } = await machine.start();
    const { clock } = machine;
    let delayMs = 0;
    const slow = slowTwin(keyspace, { clock, entropy: prng(1), delayMs: () => delayMs });
    const ann = machine.client(keyspace, "ann");
    const held = await machine.until(locks(ann, ["one", "two"]).acquire());
    const patient = machine.client(slow, "bob", 300_000);
    const waits = [lock(patient, "one"), locks(patient, ["two", "three"])].map((each) =>
      each.acquire({ timeoutMs }),
    );
    for (const each of waits) each.catch(() => {});
    await machine.pass(1_000);
    delayMs = 6_000;
    await machine.until(held.release());
    for (const each of waits) {
      if (succeeds) assert.ok((await machine.until(each)).token > held.token);
      else await assert.rejects(machine.until(each), /^QuorateError: TIMEOUT \(definite\)/);
    }
  });

for (const noun of ["barrier", "latch"] as const)
  test(`[SEL-32] so does whoever waits at a ${noun} and must read it because its watch ended (history forgotten meanwhile)`, async () => {
    const machine = new Simulated();
    const { keyspace } = await machine.start();
    const asked: (number | undefined)[] = [];
    const forget = async (): Promise<void> => {
      for (const value of ["1", "2"])
        await keyspace.call({ kind: "put", key: utf8("other"), value: utf8(value) });
      const { revision } = await keyspace.call({ kind: "range", key: utf8("other") });
      await keyspace.call({ kind: "compact", revision });
    };
    const forgetful: Keyspace = {
      ...keyspace,
      call: async (request, given) => {
        const answer = await keyspace.call(request, given);
        if (request.kind !== "range") return answer;
        asked.push(given?.timeoutMs);
        if (asked.length === 1 && noun === "latch") await forget();
        return answer;
      },
      run: async (procedure, args, given) => {
        const ran = await keyspace.run(procedure, args, given);
        await forget();
        return ran;
      },
    };
    const [ann, bob] = [machine.client(keyspace, "ann"), machine.client(forgetful, "bob")];
    const wait = { timeoutMs: 60_000 };
    const waits =
      noun === "barrier"
        ? barrier(bob, "all", { parties: 2 }).arrive(wait)
        : latch(bob, "all", { count: 1 }).wait(wait);
    await machine.pass(1_000);
    const reads = noun === "barrier" ? 1 : 2;
    assert.deepEqual(
      asked,
      Array.from({ length: reads }, () => 60_000),
    );
    if (noun === "barrier") await machine.until(barrier(ann, "all", { parties: 2 }).arrive());
    else await machine.until(latch(ann, "all", { count: 1 }).countDown());
    assert.equal((await machine.until<{ readonly ok: boolean }>(waits)).ok, true);
  });

test("[GNT-9] a claim on several names that was not seen behind many others when one was handed over owns beside nobody (68 contenders)", async () => {
  const machine = new Simulated();
  const { keyspace } = await machine.start();
  const [ann, bob, cat] = ["ann", "bob", "cat"].map((each) => machine.client(keyspace, each));
  assert.ok(ann !== undefined && bob !== undefined && cat !== undefined);
  const held = await machine.until(lock(ann, "one").acquire());
  const [next, ...others] = Array.from({ length: 66 }, () => {
    const stop = new AbortController();
    const waits = lock(bob, "one").acquire({ signal: stop.signal });
    waits.catch(() => {});
    return { stop, waits };
  });
  assert.ok(next !== undefined);
  await machine.pass(100);
  const several = locks(cat, ["one", "two"]).acquire();
  several.catch(() => {});
  await machine.pass(100);
  assert.ok((await machine.until(held.handover())).ok, "it cannot see all who wait");
  const second = await machine.until(next.waits);
  const eager = lock(ann, "one").acquire({ priority: 1 });
  for (const { stop } of others) stop.abort();
  await machine.pass(100);
  await machine.until(second.release());
  await machine.until(assert.rejects(several, { code: "INVALID", outcome: "definite" }));
  assert.ok((await machine.until(eager)).remainingMs() > 0);
  const { holders, waiters } = await machine.until(lock(ann, "one").explain());
  assert.deepEqual([holders.length, waiters.length], [1, 0]);
  assert.ok((await machine.until(lock(ann, "two").tryAcquire())).ok, "it has left both");
});

test("[ELE-3] lead ends when its signal aborts, whenever that is (each of 60 turns after the answer that elects)", async () => {
  const machine = new Simulated();
  const { keyspace } = await machine.start();
  for (let turns = 0; turns < 60; turns++) {
    const stop = new AbortController();
    const abort = async (): Promise<void> => {
      for (let at = 0; at < turns; at++) await Promise.resolve();
      stop.abort();
    };
    const run: Keyspace["run"] = (procedure, args, given) => {
      const answer = keyspace.run(procedure, args, given);
      if (procedure.name.includes("/enter@")) void answer.then(abort);
      return answer;
    };
    const leading = election(machine.client({ ...keyspace, run }, "ann"), "led").lead(
      async ({ signal }) => {
        assert.equal(stop.signal.aborted, false, `it begins after ${turns} turns`);
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
      { signal: stop.signal },
    );
    await machine.until(leading);
  }
});

test("[ELE-2] a loop over leaders that is left at its first turn leaves no watch and no listener (10 loops)", async () => {
  const machine = new Simulated();
  const { driver, keyspace } = await machine.start();
  const { signal } = new AbortController();
  await machine.pass(100);
  const { watchers } = driver.status();
  for (let at = 0; at < 10; at++) {
    const loop = election(machine.client(keyspace, "ann"), "led").observe({ signal });
    await machine.until(loop.next());
    await machine.until(loop.return());
  }
  assert.equal(driver.status().watchers, watchers);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});
