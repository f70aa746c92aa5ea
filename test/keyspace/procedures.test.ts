import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { prng } from "../../src/base/prng.ts";
import { dueKey } from "../../src/contract/due.ts";
import { dataOf } from "../../src/contract/json-data.ts";
import type { Tx } from "../../src/contract/procedure.ts";
import { Suspension } from "../../src/contract/suspension.ts";
import { ProcedureTx } from "../../src/keyspace/procedure-tx.ts";
import { b, Bench, proc, put, run } from "./head-bench.ts";

test("[PROC-ATOMIC] a throw drops the procedure's own writes and nothing else (one replica)", () => {
  const bench = new Bench({}, [
    proc("t/throws@1", (tx) => {
      tx.put(b("half"), b("1"));
      throw new TypeError("boom");
    }),
    proc("t/writes@1", (tx) => {
      tx.put(b("whole"), b("1"));
      return { at: tx.commitRevision, now: tx.now, list: [tx.commitRevision] };
    }),
  ]);
  const { result, revision } = bench.ok(run("t/writes@1"));
  assert.deepEqual(dataOf(result), { at: revision, now: bench.time, list: [revision] });
  const reply = bench.send(run("t/throws@1"));
  assert.ok(!reply.ok);
  assert.deepEqual([reply.failure.code, reply.failure.outcome], ["INVALID", "definite"]);
  assert.match(reply.failure.what, /boom/);
  bench.refused(run("t/none@1"), "PROCEDURE_UNKNOWN");
  bench.commit();
  assert.deepEqual([bench.read("half"), bench.read("whole")], [undefined, "1"]);
});

test("[PROC-REVISION] the commit's revision cannot be compared, calculated with or stored (one replica)", () => {
  const bench = new Bench({}, [
    proc("t/compares@1", (tx) => tx.commitRevision > 3),
    proc("t/adds@1", (tx) => tx.commitRevision + 1),
    proc("t/stores@1", (tx) => tx.put(b("k"), b(JSON.stringify({ at: tx.commitRevision })))),
    proc("t/prints@1", (tx) => `${tx.commitRevision}`),
  ]);
  for (const name of ["compares", "adds", "stores", "prints"])
    bench.refused(run(`t/${name}@1`), "INVALID");
  assert.equal(bench.head.openCount, 0);
});

test("[PROC-JSON] arguments are the procedure's own copy, and results must be JSON data (one replica)", () => {
  const bench = new Bench({}, [
    proc("t/mutates@1", (_tx, args: { n: number }) => ++args.n),
    proc("t/bigint@1", () => ({ id: 5n })),
    proc("t/nan@1", () => Number.NaN),
    proc("t/cycle@1", () => {
      const loop: Record<string, unknown> = {};
      loop["self"] = loop;
      return loop;
    }),
  ]);
  const args = { n: 1 };
  assert.equal(bench.result(run("t/mutates@1", args)), 2);
  assert.equal(args.n, 1);
  for (const name of ["bigint", "nan", "cycle"]) bench.refused(run(`t/${name}@1`), "INVALID");
});

test("[PROC-LIMITS] at most 96 reads and 96 writes; leases must exist (one replica)", () => {
  const many = (count: number, step: (tx: Tx, at: number) => void) => (tx: Tx) => {
    for (let at = 0; at < count; at++) step(tx, at);
  };
  const reads = (tx: Tx, at: number): void => void tx.get(b(`k${at}`));
  const writes = (tx: Tx, at: number): void => tx.put(b(`k${at}`), b(""));
  const bench = new Bench({}, [
    proc("t/r96@1", many(96, reads)),
    proc("t/r97@1", many(97, reads)),
    proc("t/w96@1", many(96, writes)),
    proc("t/w97@1", many(97, writes)),
    proc("t/lease@1", (tx) => tx.put(b("k"), b(""), { lease: 5n })),
  ]);
  bench.ok(run("t/r96@1"));
  bench.ok(run("t/w96@1"));
  bench.refused(run("t/r97@1"), "TOO_MANY_OPERATIONS");
  bench.refused(run("t/w97@1"), "TOO_MANY_OPERATIONS");
  bench.refused(run("t/lease@1"), "LEASE_NOT_FOUND");
});

test("[PROC-TX] reads see own writes, ranges merge them, age puts them last (one replica)", () => {
  const keys = (kvs: readonly { readonly key: Bytes }[]): string => kvs.map((kv) => kv.key).join();
  const bench = new Bench({}, [
    proc("t/reads@1", (tx) => {
      tx.delete(b("b"));
      tx.put(b("a"), b("new"));
      return [
        tx.get(b("b")) === undefined,
        tx.get(b("a"))?.version,
        keys(tx.range(b("a"), b("z"))),
        keys(tx.range(b("a"), b("z"), { limit: 2, reverse: true })),
        keys(tx.byAge(b("a"), b("z"))),
        keys(tx.byAge(b("a"), b("z"), { limit: 1 })),
      ];
    }),
  ]);
  for (const key of ["d", "c", "b"]) bench.ok(put(key, ""));
  bench.commit();
  assert.deepEqual(bench.result(run("t/reads@1")), [true, 1, "a,c,d", "d,c", "d,c,a", "d"]);
});

test("[PROC-TX] a limited range looks past what the procedure has deleted (one replica)", () => {
  const first = (kvs: readonly { readonly key: Bytes }[]): string | undefined => kvs[0]?.key;
  const bench = new Bench({}, [
    proc("t/limits@1", (tx) => {
      tx.delete(b("b"));
      tx.delete(b("d"));
      return [
        first(tx.range(b("a"), b("z"), { limit: 1 })),
        first(tx.range(b("a"), b("z"), { limit: 1, reverse: true })),
        first(tx.byAge(b("a"), b("z"), { limit: 1 })),
      ];
    }),
  ]);
  for (const key of ["d", "c", "b"]) bench.ok(put(key, ""));
  assert.deepEqual(bench.result(run("t/limits@1")), ["c", "c", "c"]);
});

test("[PROC-PREFIX] a prefix confines all keys, and due records carry it to their procedure (one replica)", () => {
  const target = proc("t/target@1", (tx, args: { to: string }) => tx.put(b("hit"), b(args.to)));
  const bench = new Bench({}, [
    target,
    proc("t/arm@1", (tx) => {
      tx.due(5_000, "o", target, { to: "x" } as never);
      return tx.range(b("a"), b("z")).map((kv) => kv.key);
    }),
  ]);
  bench.ok(put("in/k", "1"));
  bench.ok(put("k", "1"));
  assert.deepEqual(bench.result(run("t/arm@1", null, "in/")), ["k"]);
  bench.commit();
  const key = dueKey(5_000, "in/o");
  const record = bench.base.get(key);
  assert.ok(record !== undefined, "the record is in the one index");
  const fire = run("ordering/due/fire@1", { key, modRevision: record.modRevision });
  assert.equal(bench.result(fire), "early");
  bench.time = 5_000;
  assert.equal(bench.result(fire), "fired");
  assert.equal(bench.result(fire), "gone");
  bench.commit();
  assert.deepEqual(
    [bench.read("in/hit"), bench.read("hit"), bench.base.get(key)],
    ["x", undefined, undefined],
  );
});

test("[PROC-STRICT] a procedure with a state of its own is named; a pure one is not disturbed (one replica)", () => {
  let calls = 0;
  const strict = new Bench({ strict: prng(1) }, [
    proc("t/counts@1", (tx) => tx.put(b("n"), b(String(++calls)))),
    proc("t/pure@1", (tx) => {
      const before = tx.get(b("n"))?.value ?? "0";
      tx.put(b("n"), b(`${before}1`));
      return [before, tx.commitRevision];
    }),
  ]);
  const reply = strict.send(run("t/counts@1"));
  assert.ok(!reply.ok && reply.failure.object === "procedure t/counts@1");
  for (let at = 0; at < 20; at++) strict.ok(run("t/pure@1"));
  strict.commit();
  assert.equal(strict.base.get(b("n"))?.version, 20);
});

test("[PROC-STRICT] an attempt that swallows its suspension is discarded all the same (one replica)", () => {
  const bench = new Bench({ strict: prng(1) }, [
    proc("t/swallows@1", (tx) => {
      for (let at = 0; at < 6; at++) {
        try {
          tx.get(b(`k${at}`));
        } catch {
          // What rule R5 is about.
        }
      }
      tx.put(b("n"), b("1"));
      return "done";
    }),
  ]);
  for (let at = 0; at < 50; at++) assert.equal(bench.result(run("t/swallows@1")), "done");
  bench.commit();
  assert.equal(bench.base.get(b("n"))?.version, 50);
});

test("[PROC-STRICT] after a suspension the transaction is poisoned: reads and writes suspend again (any)", () => {
  const absent = (): never => {
    throw new Suspension();
  };
  const tx = new ProcedureTx({ get: absent, range: absent, byAge: absent }, "t/p@1", 0);
  tx.put(b("before"), b("1"));
  assert.throws(() => tx.get(b("k")), Suspension);
  assert.equal(tx.poisoned, true);
  assert.throws(() => tx.put(b("k"), b("1")), Suspension);
  assert.throws(() => tx.delete(b("k")), Suspension);
  assert.throws(() => tx.range(b("k"), b("l")), Suspension);
  assert.deepEqual(
    tx.writes.map((write) => write.key),
    ["before"],
  );
});
