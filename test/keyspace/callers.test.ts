import assert from "node:assert/strict";
import { test } from "node:test";
import { b, Bench, put, stamp } from "./head-bench.ts";

test("[CALLER-KNOWN] an unknown caller is refused as indefinite, also when it asks again (one replica)", () => {
  const bench = new Bench();
  for (let attempt = 0; attempt < 2; attempt++) {
    const reply = bench.send(put("k", "1"), stamp(1));
    assert.ok(!reply.ok);
    assert.deepEqual([reply.failure.code, reply.failure.outcome], ["CALLER_UNKNOWN", "indefinite"]);
  }
  assert.equal(bench.head.openCount, 0);
});

test("[CALLER-ONCE] a repeated command gets its first reply and happens once: open, sealed, applied (one replica)", () => {
  const bench = new Bench();
  bench.ok({ kind: "callerOpen", id: 7n });
  const first = bench.ok(put("k", "1"), stamp(1));
  assert.deepEqual(bench.ok(put("k", "1"), stamp(1)), first);
  const transactions = bench.head.seal(++bench.index);
  assert.deepEqual(bench.ok(put("k", "1"), stamp(1)), first);
  bench.base.apply({ index: bench.index, term: 1, time: bench.time, transactions }, bench.time);
  bench.head.committed(bench.index);
  assert.deepEqual(bench.ok(put("k", "1"), stamp(1)), first);
  bench.ok({ kind: "callerOpen", id: 7n });
  assert.deepEqual(bench.ok(put("k", "1"), stamp(1)), first, "opening again forgets nothing");
  assert.equal(bench.head.openCount, 0);
  assert.equal(bench.base.get(b("k"))?.version, 1);
});

test("[CALLER-ONCE] a delayed copy of a command that failed or changed nothing has no effect (one replica)", () => {
  const bench = new Bench();
  bench.ok({ kind: "callerOpen", id: 7n });
  bench.refused(put("k", "1", 5n), "LEASE_NOT_FOUND", stamp(1));
  const nothing = bench.ok({ kind: "deleteRange", key: b("k") }, stamp(2));
  assert.equal(nothing.deleted, 0);
  bench.ok({ kind: "leaseGrant", id: 5n, ttlMs: 60_000 });
  bench.ok(put("k", "0"));
  bench.refused(put("k", "1", 5n), "LEASE_NOT_FOUND", stamp(1));
  assert.deepEqual(bench.ok({ kind: "deleteRange", key: b("k") }, stamp(2)), nothing);
  bench.commit();
  assert.equal(bench.read("k"), "0");
});

test("[CALLER-ONCE] nor has a delayed copy of one for which there was no room (one replica)", () => {
  const bench = new Bench();
  bench.ok({ kind: "callerOpen", id: 7n });
  bench.commit();
  while (!bench.head.full) bench.ok(put("filler", "v".repeat(1 << 20)));
  bench.refused(put("k", "1"), "OVERLOADED", stamp(1));
  bench.commit();
  assert.ok(!bench.head.full);
  bench.refused(put("k", "1"), "OVERLOADED", stamp(1));
  bench.commit();
  assert.equal(bench.read("k"), undefined);
});

test("[CALLER-WINDOW] what was acknowledged is refused for good, and the window is bounded (one replica)", () => {
  const bench = new Bench();
  bench.ok({ kind: "callerOpen", id: 7n });
  bench.ok(put("k", "1"), stamp(1));
  bench.ok(put("k", "2"), stamp(2, 2));
  bench.commit();
  bench.refused(put("k", "1"), "PROTOCOL", stamp(1));
  bench.refused(put("k", "1"), "OVERLOADED", stamp(2 + 4_096, 2));
  bench.ok(put("k", "3"), stamp(2 + 4_096, 3));
  bench.ok({ kind: "callerClose", id: 7n });
  bench.refused(put("k", "4"), "CALLER_UNKNOWN", stamp(9_000, 9_000));
});

test("[CALLER-ONCE] an answer that a rollback made untrue is forgotten with it (one replica)", () => {
  const bench = new Bench();
  bench.ok({ kind: "callerOpen", id: 7n });
  bench.commit();
  bench.ok({ kind: "leaseGrant", id: 5n, ttlMs: 60_000 });
  bench.refused({ kind: "leaseGrant", id: 5n, ttlMs: 60_000 }, "LEASE_EXISTS", stamp(1));
  bench.head.rollback();
  bench.ok({ kind: "leaseGrant", id: 5n, ttlMs: 60_000 }, stamp(1));
});

test("[CALLER-KNOWN] a caller that only asks is not idle: the log hears of it twice a minute (one replica)", () => {
  const bench = new Bench();
  bench.ok({ kind: "callerOpen", id: 7n });
  bench.commit();
  let logged = 0;
  for (let sequence = 1; sequence <= 600; sequence++) {
    bench.time += 1_000;
    bench.ok({ kind: "deleteRange", key: b("none") }, stamp(sequence, sequence));
    if (bench.head.openCount > 0) logged++;
    bench.commit();
    assert.deepEqual(bench.base.callers.idle(bench.time - 32_000), []);
  }
  assert.ok(logged >= 18 && logged <= 20, `${logged} records in ten minutes`);
});
