/** Watches against the list of all changes: nothing missed, nothing twice, whatever holds, compacts and comes late. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import { prng } from "../base/prng.ts";
import type { WatchBatch, WatchEvent, WatchRequest } from "../contract/keyspace.ts";
import type { KeyValue } from "../contract/requests.ts";
import { OPEN_END } from "../contract/requests.ts";
import { Base } from "./base.ts";
import type { Change, MetaChange } from "./effects.ts";
import { finish } from "./range.ts";
import type { WatchHandle, WatchSink } from "./watcher.ts";
import { WatchHub } from "./watch-hub.ts";

function commit(base: Base, changes: readonly Change[], meta: readonly MetaChange[] = []): void {
  const revision = changes.length === 0 ? 0 : base.revision + 1;
  const entry = { index: base.appliedIndex + 1, term: 1, time: base.time + 1 };
  base.apply({ ...entry, transactions: [{ revision, changes, meta }] }, 0);
}
function compact(base: Base, revision: number): void {
  commit(base, [], [{ kind: "compacted", revision }]);
}
const put = (key: string, value = ""): Change => ({
  kind: "put",
  key: key as Bytes,
  value: value as Bytes,
  lease: 0n,
});
const gone = (key: string): Change => ({ kind: "delete", key: key as Bytes });

/** A consumer that holds the watch when it is told to be slow. */
class Consumer implements WatchSink {
  readonly events: WatchEvent[] = [];
  readonly batches: WatchBatch[] = [];
  startedAt: number | undefined;
  failure: Failure | undefined;
  slow = false;
  handle: WatchHandle | undefined;

  started(revision: number): void {
    assert.equal(this.startedAt, undefined, "started once");
    this.startedAt = revision;
  }
  batch(batch: WatchBatch): boolean {
    assert.notEqual(this.startedAt, undefined, "started first");
    assert.equal(this.failure, undefined, "nothing after the end");
    this.batches.push(batch);
    this.events.push(...batch.events);
    return !this.slow;
  }
  ended(failure: Failure): void {
    assert.equal(this.failure, undefined, "ended once");
    this.failure = failure;
  }
}

function watching(
  hub: WatchHub,
  request: Partial<WatchRequest> & { readonly key: Bytes },
): Consumer {
  const consumer = new Consumer();
  consumer.handle = hub.open(request, consumer);
  return consumer;
}
function deliverAll(hub: WatchHub): void {
  for (let turns = 0; hub.deliver(); turns++) assert.ok(turns < 10_000, "delivery comes to an end");
}

function someChanges(random: Prng, base: Base): Change[] {
  const changes = new Map<Bytes, Change>();
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = `k${random.below(8)}` as Bytes;
    if (!random.chance(1, 3)) changes.set(at, put(at, `v${random.below(99)}`));
    else if (base.get(at) !== undefined) changes.set(at, gone(at));
  }
  return [...changes.values()];
}

interface Watched {
  readonly request: WatchRequest;
  readonly consumer: Consumer;
  readonly from: number;
}

function someRequest(random: Prng, base: Base): WatchRequest {
  const past = base.compactRevision + random.below(base.revision - base.compactRevision + 1);
  return {
    key: `k${random.below(8)}` as Bytes,
    end: random.pick([undefined, undefined, OPEN_END, "k9" as Bytes]),
    startRevision: random.pick([undefined, past, base.revision + 1 + random.below(5)]),
    without: random.pick([undefined, undefined, "put", "delete"] as const),
    prevKv: random.chance(1, 2),
    fragment: random.chance(1, 2),
  };
}

/** What the watch should have seen of revisions up to `until`. */
function expectedEvents(
  { request, from }: Watched,
  all: readonly WatchEvent[],
  until: number,
): WatchEvent[] {
  return all.filter(
    ({ kind, kv }) =>
      kv.modRevision >= from &&
      kv.modRevision <= until &&
      kind !== request.without &&
      (request.end === undefined
        ? kv.key === request.key
        : kv.key >= request.key && (request.end === OPEN_END || kv.key < request.end)),
  );
}

function checkBatches({ consumer, request }: Watched): void {
  let last = 0;
  let open = 0;
  for (const batch of consumer.batches) {
    assert.ok(batch.revision >= last, "batches ascend");
    const revisions = batch.events.map((event) => event.kv.modRevision);
    assert.deepEqual(
      revisions,
      revisions.toSorted((a, b) => a - b),
    );
    if (revisions.length > 0 && open === 0)
      assert.ok((revisions[0] as number) > last, "no revision is split");
    assert.ok(!batch.partial || request.fragment === true);
    open = batch.partial ? batch.revision : 0;
    last = batch.revision;
  }
}

function check(watched: Watched, all: readonly WatchEvent[], base: Base, drained: boolean): void {
  const { consumer, request } = watched;
  const stripped = consumer.events.map(({ kind, kv }) => ({ kind, kv }));
  const until =
    drained && consumer.failure === undefined
      ? base.revision
      : (consumer.events.at(-1)?.kv.modRevision ?? 0);
  const want = expectedEvents(watched, all, until);
  assert.deepEqual(
    stripped,
    want.map(({ kind, kv }) => ({ kind, kv })),
  );
  for (const [at, event] of consumer.events.entries()) {
    // The version before may be compacted, but what is shown must be it.
    if (event.prevKv === undefined) continue;
    assert.ok(request.prevKv);
    assert.deepEqual(event.prevKv, want[at]?.prevKv);
  }
  checkBatches(watched);
  if (consumer.failure === undefined) return;
  assert.equal(consumer.failure.code, "SLOW_CONSUMER");
  const resume = Number(consumer.failure.details?.["resumeRevision"]);
  const seen = expectedEvents(watched, all, resume - 1);
  assert.deepEqual(
    stripped,
    seen.map(({ kind, kv }) => ({ kind, kv })),
    "all before the resume revision was delivered",
  );
}

function history(base: Base, changes: readonly Change[], revision: number): WatchEvent[] {
  return changes.map((change) => {
    const before = base.get(change.key);
    const prevKv: KeyValue | undefined = before && { ...plainOf(before) };
    const { key } = change;
    if (change.kind === "delete") {
      const kv = {
        key,
        value: "" as Bytes,
        createRevision: 0,
        modRevision: revision,
        version: 0,
        lease: 0n,
      };
      return { kind: "delete", kv, prevKv };
    }
    const createRevision = before?.createRevision ?? revision;
    const version = (before?.version ?? 0) + 1;
    return {
      kind: "put",
      kv: { key, value: change.value, createRevision, modRevision: revision, version, lease: 0n },
      prevKv,
    };
  });
}
function plainOf({ key, value, createRevision, modRevision, version, lease }: KeyValue): KeyValue {
  return { key, value, createRevision, modRevision, version, lease };
}

test("[WATCH-1] [WATCH-2] [WATCH-5] every watch gets each change of its range once and in order, or ends saying from where to resume", () => {
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = prng(seed);
      const base = new Base();
      const hub = new WatchHub(base, () => {});
      const all: WatchEvent[] = [];
      const watches: Watched[] = [];
      for (let step = 0; step < 120; step++) {
        const changes = someChanges(random, base);
        if (changes.length > 0) {
          all.push(...history(base, changes, base.revision + 1));
          commit(base, changes);
        }
        if (random.chance(1, 8)) {
          const request = someRequest(random, base);
          const start = request.startRevision ?? 0;
          watches.push({
            request,
            from: start > 0 ? start : base.revision + 1,
            consumer: watching(hub, request),
          });
          // A start that is readable now may be compacted before the first delivery: let it start.
          hub.deliver();
        }
        const one = watches[random.below(watches.length)]?.consumer;
        if (one !== undefined && random.chance(1, 4)) {
          one.slow = !one.slow;
          if (!one.slow) one.handle?.resume();
        }
        if (random.chance(1, 12) && base.revision > base.compactRevision) {
          compact(
            base,
            base.compactRevision + 1 + random.below(base.revision - base.compactRevision),
          );
          if (random.chance(3, 4)) finish(base.compactWork());
        }
        if (random.chance(1, 2)) hub.deliver();
        for (const watched of watches) check(watched, all, base, false);
      }
      for (const { consumer } of watches) {
        consumer.slow = false;
        consumer.handle?.resume();
      }
      deliverAll(hub);
      for (const watched of watches) check(watched, all, base, true);
    }),
    { numRuns: 300 },
  );
});

test("[WATCH-2] a compaction between applying and delivering cannot hide a change from a watch that was up to date", () => {
  const base = new Base();
  const hub = new WatchHub(base, () => {});
  const exact = watching(hub, { key: "a" as Bytes });
  deliverAll(hub);
  commit(base, [put("a", "1")]);
  commit(base, [put("a", "2")]);
  commit(base, [put("b")]);
  compact(base, 4);
  const logical = watching(hub, { key: "a" as Bytes, startRevision: 2 });
  deliverAll(hub);
  assert.equal(
    exact.events.length,
    2,
    "a compaction that has removed nothing yet takes nothing from a watch",
  );
  assert.equal(logical.failure?.code, "COMPACTED");
  commit(base, [put("a", "3")]);
  commit(base, [put("b")]);
  compact(base, 6);
  finish(base.compactWork());
  deliverAll(hub);
  assert.equal(exact.failure?.code, "SLOW_CONSUMER");
  assert.equal(exact.failure?.details?.["resumeRevision"], 5);
});

test("[WATCH-3] a watch may start at the compacted revision itself, deletions included, and not before it", () => {
  const base = new Base();
  commit(base, [put("a"), put("b")]);
  commit(base, [put("b", "2"), gone("a")]);
  commit(base, [put("c")]);
  compact(base, 3);
  finish(base.compactWork());
  const hub = new WatchHub(base, () => {});
  const at = watching(hub, { key: "" as Bytes, end: OPEN_END, startRevision: 3, prevKv: true });
  const before = watching(hub, { key: "" as Bytes, end: OPEN_END, startRevision: 2 });
  deliverAll(hub);
  assert.deepEqual(
    at.events.map(({ kind, kv, prevKv }) => [kind, kv.key, prevKv]),
    [
      ["put", "b", undefined],
      ["delete", "a", undefined],
      ["put", "c", undefined],
    ],
  );
  assert.equal(before.failure?.code, "COMPACTED");
  assert.equal(before.failure?.details?.["compactRevision"], 3);
});

test("[WATCH-4] a revision larger than a batch comes whole, or in partial batches where that is allowed", () => {
  const base = new Base();
  const hub = new WatchHub(base, () => {});
  const whole = watching(hub, { key: "" as Bytes, end: OPEN_END });
  const parts = watching(hub, { key: "" as Bytes, end: OPEN_END, fragment: true });
  deliverAll(hub);
  const large = "x".repeat(1 << 20);
  commit(
    base,
    Array.from({ length: 5 }, (_, at) => put(`k${at}`, large)),
  );
  commit(base, [put("k9")]);
  deliverAll(hub);
  assert.deepEqual(
    whole.batches.map(({ revision, events }) => [revision, events.length]),
    [
      [2, 5],
      [3, 1],
    ],
  );
  assert.deepEqual(
    parts.batches.map(({ revision, events, partial }) => [revision, events.length, partial]),
    [
      [2, 2, true],
      [2, 2, true],
      [3, 2, false],
    ],
  );
});

test("[WATCH-5] a held watch keeps a position only and ends when compaction passes it, though nobody resumes it", () => {
  const base = new Base();
  const hub = new WatchHub(base, () => {});
  const consumer = watching(hub, { key: "a" as Bytes });
  deliverAll(hub);
  consumer.slow = true;
  for (let at = 0; at < 5; at++) {
    commit(base, [put("a", `${at}`)]);
    deliverAll(hub);
  }
  assert.equal(consumer.events.length, 1);
  compact(base, 5);
  finish(base.compactWork());
  deliverAll(hub);
  assert.equal(consumer.failure?.code, "SLOW_CONSUMER");
  assert.equal(consumer.failure?.details?.["resumeRevision"], 3);
  assert.equal(hub.count, 0);
});

test("[WATCH-6] progress comes once everything before it has been delivered, and only then", () => {
  const base = new Base();
  let wakes = 0;
  const hub = new WatchHub(base, () => void wakes++);
  const idle = watching(hub, { key: "a" as Bytes, progress: true });
  deliverAll(hub);
  commit(base, [put("b")]);
  hub.progressAll();
  assert.ok(wakes > 0);
  deliverAll(hub);
  assert.deepEqual(idle.batches, [{ revision: 2, events: [], partial: false }]);
  idle.slow = true;
  commit(base, [put("a")]);
  deliverAll(hub);
  commit(base, [put("a")]);
  idle.handle?.progress();
  deliverAll(hub);
  assert.equal(idle.batches.length, 2, "held: no progress past what is outstanding");
  idle.slow = false;
  idle.handle?.resume();
  deliverAll(hub);
  assert.deepEqual(
    idle.batches.slice(2).map(({ revision, events }) => [revision, events.length]),
    [
      [4, 1],
      [4, 0],
    ],
  );
});

test("[WATCH-7] a cancelled watch hears nothing more, also when another watch cancels it during a delivery", () => {
  const base = new Base();
  const hub = new WatchHub(base, () => {});
  const first = watching(hub, { key: "a" as Bytes });
  const second = watching(hub, { key: "a" as Bytes });
  deliverAll(hub);
  first.batch = (): boolean => {
    second.handle?.cancel();
    first.handle?.cancel();
    return true;
  };
  commit(base, [put("a")]);
  deliverAll(hub);
  assert.deepEqual([second.events.length, second.failure, hub.count], [0, undefined, 0]);
});

test("[WATCH-8] an empty range is refused at delivery, not when opened", () => {
  const hub = new WatchHub(new Base(), () => {});
  const consumer = watching(hub, { key: "b" as Bytes, end: "a" as Bytes });
  const heard = (): readonly unknown[] => [consumer.startedAt, consumer.failure?.code];
  assert.deepEqual(heard(), [undefined, undefined]);
  deliverAll(hub);
  assert.deepEqual(heard(), [undefined, "INVALID"]);
});

test("[WATCH-10] the same is given as the same object to those who ask for the same from the same place (four watches)", () => {
  const base = new Base();
  const hub = new WatchHub(base, () => {});
  const [one, two] = [1, 2].map(() => watching(hub, { key: "a" as Bytes }));
  const before = watching(hub, { key: "a" as Bytes, prevKv: true });
  const other = watching(hub, { key: "a" as Bytes, without: "put" });
  deliverAll(hub);
  for (const value of ["1", "2"]) {
    commit(base, [put("a", value)]);
    deliverAll(hub);
  }
  assert.equal(one?.batches.length, 2);
  for (const [at, batch] of one.batches.entries()) assert.equal(two?.batches[at], batch);
  assert.notEqual(before.batches[1], one.batches[1]);
  assert.equal(before.events[1]?.prevKv?.value, "1");
  assert.equal(other.events.length, 0);
  two?.handle?.cancel();
  const late = watching(hub, { key: "a" as Bytes, startRevision: 3 });
  commit(base, [gone("a")]);
  deliverAll(hub);
  assert.deepEqual(
    late.events.map(({ kind }) => kind),
    ["put", "delete"],
  );
  assert.deepEqual(
    one.events.map(({ kind }) => kind),
    ["put", "put", "delete"],
  );
});

test("[WATCH-11] many watches begin, and are taken out, in parts: a delivery does a part of it (5,000 watches)", () => {
  const base = new Base();
  const hub = new WatchHub(base, () => {});
  const total = 5_000;
  const all = Array.from({ length: total }, (_, at) =>
    at % 2 === 0
      ? watching(hub, { key: `k${at}` as Bytes })
      : watching(hub, { key: `k${at}` as Bytes, end: `k${at}0` as Bytes }),
  );
  const started = (): number => all.filter(({ startedAt }) => startedAt !== undefined).length;
  for (let before = 0; hub.deliver(); before = started())
    assert.ok(started() - before <= 600, `${started() - before} began at once`);
  assert.equal(started(), total);
  for (const { handle } of all) handle?.cancel();
  assert.equal(hub.count, 0);
  let deliveries = 1;
  commit(base, [put("k1")]);
  while (hub.deliver()) deliveries++;
  assert.ok(deliveries > 3, `${deliveries} deliveries`);
  // What is gone does not stand in the way of those who come.
  const late = watching(hub, { key: "k1" as Bytes });
  commit(base, [put("k1")]);
  deliverAll(hub);
  assert.deepEqual([late.events.length, hub.count], [1, 1]);
  assert.ok(all.every(({ events }) => events.length === 0));
});
