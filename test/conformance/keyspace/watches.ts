/** What the Keyspace contract promises of leases, watches and compaction. */
import assert from "node:assert/strict";
import { utf8 } from "../../../src/base/bytes.ts";
import type { WatchBatch } from "../../../src/contract/keyspace.ts";
import type { Case } from "./corner.ts";
import { events, failsWith, shown } from "./corner.ts";

export function watchCases(test: Case): void {
  test("[KS-10] a lease takes its keys with it, in one revision (revoke)", async ({
    c,
    keyspace,
  }) => {
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

  test("[KS-10] a lease that is not there, is there already, or lasts too long (each)", async ({
    keyspace,
  }) => {
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

  test("[KS-10] a lease that is not renewed ends, and its keys with it (2 s)", async ({
    c,
    keyspace,
  }) => {
    const { id } = await keyspace.call({ kind: "leaseGrant", id: 0n, ttlMs: 1_000 });
    const { revision } = await c.put("a", "1", id);
    assert.deepEqual(await events(c, { startRevision: revision + 1 }, 1), ["delete a"]);
    assert.equal((await keyspace.call({ kind: "leaseTimeToLive", id })).ttlMs, -1);
  });

  test("[KS-11] a watch gives every change from its start, in order (past and live)", async ({
    c,
  }) => {
    const { revision } = await c.put("a", "1");
    await c.put("b", "2");
    await c.delete("a");
    const watching = events(c, { startRevision: revision }, 5);
    await c.put("c", "3");
    await c.put("d", "4");
    const all = ["put a=1", "put b=2", "delete a", "put c=3", "put d=4"];
    assert.deepEqual(await watching, all);
  });

  test("[KS-11] a watch from now begins after what was there (live)", async ({ c, keyspace }) => {
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

  test("[KS-11] one revision comes in one batch; a deletion has key and revision only (txn)", async ({
    c,
    keyspace,
  }) => {
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

  test("[KS-11] a watch leaves out what it was told to (puts, deletes)", async ({ c }) => {
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

  test("[KS-11] a watch from a future revision waits for it (live)", async ({ c, keyspace }) => {
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

  test("[KS-12] compaction: what is older is gone, for reads and watches (compact)", async ({
    c,
    keyspace,
  }) => {
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

  test("[KS-13] an aborted watch ends its loop, others go on (2 watches)", async ({
    c,
    keyspace,
  }) => {
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
}
