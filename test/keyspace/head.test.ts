import assert from "node:assert/strict";
import { test } from "node:test";
import { after } from "../../src/base/bytes.ts";
import type { Command } from "../../src/contract/requests.ts";
import { finish } from "../../src/keyspace/range.ts";
import { b, Bench, proc, put, run, stamp } from "./head-bench.ts";

test("[HEAD-OVERLAY] the base sees nothing before apply; later evaluations do (one replica)", () => {
  const bench = new Bench();
  bench.ok(put("k", "1"));
  assert.equal(bench.read("k"), undefined);
  const seen = bench.ok({
    kind: "txn",
    compare: [],
    success: [{ kind: "range", key: b("k") }],
    failure: [],
  });
  const [first] = seen.responses;
  assert.ok(first?.kind === "range" && first.kvs[0]?.value === "1");
  bench.commit();
  assert.equal(bench.read("k"), "1");
});

test("[HEAD-OVERLAY] a transaction reads a past revision that is not committed yet (one replica)", () => {
  const bench = new Bench();
  const { revision } = bench.ok(put("k", "1"));
  bench.ok(put("k", "2"));
  const past = bench.ok({
    kind: "txn",
    compare: [],
    success: [{ kind: "range", key: b("k"), revision }],
    failure: [],
  }).responses[0];
  assert.ok(past?.kind === "range" && past.kvs[0]?.value === "1");
});

test("[HEAD-ROLLBACK] a rollback leaves keys, leases, callers and alarms as if never evaluated (one replica)", () => {
  const used = new Bench();
  const fresh = new Bench();
  for (const bench of [used, fresh]) {
    bench.ok({ kind: "leaseGrant", id: 5n, ttlMs: 60_000 });
    bench.ok(put("k", "1", 5n));
    bench.commit();
  }
  used.ok({ kind: "leaseRevoke", id: 5n });
  used.ok({ kind: "leaseGrant", id: 6n, ttlMs: 60_000 });
  used.ok({ kind: "callerOpen", id: 7n });
  used.ok(put("l", "2", 6n), stamp(1));
  used.ok({ kind: "alarm", action: "activate", alarm: "NOSPACE" });
  used.head.seal(used.index + 1);
  used.ok({ kind: "compact", revision: used.head.revision });
  used.head.rollback();
  assert.equal(used.head.overlayBytes, 0);
  for (const command of [
    put("x", "1", 6n),
    { kind: "leaseRevoke", id: 6n },
    { kind: "alarm", action: "get" },
    { kind: "compact", revision: 2 },
    { kind: "leaseRevoke", id: 5n },
    put("k", "2"),
  ] as readonly Command[]) {
    assert.deepEqual(used.send(command), fresh.send(command));
  }
  used.refused(put("x", "1"), "CALLER_UNKNOWN", stamp(1));
});

test("[HEAD-OVERLAY] uncommitted bytes are bounded: OVERLOADED until a commit (one replica)", () => {
  const bench = new Bench();
  const value = "v".repeat(1 << 20);
  let sent = 0;
  for (; sent < 100; sent++) {
    const reply = bench.send(put(`k${sent}`, value));
    if (reply.ok) continue;
    assert.deepEqual([reply.failure.code, reply.failure.outcome], ["OVERLOADED", "definite"]);
    break;
  }
  assert.ok(sent > 1 && sent < 20, `${sent} MiB were taken`);
  bench.commit();
  bench.ok(put("after", "1"));
});

test("[HEAD-LIMITS] a transaction changes at most 10,000 keys, whole or not at all (one replica)", () => {
  const bench = new Bench();
  for (let at = 0; at <= 10_000; at++) {
    bench.ok(put(`k/${at}`, ""));
    if (at % 2_000 === 0) bench.commit();
  }
  bench.commit();
  bench.refused({ kind: "deleteRange", key: b("k/"), end: b("k0") }, "TOO_LARGE");
  const { revision } = bench.ok({ kind: "alarm", action: "get" });
  assert.equal(revision, bench.base.revision, "nothing was changed");
  bench.ok({ kind: "deleteRange", key: b("k/0") });
  assert.equal(bench.ok({ kind: "deleteRange", key: b("k/"), end: b("k0") }).deleted, 10_000);
});

test("[HEAD-LIMITS] a range with too many keys to delete is refused whole, and the remedy named empties it page by page (one replica)", () => {
  const bench = new Bench();
  for (let at = 0; at < 25_000; at++) {
    bench.ok(put(`k/${at}`, ""));
    if (at % 2_000 === 0) bench.commit();
  }
  bench.commit();
  const range = { key: b("k/"), end: b("k0") };
  const reply = bench.send({ kind: "deleteRange", ...range });
  assert.ok(!reply.ok && reply.failure.code === "TOO_LARGE");
  assert.match(reply.failure.remedy, /page by page: read 10000 keys .* up to just behind the last/);
  let pages = 0;
  for (;;) {
    const read = bench.base.range({ kind: "range", ...range, keysOnly: true, limit: 10_000 });
    assert.ok(!("code" in read));
    const { kvs } = finish(read);
    const [first, last] = [kvs[0], kvs.at(-1)];
    if (first === undefined || last === undefined) break;
    bench.ok({ kind: "deleteRange", key: first.key, end: after(last.key) });
    bench.commit();
    pages++;
  }
  assert.equal(pages, 3);
  assert.equal(bench.base.versions.liveKeys, 0);
});

test("[HEAD-LIMITS] a request holds at most 1.5 MiB (one replica)", () => {
  const bench = new Bench();
  bench.refused(put("k", "v".repeat(1.5 * (1 << 20))), "TOO_LARGE");
  bench.ok(put("k", "v".repeat(1.5 * (1 << 20) - 1)));
});

test("[HEAD-LIMITS] nested transactions share the budget of 128 operations (one replica)", () => {
  const bench = new Bench();
  const ranges = (count: number) =>
    Array.from({ length: count }, () => ({ kind: "range" as const, key: b("k") }));
  const txn = (outer: number, inner: number): Command => ({
    kind: "txn",
    compare: [],
    success: [
      ...ranges(outer - 1),
      { kind: "txn", compare: [], success: ranges(inner), failure: [] },
    ],
    failure: [],
  });
  bench.ok(txn(100, 28));
  bench.refused(txn(100, 29), "TOO_MANY_OPERATIONS");
  bench.refused(txn(129, 0), "TOO_MANY_OPERATIONS");
});

test("[HEAD-LEASE] a lease with many keys goes in pages, and no key joins it meanwhile (one replica)", () => {
  const bench = new Bench();
  bench.ok({ kind: "leaseGrant", id: 5n, ttlMs: 3_600_000 });
  for (let at = 0; at < 11_000; at++) {
    bench.ok(put(`k/${at}`, "", 5n));
    if (at % 2_000 === 0) bench.commit();
  }
  bench.commit();
  bench.ok({ kind: "leaseRevoke", id: 5n });
  bench.refused(put("late", "", 5n), "LEASE_NOT_FOUND");
  bench.commit();
  assert.deepEqual(bench.base.leases.expired(bench.time, 10), [5n], "the rest is due at once");
  let pages = 1;
  for (; bench.head.expire(5n); pages++) bench.commit();
  assert.equal(pages, 3);
  assert.equal(bench.base.versions.liveKeys, 0);
  assert.deepEqual(bench.base.leases.ids(), []);
  assert.equal(bench.head.expire(5n), false);
});

test("[HEAD-LEASE] id 0 gets a free id; a key put again without the lease survives it (one replica)", () => {
  const bench = new Bench();
  bench.ok({ kind: "leaseGrant", id: 100n, ttlMs: 1 });
  const { id, ttlMs } = bench.ok({ kind: "leaseGrant", id: 0n, ttlMs: 1 });
  assert.deepEqual([id, ttlMs], [101n, 1_000]);
  bench.ok(put("a", "1", id));
  bench.ok(put("b", "1", id));
  bench.ok(put("a", "2"));
  bench.ok({ kind: "leaseRevoke", id });
  bench.commit();
  assert.deepEqual([bench.read("a"), bench.read("b")], ["2", undefined]);
});

test("[HEAD-QUOTA] 256 writers never exceed the quota, and raise the alarm (one replica)", () => {
  const quotaBytes = 100_000;
  const bench = new Bench({ quotaBytes });
  let taken = 0;
  for (let at = 0; at < 256; at++) {
    const reply = bench.send(put(`k${at}`, "v".repeat(900)));
    if (reply.ok) taken++;
    else assert.deepEqual([reply.failure.code, reply.failure.outcome], ["QUOTA", "definite"]);
    if (at % 64 === 63) bench.commit();
    assert.ok(bench.base.bytes <= quotaBytes, `${bench.base.bytes} bytes`);
  }
  bench.commit();
  assert.ok(taken > 80 && taken < 112, `${taken} were taken`);
  assert.deepEqual([...bench.base.alarms], ["NOSPACE"]);
});

test("[HEAD-QUOTA] with the alarm on only what grows the store fails (one replica)", () => {
  const grow = proc("t/grow@1", (tx) => tx.put(b("p"), b("1")));
  const shrink = proc("t/shrink@1", (tx) => tx.delete(b("a")));
  const bench = new Bench({}, [grow, shrink]);
  bench.ok(put("a", "1"));
  bench.ok(put("b", "1"));
  bench.ok({ kind: "alarm", action: "activate", alarm: "NOSPACE" });
  bench.commit();
  const withPut: Command = { kind: "txn", compare: [], success: [put("c", "")], failure: [] };
  for (const command of [
    put("c", ""),
    withPut,
    run("t/grow@1"),
    { kind: "leaseGrant", id: 1n, ttlMs: 1 } as const,
  ]) {
    bench.refused(command, "QUOTA");
  }
  bench.ok(run("t/shrink@1"));
  bench.ok({ kind: "deleteRange", key: b("b") });
  bench.ok({ kind: "compact", revision: bench.base.revision });
  assert.deepEqual(bench.ok({ kind: "alarm", action: "deactivate", alarm: "NOSPACE" }).alarms, []);
  bench.ok(put("c", ""));
});

test("[HEAD-COMPACT] takes effect at the head at once, and refuses what is gone or not yet there (one replica)", () => {
  const bench = new Bench();
  for (const value of ["1", "2", "3"]) bench.ok(put("k", value));
  bench.refused({ kind: "compact", revision: 5 }, "FUTURE_REVISION");
  bench.ok({ kind: "compact", revision: 3 });
  bench.refused({ kind: "compact", revision: 3 }, "COMPACTED");
  const old: Command = {
    kind: "txn",
    compare: [],
    success: [
      { kind: "put", key: b("x"), value: b("") },
      { kind: "range", key: b("k"), revision: 2 },
    ],
    failure: [],
  };
  bench.refused(old, "COMPACTED");
  bench.commit();
  finish(bench.base.compactWork());
  bench.refused(old, "COMPACTED");
  assert.equal(bench.read("x"), undefined);
});
