/** Committed state against a list of all that ever happened: ranges at every revision, compaction, pins, hashes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "../base/bytes.ts";
import type { Prng } from "../base/prng.ts";
import { prng } from "../base/prng.ts";
import type { HashResponse, KeyValue, RangeRequest, RangeResponse } from "../contract/requests.ts";
import { OPEN_END } from "../contract/requests.ts";
import { Base } from "./base.ts";
import type { Change, MetaChange } from "./effects.ts";
import { finish } from "./range.ts";

function commit(base: Base, changes: readonly Change[], meta: readonly MetaChange[] = []): void {
  const revision = changes.length === 0 ? 0 : base.revision + 1;
  const entry = { index: base.appliedIndex + 1, term: 1, time: base.time + 1 };
  base.apply({ ...entry, transactions: [{ revision, changes, meta }] }, 0);
}

/** Every state there ever was, by revision. */
class Model {
  readonly states: Map<Bytes, KeyValue>[] = [new Map(), new Map()];

  apply(changes: readonly Change[]): void {
    const revision = this.states.length;
    const state = new Map(this.states.at(-1));
    for (const change of changes) {
      if (change.kind === "delete") {
        state.delete(change.key);
        continue;
      }
      const { key, value, lease } = change;
      const before = state.get(key);
      const createRevision = before?.createRevision ?? revision;
      state.set(key, {
        key,
        value,
        createRevision,
        modRevision: revision,
        version: (before?.version ?? 0) + 1,
        lease,
      });
    }
    this.states.push(state);
  }

  range(request: RangeRequest): RangeResponse {
    const now = this.states.length - 1;
    const at = request.revision !== undefined && request.revision > 0 ? request.revision : now;
    const within = (key: Bytes): boolean =>
      request.end === undefined
        ? key === request.key
        : key >= request.key && (request.end === OPEN_END || key < request.end);
    const all = [...(this.states[at] as Map<Bytes, KeyValue>).values()].filter((kv) =>
      within(kv.key),
    );
    all.sort((a, b) => (a.key < b.key ? -1 : 1));
    const passes = (kv: KeyValue): boolean =>
      kv.modRevision >= (request.minModRevision ?? 0) &&
      kv.modRevision <= (request.maxModRevision || Infinity) &&
      kv.createRevision >= (request.minCreateRevision ?? 0) &&
      kv.createRevision <= (request.maxCreateRevision || Infinity);
    let kvs = request.countOnly === true ? [] : all.filter(passes);
    const sign = request.sort?.order === "descend" ? -1 : 1;
    const by = {
      key: "key",
      value: "value",
      version: "version",
      create: "createRevision",
      mod: "modRevision",
    } as const;
    const field = by[request.sort?.target ?? "key"];
    kvs.sort((a, b) => (a[field] < b[field] ? -sign : a[field] > b[field] ? sign : 0));
    const more = (request.limit ?? 0) > 0 && kvs.length > (request.limit ?? 0);
    if (more) kvs = kvs.slice(0, request.limit);
    if (request.keysOnly === true) kvs = kvs.map((kv) => ({ ...kv, value: "" as Bytes }));
    return { revision: now, kvs, more, count: all.length };
  }
}

const key = (random: Prng): Bytes => `k${random.below(12)}` as Bytes;

function someChanges(random: Prng, base: Base): Change[] {
  const changes = new Map<Bytes, Change>();
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = key(random);
    if (random.chance(1, 3)) {
      if (base.get(at) !== undefined) changes.set(at, { kind: "delete", key: at });
    } else {
      changes.set(at, { kind: "put", key: at, value: `v${random.below(9)}` as Bytes, lease: 0n });
    }
  }
  return [...changes.values()];
}

function someRange(random: Prng, oldest: number, newest: number): RangeRequest {
  const maybe = <T>(make: () => T): T | undefined => (random.chance(1, 3) ? make() : undefined);
  const revision = (): number => random.below(newest + 2);
  return {
    kind: "range",
    key: random.chance(1, 4) ? ("" as Bytes) : key(random),
    end: random.pick([undefined, OPEN_END, key(random), "l" as Bytes]),
    revision: maybe(() => (oldest === 0 ? 1 : oldest) + random.below(newest - oldest)),
    limit: maybe(() => random.below(6)),
    sort: maybe(() => ({
      target: random.pick(["key", "version", "create", "mod", "value"] as const),
      order: random.pick(["none", "ascend", "descend"] as const),
    })),
    keysOnly: maybe(() => true),
    countOnly: random.chance(1, 8) ? true : undefined,
    minModRevision: maybe(revision),
    maxModRevision: maybe(revision),
    minCreateRevision: maybe(revision),
    maxCreateRevision: maybe(revision),
  };
}

function ranged(base: Base, request: RangeRequest): RangeResponse {
  const work = base.range(request);
  assert.ok(!("code" in work), JSON.stringify(work));
  return finish(work);
}

function hashed(base: Base, revision?: number): HashResponse {
  const work = base.hash(revision);
  assert.ok(!("code" in work), JSON.stringify(work));
  return finish(work);
}

test("[BASE-1] [BASE-2] every range of every readable revision answers as the list of all states does, whatever was compacted", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const base = new Base();
      const model = new Model();
      for (let step = 0; step < 60; step++) {
        const changes = someChanges(random, base);
        if (changes.length > 0) {
          commit(base, changes);
          model.apply(changes);
        }
        if (base.revision > base.compactRevision + 1 && random.chance(1, 12)) {
          const revision =
            base.compactRevision + 1 + random.below(base.revision - base.compactRevision);
          commit(base, [], [{ kind: "compacted", revision }]);
          // Half of the time the versions physically stay, as they do while something has them pinned.
          if (random.chance(1, 2)) finish(base.compactWork());
        }
        const request = someRange(random, base.compactRevision, base.revision);
        assert.deepEqual(ranged(base, request), model.range(request), JSON.stringify(request));
        assert.equal(base.versions.liveKeys, model.states.at(-1)?.size);
      }
    }),
    { numRuns: 300 },
  );
});

test("[BASE-3] compacting everything leaves one version a live key and nothing else", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const base = new Base();
      const live = new Map<Bytes, Bytes>();
      for (let step = 0; step < 50; step++) {
        const changes = someChanges(random, base);
        if (changes.length > 0) commit(base, changes);
        for (const change of changes) {
          if (change.kind === "put") live.set(change.key, change.value);
          else live.delete(change.key);
        }
      }
      commit(base, [], [{ kind: "compacted", revision: base.revision }]);
      finish(base.compactWork());
      const fresh = new Base();
      for (const [at, value] of live) commit(fresh, [{ kind: "put", key: at, value, lease: 0n }]);
      assert.equal(base.versions.bytes, fresh.versions.bytes);
      assert.equal(base.versions.historyBytes, 0);
      let entries = 0;
      base.versions.scan("" as Bytes, undefined, (entry) => {
        entries++;
        return entry.newest.older === undefined;
      });
      assert.equal(entries, live.size);
    }),
    { numRuns: 100 },
  );
});

test("[BASE-4] a compacted revision fails at once with the oldest readable one; that one is readable; a future one fails", () => {
  const base = new Base();
  for (let at = 0; at < 5; at++)
    commit(base, [{ kind: "put", key: "a" as Bytes, value: `${at}` as Bytes, lease: 0n }]);
  commit(base, [], [{ kind: "compacted", revision: 4 }]);
  const at = (revision: number): ReturnType<Base["range"]> =>
    base.range({ kind: "range", key: "a" as Bytes, revision });
  const compacted = at(3);
  assert.ok(
    "code" in compacted &&
      compacted.code === "COMPACTED" &&
      compacted.details?.["compactRevision"] === 4,
  );
  const future = at(7);
  assert.ok(
    "code" in future && future.code === "FUTURE_REVISION" && future.details?.["revision"] === 6,
  );
  finish(base.compactWork());
  assert.equal(ranged(base, { kind: "range", key: "a" as Bytes, revision: 4 }).kvs[0]?.value, "2");
  const hash = base.hash(3);
  assert.ok("code" in hash && hash.code === "COMPACTED");
});

test("[BASE-5] a long range answers from its revision though writes and a compaction come between its steps", () => {
  const base = new Base();
  const keys = Array.from({ length: 2_000 }, (_, at) => `k${String(at).padStart(5, "0")}` as Bytes);
  const put = (value: string): void =>
    commit(
      base,
      keys.map((at) => ({ kind: "put", key: at, value: value as Bytes, lease: 0n })),
    );
  put("old");
  const work = base.range({ kind: "range", key: "" as Bytes, end: OPEN_END });
  assert.ok(!("code" in work));
  let steps = 0;
  for (;;) {
    const step = work.next();
    if (step.done === true) {
      assert.equal(step.value.count, 2_000);
      assert.ok(step.value.kvs.every((kv) => kv.value === "old"));
      break;
    }
    steps++;
    if (steps === 1)
      commit(
        base,
        keys.slice(1_000).map((at) => ({ kind: "delete", key: at })),
      );
    else put("new");
    commit(base, [], [{ kind: "compacted", revision: base.revision }]);
    finish(base.compactWork());
  }
  assert.ok(steps >= 3, `a range of 2,000 keys must come in steps, came in ${steps}`);
  finish(base.compactWork());
  assert.equal(base.versions.historyBytes, 0, "what the range had pinned is released");
});

test("[BASE-6] the hash of a revision depends on what can be read there, not on the past nor on compaction", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const [kept, compacted] = [new Base(), new Base()];
      for (let step = 0; step < 30; step++) {
        const changes = someChanges(random, kept);
        if (changes.length === 0) continue;
        commit(kept, changes);
        commit(compacted, changes);
        if (!random.chance(1, 5)) continue;
        commit(
          compacted,
          [],
          [{ kind: "compacted", revision: compacted.revision - random.below(2) }],
        );
        if (random.chance(1, 2)) finish(compacted.compactWork());
      }
      for (
        let revision = Math.max(1, compacted.compactRevision);
        revision <= kept.revision;
        revision++
      ) {
        assert.equal(hashed(compacted, revision).hash, hashed(kept, revision).hash);
      }
      const before = hashed(kept).hash;
      commit(kept, [{ kind: "put", key: "k1" as Bytes, value: "changed" as Bytes, lease: 0n }]);
      assert.notEqual(hashed(kept).hash, before);
    }),
    { numRuns: 60 },
  );
});

test("[BASE-7] history is trimmed by age in keyspace time, and halved when it is too large, but never while a pin holds compacted versions", () => {
  const base = new Base();
  const put = (time: number): void =>
    base.apply(
      {
        index: base.appliedIndex + 1,
        term: 1,
        time,
        transactions: [
          {
            revision: base.revision + 1,
            changes: [{ kind: "put", key: "a" as Bytes, value: "v" as Bytes, lease: 0n }],
            meta: [],
          },
        ],
      },
      0,
    );
  for (let second = 0; second < 100; second++) put(second * 1_000);
  assert.equal(base.trimTarget(1_000_000, 1e9), undefined);
  const byAge = base.trimTarget(10_000, 1e9) ?? 0;
  assert.ok(
    byAge >= 88 && byAge <= 91,
    `ten seconds of a write a second end near revision 90, not at ${byAge}`,
  );
  commit(base, [], [{ kind: "compacted", revision: byAge }]);
  const release = base.pin(5);
  finish(base.compactWork());
  assert.equal(base.trimTarget(1e9, 1), undefined);
  release();
  finish(base.compactWork());
  const halved = base.trimTarget(1e9, 1) ?? 0;
  assert.ok(halved > byAge && halved < base.revision, `${halved}`);
});

test("[BASE-8] an entry out of order is a bug that stops the replica, not a state", () => {
  const base = new Base();
  commit(base, [{ kind: "put", key: "a" as Bytes, value: "" as Bytes, lease: 0n }]);
  const transactions: [] = [];
  assert.throws(() => base.apply({ index: 3, term: 1, time: 9, transactions }, 0));
  assert.throws(() => base.apply({ index: 2, term: 0, time: 9, transactions }, 0));
  assert.throws(() => base.apply({ index: 2, term: 1, time: 0, transactions }, 0));
  assert.throws(() => commit(base, [{ kind: "delete", key: "absent" as Bytes }]));
});
