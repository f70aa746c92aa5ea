/** Snapshots: what is imported is what was exported, history included, whatever happened meanwhile. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "../../base/bytes.ts";
import { Malformed } from "../../base/codec.ts";
import type { Prng } from "../../base/prng.ts";
import { prng } from "../../base/prng.ts";
import type { KeyValue } from "../../contract/requests.ts";
import { OPEN_END } from "../../contract/requests.ts";
import { userHash } from "../auth/show.ts";
import { Base } from "../base.ts";
import type { Change, Entry, MetaChange } from "../effects.ts";
import { finish } from "../range.ts";
import { exportWork } from "./export.ts";
import { Importer } from "./import.ts";
import { plain } from "../versions.ts";
import { WatchHub } from "../watch-hub.ts";

function entryOf(base: Base, changes: readonly Change[], meta: readonly MetaChange[] = []): Entry {
  const revision = changes.length === 0 ? 0 : base.revision + 1;
  return {
    index: base.appliedIndex + 1,
    term: 1,
    // Some of them more than a second apart: those are instants by which history is trimmed.
    time: base.time + (base.appliedIndex % 5 === 0 ? 1_500 : 0.25),
    transactions: [{ revision, changes, meta }],
  };
}

function someUsers(random: Prng, base: Base): readonly MetaChange[] {
  const name = random.pick(["ann", "Zo\u00eb"]);
  const revision = base.users.state.revision + 1;
  const user = { name, roles: ["r"], since: revision };
  const permissions = [{ access: "read", key: "k1" as Bytes, end: OPEN_END }] as const;
  const records: readonly MetaChange[] = [
    { kind: "userSet", user: random.chance(1, 2) ? user : { ...user, password: "hash" } },
    { kind: "userGone", name },
    { kind: "roleSet", role: { name, permissions } },
    { kind: "roleGone", name },
  ];
  return [random.pick(records), { kind: "authSet", enabled: random.chance(1, 2), revision }];
}

/** An entry of everything that state can consist of. */
function someEntry(random: Prng, base: Base): Entry {
  const changes = new Map<Bytes, Change>();
  const leases = finish(base.leaseIds()).ids;
  for (let left = random.below(4); left > 0; left--) {
    const key = `k${random.below(20)}` as Bytes;
    const lease = leases.length > 0 && random.chance(1, 3) ? random.pick(leases) : 0n;
    if (!random.chance(1, 3))
      changes.set(key, { kind: "put", key, value: `v${random.below(99)}` as Bytes, lease });
    else if (base.get(key) !== undefined) changes.set(key, { kind: "delete", key });
  }
  const meta: MetaChange[] = [];
  const id = BigInt(random.below(5)) - 2n;
  if (random.chance(1, 6)) {
    if (base.leases.get(id) === undefined)
      meta.push({ kind: "leaseGranted", id, ttlMs: 1_000 + random.below(9) });
    else meta.push({ kind: "leaseFenced", id });
  }
  if (random.chance(1, 6)) {
    if (base.callers.get(id) === undefined)
      meta.push(
        random.chance(1, 2)
          ? { kind: "callerOpened", id }
          : { kind: "callerOwned", id, owner: "ann" },
      );
    else {
      const sequence = 1 + random.below(30);
      const reply = { ok: true, response: { revision: base.revision } } as const;
      meta.push({
        kind: "replied",
        id,
        sequence,
        firstUnacked: random.below(sequence),
        request: "put",
        reply,
      });
    }
  }
  if (random.chance(1, 12))
    meta.push({ kind: "alarmed", alarm: "NOSPACE", on: random.chance(1, 2) });
  if (random.chance(1, 12) && base.revision > base.compactRevision) {
    meta.push({
      kind: "compacted",
      revision: base.compactRevision + 1 + random.below(base.revision - base.compactRevision),
    });
  }
  if (random.chance(1, 8)) meta.push(...someUsers(random, base));
  return entryOf(base, [...changes.values()], meta);
}

function statesOf(base: Base): unknown {
  const states: unknown[] = [];
  for (let revision = Math.max(1, base.compactRevision); revision <= base.revision; revision++) {
    const work = base.range({ kind: "range", key: "" as Bytes, end: OPEN_END, revision });
    assert.ok(!("code" in work));
    states.push(finish(work).kvs);
  }
  return states;
}

function watched(base: Base): readonly KeyValue[] {
  const seen: KeyValue[] = [];
  const hub = new WatchHub(base, () => {});
  hub.open(
    {
      key: "" as Bytes,
      end: OPEN_END,
      startRevision: Math.max(1, base.compactRevision),
      prevKv: true,
    },
    {
      started: () => {},
      batch: (batch) => {
        for (const { kv, prevKv } of batch.events)
          seen.push(kv, ...(prevKv === undefined ? [] : [prevKv]));
        return true;
      },
      ended: (failure) => assert.fail(failure.what),
    },
  );
  while (hub.deliver());
  return seen;
}

/** All that can be observed of a base. */
function observed(base: Base): unknown {
  return {
    meta: [
      base.revision,
      base.compactRevision,
      base.appliedIndex,
      base.term,
      base.time,
      [...base.alarms],
      [...base.timeline.instants],
    ],
    states: statesOf(base),
    watched: watched(base),
    live: base.versions.liveKeys,
    leases: finish(base.leaseIds()).ids.map((id) => {
      const lease = base.leases.get(id);
      return [id, lease?.ttlMs, lease?.fenced, finish(base.leaseTimeToLive(id, true, 0)).keys];
    }),
    auth: [base.users.state, userHash(base.users), base.users.bytes],
    callers: [...base.callers.all()].map((caller) => ({
      ...caller,
      replies: [...caller.replies.entries()],
    })),
  };
}

function imported(records: readonly Uint8Array[]): Base {
  const importer = new Importer();
  for (const record of records) importer.add(record);
  return importer.take();
}

test("[SNAP-1] [SNAP-2] [SNAP-3] importing gives the state of the moment the export began, though writes and compactions went on, and both live on alike", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const base = new Base();
      const act = (): void => {
        base.apply(someEntry(random, base), 0);
        if (random.chance(1, 10)) finish(base.compactWork());
      };
      for (let step = random.below(80); step > 0; step--) act();
      const before = observed(base);
      const records: Uint8Array[] = [];
      for (const record of exportWork(base)) {
        records.push(record);
        for (let step = random.below(4); step > 0; step--) act();
      }
      const copy = imported(records);
      assert.deepEqual(observed(copy), before);
      const again = imported(records);
      for (let step = 0; step < 30; step++) {
        const entry = someEntry(random, copy);
        copy.apply(entry, 0);
        again.apply(entry, 0);
        if (random.chance(1, 5)) finish(again.compactWork());
      }
      assert.deepEqual(observed(again), observed(copy));
      const second = imported([...exportWork(again)]);
      assert.deepEqual(observed(second), observed(copy));
    }),
    { numRuns: 200 },
  );
});

function large(): Base {
  const base = new Base();
  for (let at = 0; at < 40; at++) {
    const changes = Array.from({ length: 100 }, (_, key): Change => {
      return {
        kind: "put",
        key: `${at}/${key}` as Bytes,
        value: "x".repeat(200) as Bytes,
        lease: 0n,
      };
    });
    base.apply(entryOf(base, changes), 0);
  }
  return base;
}

test("[SNAP-4] a large state comes in many records of bounded size, and keys written meanwhile stay out", () => {
  const base = large();
  const before = observed(base);
  const records: Uint8Array[] = [];
  for (const record of exportWork(base)) {
    records.push(record);
    const key = `${records.length % 2 === 0 ? "0" : "z"}${records.length}` as Bytes;
    base.apply(entryOf(base, [{ kind: "put", key, value: "new" as Bytes, lease: 0n }]), 0);
  }
  assert.ok(records.length > 8);
  assert.ok(records.every((record) => record.length <= 256 << 10));
  assert.deepEqual(observed(imported(records)), before);
});

test("[SNAP-5] a snapshot without its end, with a record missing, doubled or swapped, is refused", () => {
  const records = [...exportWork(large())];
  const attempt = (some: readonly Uint8Array[]): void =>
    assert.throws(() => imported(some), Malformed);
  for (let at = 0; at < records.length - 1; at++) attempt(records.slice(0, at + 1));
  attempt(records.slice(1));
  attempt([...records, records[0] as Uint8Array]);
  attempt([records[0] as Uint8Array, ...records]);
  attempt(records.toReversed());
  attempt(records.toSpliced(1, 0, records[1] as Uint8Array));
});

test("[SNAP-6] flipped bytes are refused as malformed or give some state, never another error", () => {
  const random = prng(11);
  const base = new Base();
  for (let step = 0; step < 60; step++) base.apply(someEntry(random, base), 0);
  const records = [...exportWork(base)];
  for (let run = 0; run < 3_000; run++) {
    const copy = records.map((record) => record.slice());
    const record = random.pick(copy);
    record[random.below(record.length)] = random.below(256);
    try {
      observed(imported(copy));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
    }
  }
});

test("[SNAP-7] an empty base survives the round trip, and a key deleted before the compacted revision leaves no trace", () => {
  assert.deepEqual(observed(imported([...exportWork(new Base())])), observed(new Base()));
  const base = new Base();
  base.apply(entryOf(base, [{ kind: "put", key: "a" as Bytes, value: "" as Bytes, lease: 0n }]), 0);
  base.apply(entryOf(base, [{ kind: "delete", key: "a" as Bytes }]), 0);
  base.apply(entryOf(base, [{ kind: "put", key: "b" as Bytes, value: "" as Bytes, lease: 0n }]), 0);
  base.apply(entryOf(base, [], [{ kind: "compacted", revision: 4 }]), 0);
  const copy = imported([...exportWork(base)]);
  const entries: KeyValue[] = [];
  copy.versions.scan("" as Bytes, undefined, (entry) => entries.push(plain(entry.newest)) > 0);
  assert.deepEqual(
    entries.map((kv) => kv.key),
    ["b"],
  );
});
