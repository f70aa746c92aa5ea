/** What the Keyspace contract promises, over any engine: the data, its revisions, leases and watches. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../../src/base/bytes.ts";
import { utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode, Outcome } from "../../../src/base/errors.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import type {
  Keyspace,
  WatchBatch,
  WatchEvent,
  WatchRequest,
} from "../../../src/contract/keyspace.ts";
import type { Compare, RangeRequest, TxnOperation } from "../../../src/contract/requests.ts";
import { OPEN_END } from "../../../src/contract/requests.ts";
import { prefixEnd } from "../../../src/mechanisms/selection/contention/layout.ts";
import type { Arm, OpenArm } from "../arms.ts";

/** Expects `promise` to fail with `code` and `outcome`, an object and a remedy. */
export async function failsWith(
  promise: Promise<unknown>,
  code: ErrorCode,
  outcome: Outcome = "definite",
): Promise<QuorateError> {
  const error: unknown = await promise.then(
    () => assert.fail(`it succeeded, ${code} was expected`),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof QuorateError, String(error));
  assert.deepEqual([error.code, error.outcome], [code, outcome], error.message);
  assert.notEqual(error.failure.object, "");
  assert.notEqual(error.failure.remedy, "");
  return error;
}

/** A corner of the keyspace that no other case uses. */
export class Corner {
  readonly keyspace: Keyspace;
  readonly prefix: Bytes;
  constructor(keyspace: Keyspace, name: string) {
    this.keyspace = keyspace;
    this.prefix = utf8(`conformance/${name}/`);
  }
  key(name: string): Bytes {
    return (this.prefix + utf8(name)) as Bytes;
  }
  get all(): { readonly key: Bytes; readonly end: Bytes } {
    return { key: this.prefix, end: prefixEnd(this.prefix) };
  }
  put(name: string, value: string, lease?: bigint): Promise<{ readonly revision: number }> {
    return this.keyspace.call({ kind: "put", key: this.key(name), value: utf8(value), lease });
  }
  delete(name: string): Promise<{ readonly revision: number; readonly deleted: number }> {
    return this.keyspace.call({ kind: "deleteRange", key: this.key(name) });
  }
  /** Names and values in the order of the answer. */
  async list(options: Partial<RangeRequest> = {}): Promise<readonly string[]> {
    const { kvs } = await this.keyspace.call({ kind: "range", ...this.all, ...options });
    return kvs.map((kv) => `${kv.key.slice(this.prefix.length)}=${kv.value}`);
  }
}

/** The first `count` events of a watch, as `put a=1` and `delete a`. */
async function events(
  corner: Corner,
  request: Partial<WatchRequest>,
  count: number,
): Promise<readonly string[]> {
  const seen: string[] = [];
  for await (const batch of corner.keyspace.watch({ ...corner.all, ...request })) {
    seen.push(...batch.events.map((event) => shown(corner, event)));
    if (seen.length >= count) break;
  }
  return seen;
}

function shown(corner: Corner, { kind, kv }: WatchEvent): string {
  const name = kv.key.slice(corner.prefix.length);
  return kind === "put" ? `put ${name}=${kv.value}` : `delete ${name}`;
}

export function keyspaceConformance(arm: Arm): void {
  describe(`keyspace over ${arm.name}`, { timeout: 240_000, skip: arm.skip ?? false }, () => {
    let open: OpenArm;
    let keyspace: Keyspace;
    let cornered = 0;
    const corner = (): Corner => new Corner(keyspace, `k${cornered++}`);
    // A watch does not keep the process alive.
    let alive: NodeJS.Timeout;
    before(async () => {
      alive = setInterval(() => {}, 1_000);
      open = await arm.open();
      keyspace = (await open.client("ann")).commitment.keyspace;
    });
    after(async () => {
      await open.close();
      clearInterval(alive);
    });

    test("[KS-1] a put sets create, mod and version; a delete resets them (one key)", async () => {
      const c = corner();
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

    test("[KS-1] what changes nothing takes no revision (delete of nothing, read)", async () => {
      const c = corner();
      const { revision } = await c.put("a", "1");
      assert.deepEqual(await c.delete("none"), { revision, deleted: 0, prevKvs: [] });
      const read = await keyspace.call({ kind: "txn", compare: [], success: [], failure: [] });
      assert.equal(read.revision, revision);
    });

    test("[KS-2] bytes of every value are kept (binary key and value)", async () => {
      const c = corner();
      const every = String.fromCharCode(...Array.from({ length: 256 }, (_, at) => at)) as Bytes;
      const key = (c.prefix + every) as Bytes;
      await keyspace.call({ kind: "put", key, value: every });
      const { kvs } = await keyspace.call({ kind: "range", key });
      assert.equal(kvs[0]?.key, key);
      assert.equal(kvs[0]?.value, every);
    });

    test("[KS-3] ranges: order, limit, count, keys only, filters (5 keys)", async () => {
      const c = corner();
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

    test("[KS-4] a past revision reads as it was; a future one is refused (3 revisions)", async () => {
      const c = corner();
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

    test("[KS-5] a range is deleted in one revision, with what was there (3 keys)", async () => {
      const c = corner();
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

    test("[KS-6] put: previous value, ignored value and lease, and what they need (one key)", async () => {
      const c = corner();
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

    test("[KS-7] compares: every target, result and the absent key (one key)", async () => {
      const c = corner();
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

    test("[KS-8] a transaction is one revision; nested ones compare what was before (nesting)", async () => {
      const c = corner();
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

    test("[KS-9] a transaction that is refused changes nothing (each reason)", async () => {
      const c = corner();
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

    test("[KS-10] a lease takes its keys with it, in one revision (revoke)", async () => {
      const c = corner();
      const granted = await keyspace.call({ kind: "leaseGrant", id: 0n, ttlMs: 30_000 });
      assert.ok(granted.id > 0n && granted.ttlMs >= 30_000);
      await c.put("a", "1", granted.id);
      const { revision } = await c.put("b", "1", granted.id);
      const left = await keyspace.call({ kind: "leaseTimeToLive", id: granted.id, keys: true });
      assert.deepEqual([...left.keys].sort(), [c.key("a"), c.key("b")]);
      assert.ok(left.ttlMs > 20_000 && left.ttlMs <= granted.ttlMs, `${left.ttlMs} ms left`);
      assert.equal(left.grantedTtlMs, granted.ttlMs);
      assert.ok((await keyspace.call({ kind: "leases" })).ids.includes(granted.id));
      const kept = await keyspace.call({ kind: "leaseKeepAlive", id: granted.id });
      assert.equal(kept.ttlMs, granted.ttlMs);
      assert.equal(
        (await keyspace.call({ kind: "leaseRevoke", id: granted.id })).revision,
        revision + 1,
      );
      assert.deepEqual(await c.list(), []);
      assert.ok(!(await keyspace.call({ kind: "leases" })).ids.includes(granted.id));
    });

    test("[KS-10] a lease that is not there, is there already, or lasts too long (each)", async () => {
      const id = 4_242_424_242n;
      await keyspace.call({ kind: "leaseGrant", id, ttlMs: 30_000 });
      await failsWith(keyspace.call({ kind: "leaseGrant", id, ttlMs: 30_000 }), "LEASE_EXISTS");
      await failsWith(keyspace.call({ kind: "leaseRevoke", id: 12_345n }), "LEASE_NOT_FOUND");
      assert.equal((await keyspace.call({ kind: "leaseKeepAlive", id: 12_345n })).ttlMs, 0);
      assert.equal((await keyspace.call({ kind: "leaseTimeToLive", id: 12_345n })).ttlMs, -1);
      await failsWith(keyspace.call({ kind: "leaseGrant", id: 0n, ttlMs: 9.1e12 }), "LEASE_TTL");
      const negative = await keyspace.call({ kind: "leaseGrant", id: -7n, ttlMs: 30_000 });
      assert.equal(negative.id, -7n, "ids are signed");
      for (const each of [id, -7n]) await keyspace.call({ kind: "leaseRevoke", id: each });
    });

    test("[KS-10] a lease that is not renewed ends, and its keys with it (2 s)", async () => {
      const c = corner();
      const { id } = await keyspace.call({ kind: "leaseGrant", id: 0n, ttlMs: 1_000 });
      const { revision } = await c.put("a", "1", id);
      assert.deepEqual(await events(c, { startRevision: revision + 1 }, 1), ["delete a"]);
      assert.equal((await keyspace.call({ kind: "leaseTimeToLive", id })).ttlMs, -1);
    });

    test("[KS-11] a watch gives every change from its start, in order (past and live)", async () => {
      const c = corner();
      const { revision } = await c.put("a", "1");
      await c.put("b", "2");
      await c.delete("a");
      const watching = events(c, { startRevision: revision }, 5);
      await c.put("c", "3");
      await c.put("d", "4");
      const all = ["put a=1", "put b=2", "delete a", "put c=3", "put d=4"];
      assert.deepEqual(await watching, all);
    });

    test("[KS-11] a watch from now begins after what was there (live)", async () => {
      const c = corner();
      await c.put("a", "1");
      const watch = keyspace.watch(c.all);
      const stands = await watch.ready;
      const { revision } = await c.put("a", "2");
      assert.ok(stands < revision);
      for await (const batch of watch) {
        if (batch.events.length === 0) continue;
        assert.deepEqual(
          batch.events.map((event) => shown(c, event)),
          ["put a=2"],
        );
        assert.equal(batch.revision, revision);
        break;
      }
    });

    test("[KS-11] one revision comes in one batch; a deletion has key and revision only (txn)", async () => {
      const c = corner();
      const { revision } = await c.put("a", "1");
      await keyspace.call({
        kind: "txn",
        compare: [],
        success: [
          { kind: "put", key: c.key("b"), value: utf8("2") },
          { kind: "deleteRange", key: c.key("a") },
        ],
        failure: [],
      });
      let seen: WatchBatch | undefined;
      for await (const batch of keyspace.watch({
        ...c.all,
        startRevision: revision + 1,
        prevKv: true,
      })) {
        seen = batch;
        if (batch.events.length > 0) break;
      }
      assert.equal(seen?.events.length, 2);
      const gone = seen?.events.find((event) => event.kind === "delete");
      assert.deepEqual(gone?.kv, {
        key: c.key("a"),
        value: "",
        createRevision: 0,
        modRevision: revision + 1,
        version: 0,
        lease: 0n,
      });
      assert.equal(gone?.prevKv?.value, "1");
      const made = seen?.events.find((event) => event.kind === "put");
      assert.equal(made?.prevKv, undefined, "a key that is new has no previous value");
    });

    test("[KS-11] a watch leaves out what it was told to (puts, deletes)", async () => {
      const c = corner();
      const { revision: startRevision } = await c.put("a", "1");
      await c.delete("a");
      await c.put("b", "2");
      await c.delete("b");
      assert.deepEqual(await events(c, { startRevision, without: "delete" }, 2), [
        "put a=1",
        "put b=2",
      ]);
      assert.deepEqual(await events(c, { startRevision, without: "put" }, 2), [
        "delete a",
        "delete b",
      ]);
    });

    test("[KS-11] a watch from a future revision waits for it (live)", async () => {
      const c = corner();
      const { revision } = await c.put("a", "1");
      const watch = keyspace.watch({ ...c.all, startRevision: revision + 2 });
      await watch.ready;
      await c.put("a", "2");
      await c.put("a", "3");
      for await (const batch of watch) {
        if (batch.events.length === 0) continue;
        assert.deepEqual(
          batch.events.map((event) => shown(c, event)),
          ["put a=3"],
        );
        break;
      }
    });

    test("[KS-12] compaction: what is older is gone, for reads and watches (compact)", async () => {
      const c = corner();
      const first = await c.put("a", "1");
      await c.put("a", "2");
      const { revision } = await c.put("b", "3");
      await keyspace.call({ kind: "compact", revision, physical: true });
      await failsWith(
        keyspace.call({ kind: "range", ...c.all, revision: first.revision }),
        "COMPACTED",
      );
      assert.deepEqual(await c.list({ revision }), ["a=2", "b=3"], "the boundary can be read");
      await failsWith(keyspace.call({ kind: "compact", revision }), "COMPACTED");
      await failsWith(
        keyspace.call({ kind: "compact", revision: revision + 1_000_000 }),
        "FUTURE_REVISION",
      );
      const error = await failsWith(events(c, { startRevision: first.revision }, 1), "COMPACTED");
      assert.equal(error.failure.details?.["compactRevision"], revision);
    });

    test("[KS-13] an aborted watch ends its loop, others go on (2 watches)", async () => {
      const c = corner();
      const stop = new AbortController();
      const ended = (async (): Promise<string> => {
        for await (const batch of keyspace.watch(c.all, { signal: stop.signal }))
          assert.equal(batch.events.length, 0);
        return "ended";
      })();
      const other = keyspace.watch(c.all);
      await other.ready;
      stop.abort();
      assert.equal(await ended, "ended");
      await c.put("a", "1");
      for await (const batch of other) if (batch.events.length > 0) break;
    });

    test("[KS-14] an abort before sending is definite and nothing happens (put)", async () => {
      const c = corner();
      const signal = AbortSignal.abort(new Error("no"));
      const request = { kind: "put" as const, key: c.key("a"), value: utf8("1") };
      await failsWith(keyspace.call(request, { signal }), "ABORTED");
      assert.deepEqual(await c.list(), []);
    });

    test("[KS-15] status tells revision, keys and alarms; a hash is that of a state (quiet)", async () => {
      const c = corner();
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
  });
}
