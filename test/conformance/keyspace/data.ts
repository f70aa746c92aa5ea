/** What the Keyspace contract promises of the data: its revisions, ranges, transactions, and what is told of it. */
import assert from "node:assert/strict";
import type { Bytes } from "../../../src/base/bytes.ts";
import { utf8 } from "../../../src/base/bytes.ts";
import type { Compare, TxnOperation } from "../../../src/contract/requests.ts";
import { OPEN_END } from "../../../src/contract/requests.ts";
import type { Case } from "./corner.ts";
import { failsWith } from "./corner.ts";

export function dataCases(test: Case): void {
  test("[KS-1] a put sets create, mod and version; a delete resets them (one key)", async ({
    c,
    keyspace,
  }) => {
    const first = await c.put("a", "1");
    const second = await c.put("a", "2");
    assert.equal(second.revision, first.revision + 1);
    const read = await keyspace.call({ kind: "range", key: c.key("a") });
    assert.deepEqual(read.kvs, [
      {
        key: c.key("a"),
        value: "2",
        createRevision: first.revision,
        modRevision: second.revision,
        version: 2,
        lease: 0n,
      },
    ]);
    assert.equal((await c.delete("a")).deleted, 1);
    const again = await c.put("a", "3");
    const { kvs } = await keyspace.call({ kind: "range", key: c.key("a") });
    assert.deepEqual([kvs[0]?.createRevision, kvs[0]?.version], [again.revision, 1]);
  });

  test("[KS-1] what changes nothing takes no revision (delete of nothing, read)", async ({
    c,
    keyspace,
  }) => {
    const { revision } = await c.put("a", "1");
    assert.deepEqual(await c.delete("none"), { revision, deleted: 0, prevKvs: [] });
    const read = await keyspace.call({ kind: "txn", compare: [], success: [], failure: [] });
    assert.equal(read.revision, revision);
  });

  test("[KS-2] bytes of every value are kept (binary key and value)", async ({ c, keyspace }) => {
    const every = String.fromCharCode(...Array.from({ length: 256 }, (_, at) => at)) as Bytes;
    const key = (c.prefix + every) as Bytes;
    await keyspace.call({ kind: "put", key, value: every });
    const { kvs } = await keyspace.call({ kind: "range", key });
    assert.equal(kvs[0]?.key, key);
    assert.equal(kvs[0]?.value, every);
  });

  test("[KS-3] ranges: order, limit, count, keys only, filters (5 keys)", async ({
    c,
    keyspace,
  }) => {
    for (const [name, value] of [
      ["b", "5"],
      ["a", "4"],
      ["d", "3"],
      ["c", "2"],
      ["e", "1"],
    ] as const)
      await c.put(name, value);
    const last = await c.put("b", "0");
    const by = (target: "key" | "version" | "create" | "mod" | "value", order = "ascend") =>
      c.list({ sort: { target, order: order as "ascend" } });
    assert.deepEqual(await c.list(), ["a=4", "b=0", "c=2", "d=3", "e=1"]);
    assert.deepEqual(await by("create"), ["b=0", "a=4", "d=3", "c=2", "e=1"]);
    assert.deepEqual(await by("mod", "descend"), ["b=0", "e=1", "c=2", "d=3", "a=4"]);
    assert.deepEqual(await by("value"), ["b=0", "e=1", "c=2", "d=3", "a=4"]);
    assert.equal((await by("version", "descend"))[0], "b=0");
    assert.deepEqual(await by("key", "descend"), ["e=1", "d=3", "c=2", "b=0", "a=4"]);
    const page = await keyspace.call({ kind: "range", ...c.all, limit: 2 });
    assert.deepEqual([page.kvs.length, page.more, page.count], [2, true, 5]);
    const whole = await keyspace.call({ kind: "range", ...c.all, limit: 5 });
    assert.deepEqual([whole.kvs.length, whole.more, whole.count], [5, false, 5]);
    const counted = await keyspace.call({ kind: "range", ...c.all, countOnly: true });
    assert.deepEqual([counted.kvs.length, counted.count], [0, 5]);
    assert.deepEqual(await c.list({ keysOnly: true }), ["a=", "b=", "c=", "d=", "e="]);
    assert.deepEqual(await c.list({ minModRevision: last.revision }), ["b=0"]);
    assert.deepEqual(await c.list({ maxModRevision: last.revision - 4 }), ["a=4"]);
    assert.deepEqual(await c.list({ minCreateRevision: last.revision - 1 }), ["e=1"]);
    assert.deepEqual(await c.list({ maxCreateRevision: last.revision - 5 }), ["b=0"]);
    assert.deepEqual(await c.list({ key: c.key("d"), end: c.key("e") }), ["d=3"]);
    assert.deepEqual((await c.list({ key: c.key("d"), end: OPEN_END })).slice(0, 2), [
      "d=3",
      "e=1",
    ]);
    assert.deepEqual(await c.list({ consistency: "serializable", limit: 1 }), ["a=4"]);
  });

  test("[KS-4] a past revision reads as it was; a future one is refused (3 revisions)", async ({
    c,
    keyspace,
  }) => {
    const first = await c.put("a", "1");
    const second = await c.put("a", "2");
    await c.delete("a");
    assert.deepEqual(await c.list({ revision: first.revision }), ["a=1"]);
    assert.deepEqual(await c.list({ revision: second.revision }), ["a=2"]);
    assert.deepEqual(await c.list(), []);
    const past = await keyspace.call({ kind: "range", ...c.all, revision: first.revision });
    assert.equal(past.revision, second.revision + 1, "the present revision is reported");
    await failsWith(
      keyspace.call({ kind: "range", ...c.all, revision: second.revision + 1_000_000 }),
      "FUTURE_REVISION",
    );
  });

  test("[KS-5] a range is deleted in one revision, with what was there (3 keys)", async ({
    c,
    keyspace,
  }) => {
    for (const name of ["a", "b", "c"]) await c.put(name, name);
    const { revision } = await c.put("z", "z");
    const gone = await keyspace.call({
      kind: "deleteRange",
      key: c.key("a"),
      end: c.key("c"),
      prevKv: true,
    });
    assert.deepEqual([gone.deleted, gone.revision], [2, revision + 1]);
    assert.deepEqual(
      gone.prevKvs.map((kv) => kv.value),
      ["a", "b"],
    );
    assert.deepEqual(await c.list(), ["c=c", "z=z"]);
  });

  test("[KS-6] put: previous value, ignored value and lease, and what they need (one key)", async ({
    c,
    keyspace,
  }) => {
    const { id } = await keyspace.call({ kind: "leaseGrant", id: 0n, ttlMs: 60_000 });
    const put = (
      more: object,
    ): Promise<{ readonly prevKv?: { readonly value: Bytes } | undefined }> =>
      keyspace.call({ kind: "put", key: c.key("a"), value: "" as Bytes, ...more });
    await failsWith(put({ ignoreValue: true }), "KEY_NOT_FOUND");
    await c.put("a", "1", id);
    assert.equal((await put({ value: "2", ignoreLease: true, prevKv: true })).prevKv?.value, "1");
    await put({ ignoreValue: true, ignoreLease: true });
    const { kvs } = await keyspace.call({ kind: "range", key: c.key("a") });
    assert.deepEqual([kvs[0]?.value, kvs[0]?.lease, kvs[0]?.version], ["2", id, 3]);
    await failsWith(put({ value: "3", ignoreValue: true }), "INVALID");
    await failsWith(put({ lease: id, ignoreLease: true }), "INVALID");
    await failsWith(put({ lease: 12_345n }), "LEASE_NOT_FOUND");
    await failsWith(
      keyspace.call({ kind: "put", key: "" as Bytes, value: "" as Bytes }),
      "INVALID",
    );
    await put({ value: "4" });
    const detached = await keyspace.call({ kind: "leaseTimeToLive", id, keys: true });
    assert.deepEqual(detached.keys, [], "a put without a lease detaches it");
  });

  test("[KS-7] compares: every target, result and the absent key (one key)", async ({
    c,
    keyspace,
  }) => {
    const { id } = await keyspace.call({ kind: "leaseGrant", id: 0n, ttlMs: 60_000 });
    const { revision } = await c.put("a", "m", id);
    const holds = async (compare: Omit<Compare, "key">, key = "a"): Promise<boolean> => {
      const all = { compare: [{ key: c.key(key), ...compare }], success: [], failure: [] };
      return (await keyspace.call({ kind: "txn", ...all })).succeeded;
    };
    const targets = [
      [
        { kind: "version", value: 1 },
        { kind: "version", value: 2 },
      ],
      [
        { kind: "create", value: revision },
        { kind: "create", value: revision + 1 },
      ],
      [
        { kind: "mod", value: revision },
        { kind: "mod", value: revision + 1 },
      ],
      [
        { kind: "lease", value: id },
        { kind: "lease", value: id + 1n },
      ],
      [
        { kind: "value", value: utf8("m") },
        { kind: "value", value: utf8("n") },
      ],
    ] as const;
    for (const [same, larger] of targets) {
      assert.equal(await holds({ result: "equal", target: same }), true, same.kind);
      assert.equal(await holds({ result: "notEqual", target: same }), false, same.kind);
      assert.equal(await holds({ result: "less", target: larger }), true, same.kind);
      assert.equal(await holds({ result: "greater", target: larger }), false, same.kind);
    }
    const zero = { kind: "mod", value: 0 } as const;
    assert.equal(await holds({ result: "equal", target: zero }, "none"), true);
    const empty = { kind: "value", value: "" as Bytes } as const;
    assert.equal(await holds({ result: "equal", target: empty }, "none"), false);
    assert.equal(await holds({ result: "notEqual", target: empty }, "none"), false);
    const below = { result: "less", target: { kind: "mod", value: revision + 2 } } as const;
    await c.put("b", "n");
    assert.equal(await holds({ ...below, end: c.key("c") }), true, "every key of the range");
    await c.put("b", "o");
    assert.equal(await holds({ ...below, end: c.key("c") }), false, "one key of the range");
  });

  test("[KS-8] a transaction is one revision; nested ones compare what was before (nesting)", async ({
    c,
    keyspace,
  }) => {
    const put = (name: string, value: string): TxnOperation => ({
      kind: "put",
      key: c.key(name),
      value: utf8(value),
    });
    const exists = (name: string): Compare => ({
      key: c.key(name),
      result: "greater",
      target: { kind: "version", value: 0 },
    });
    const nested: TxnOperation = {
      kind: "txn",
      compare: [exists("a")],
      success: [put("seen", "yes")],
      failure: [put("seen", "no"), { kind: "range", ...c.all }],
    };
    const done = await keyspace.call({
      kind: "txn",
      compare: [],
      success: [put("a", "1"), nested, { kind: "deleteRange", key: c.key("none") }],
      failure: [],
    });
    assert.equal(done.succeeded, true);
    const inner = done.responses[1];
    assert.ok(inner?.kind === "txn");
    assert.equal(inner.succeeded, false, "a was not there before the transaction");
    const read = inner.responses[1];
    assert.ok(read?.kind === "range");
    assert.equal(read.count, 2, "reads see what the transaction wrote before them");
    const { kvs } = await keyspace.call({ kind: "range", ...c.all });
    assert.deepEqual(
      kvs.map((kv) => [kv.modRevision, kv.createRevision]),
      [
        [done.revision, done.revision],
        [done.revision, done.revision],
      ],
    );
  });

  test("[KS-9] a transaction that is refused changes nothing (each reason)", async ({
    c,
    keyspace,
  }) => {
    const put = (name: string, more: object = {}): TxnOperation => ({
      kind: "put",
      key: c.key(name),
      value: utf8("1"),
      ...more,
    });
    const txn = (...success: readonly TxnOperation[]): Promise<unknown> =>
      keyspace.call({ kind: "txn", compare: [], success, failure: [] });
    await failsWith(txn(put("a"), put("a")), "DUPLICATE_KEY");
    await failsWith(txn(put("a"), { kind: "deleteRange", ...c.all }), "DUPLICATE_KEY");
    await failsWith(txn(put("a"), put("b", { lease: 12_345n })), "LEASE_NOT_FOUND");
    await failsWith(
      txn(put("a"), put("b", { value: "" as Bytes, ignoreValue: true })),
      "KEY_NOT_FOUND",
    );
    const many = Array.from({ length: 129 }, (_, at) => put(`m${at}`));
    await failsWith(txn(...many), "TOO_MANY_OPERATIONS");
    await failsWith(txn(put("a", { value: "x".repeat(1_600_000) })), "TOO_LARGE");
    const future: TxnOperation = { kind: "range", ...c.all, revision: 1_000_000_000 };
    await failsWith(txn(put("a"), future), "FUTURE_REVISION");
    assert.deepEqual(await c.list(), []);
  });

  test("[KS-14] an abort before sending is definite and nothing happens (put)", async ({
    c,
    keyspace,
  }) => {
    const signal = AbortSignal.abort(new Error("no"));
    const request = { kind: "put" as const, key: c.key("a"), value: utf8("1") };
    await failsWith(keyspace.call(request, { signal }), "ABORTED");
    assert.deepEqual(await c.list(), []);
  });

  test("[KS-15] status tells revision, keys and alarms; a hash is that of a state (quiet)", async ({
    c,
    keyspace,
  }) => {
    const { revision } = await c.put("a", "1");
    const status = await keyspace.call({ kind: "status" });
    assert.equal(status.revision, revision);
    assert.ok(status.keys > 0 && status.bytes > 0);
    assert.deepEqual(status.alarms, []);
    const hash = (at: number): Promise<number> =>
      keyspace.call({ kind: "hash", revision: at }).then((answer) => answer.hash);
    const before = await hash(revision);
    await c.put("a", "2");
    assert.equal(await hash(revision), before);
    assert.notEqual(await hash(revision + 1), before);
  });
}
