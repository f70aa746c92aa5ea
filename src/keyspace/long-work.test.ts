/**
 * Long work is cut by what it does: each test counts what one step gets done, whatever the state looks like. How long a
 * step takes is the machine's; `npm run bench -- keys` measures that.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../base/bytes.ts";
import type { WatchRequest } from "../contract/keyspace.ts";
import type { RangeRequest, RangeResponse } from "../contract/requests.ts";
import { OPEN_END } from "../contract/requests.ts";
import { Base } from "./base.ts";
import type { Change, MetaChange } from "./effects.ts";
import { finish } from "./range.ts";
import { exportWork } from "./snapshot/export.ts";
import { Importer } from "./snapshot/import.ts";
import { WatchHub } from "./watch-hub.ts";

const KEYS = 20_000;
const PAGE = 5_000;

function commit(base: Base, changes: readonly Change[], meta: readonly MetaChange[] = []): void {
  const revision = changes.length === 0 ? 0 : base.revision + 1;
  const entry = { index: base.appliedIndex + 1, term: 1, time: base.time + 1 };
  base.apply({ ...entry, transactions: [{ revision, changes, meta }] }, 0);
}

function keyOf(number: number): Bytes {
  return `k/${String(number).padStart(6, "0")}` as Bytes;
}

function change(base: Base, changeOf: (key: Bytes) => Change): void {
  for (let at = 0; at < KEYS; at += PAGE)
    commit(
      base,
      Array.from({ length: PAGE }, (_, key) => changeOf(keyOf(at + key))),
    );
}

function put(base: Base): void {
  change(base, (key) => ({ kind: "put", key, value: "v" as Bytes, lease: 0n }));
}

/** Every key was put and deleted; `then` one is there again. Compacted, but held back by what was pinned before. */
function deletedAndPinned(): { readonly base: Base; readonly release: () => void } {
  const base = new Base();
  put(base);
  const release = base.pin(base.revision);
  change(base, (key) => ({ kind: "delete", key }));
  commit(base, [{ kind: "put", key: keyOf(KEYS - 1), value: "again" as Bytes, lease: 0n }]);
  commit(base, [], [{ kind: "compacted", revision: base.revision }]);
  finish(base.compactWork());
  return { base, release };
}

/** Every key was put and deleted, all but the last one in the newest revision but one. */
function deleted(): Base {
  const base = new Base();
  put(base);
  change(base, (key) => ({ kind: "delete", key }));
  commit(base, [{ kind: "put", key: keyOf(KEYS - 1), value: "again" as Bytes, lease: 0n }]);
  return base;
}

/** A key with a great many versions. */
function hotKey(): Base {
  const base = new Base();
  for (let at = 0; at < KEYS; at++)
    commit(base, [{ kind: "put", key: "hot" as Bytes, value: `${at}` as Bytes, lease: 0n }]);
  return base;
}

function stepsOf(work: Generator<unknown, unknown>): number {
  let steps = 1;
  while (work.next().done !== true) steps++;
  return steps;
}

test("[STEP-1] a step of compaction forgets at most 256 changes", () => {
  const base = new Base();
  put(base);
  change(base, (key) => ({ kind: "delete", key }));
  commit(base, [], [{ kind: "compacted", revision: base.revision }]);
  const work = base.compactWork();
  for (let before = base.versions.historyLength; work.next().done !== true;) {
    const { historyLength } = base.versions;
    assert.ok(before - historyLength <= 256, `${before - historyLength} changes in one step`);
    before = historyLength;
  }
  assert.equal(base.versions.page("" as Bytes, undefined, 1).length, 0);
});

test("[STEP-2] a step of an export looks at 1,024 keys or changes at most, those that it leaves out included", () => {
  const { base, release } = deletedAndPinned();
  assert.ok(stepsOf(exportWork(base)) >= KEYS / 1_024, "keys that are gone");
  release();
  const full = new Base();
  put(full);
  assert.ok(stepsOf(exportWork(full)) >= (2 * KEYS) / 1_024, "small keys, and their changes");
  assert.ok(stepsOf(exportWork(hotKey())) >= (2 * KEYS) / 1_024, "versions of one key");
});

test("[STEP-3] an import does its work as records come: none is left for the end", () => {
  const base = new Base();
  put(base);
  const importer = new Importer();
  let found = 0;
  for (const record of exportWork(base)) {
    importer.add(record);
    const { slots } = importer.base.versions;
    assert.ok(slots - found <= 1_024, `${slots - found} keys at once`);
    found = slots;
  }
  assert.equal(found, KEYS);
  assert.equal(importer.take().versions.liveKeys, KEYS);
});

function ranged(base: Base, request: Partial<RangeRequest>): Generator<undefined, RangeResponse> {
  const work = base.range({ kind: "range", key: "" as Bytes, end: OPEN_END, ...request });
  assert.ok(!("code" in work));
  return work;
}

test("[STEP-4] a range looks at 512 keys or older versions a step, deleted ones and those past its limit included", () => {
  const base = deleted();
  const revision = base.revision - 1;
  assert.ok(stepsOf(ranged(base, { revision })) >= KEYS / 512, "deleted keys");
  assert.ok(stepsOf(ranged(base, { revision, countOnly: true })) >= KEYS / 512, "counted keys");
  const full = new Base();
  put(full);
  assert.ok(stepsOf(ranged(full, { limit: 1 })) >= KEYS / 512, "keys past the limit");
  const hot = hotKey();
  for (const end of [undefined, OPEN_END]) {
    const at = 2;
    const steps = stepsOf(ranged(hot, { key: "hot" as Bytes, end, revision: at }));
    assert.ok(steps >= KEYS / 512, "versions newer than the revision");
  }
});

test("[STEP-5] sorting a range's results is cut into steps as well", () => {
  const base = new Base();
  put(base);
  const sorted = ranged(base, { sort: { target: "key", order: "descend" }, limit: 10 });
  // Looking, sorting runs of 256, and log2(KEYS / 256) merges of 1,024 a step.
  assert.ok(stepsOf(sorted) >= KEYS / 512 + KEYS / 256 + (6 * KEYS) / 1_024);
  const answer = finish(ranged(base, { sort: { target: "key", order: "descend" }, limit: 10 }));
  assert.deepEqual(
    answer.kvs.map((kv) => kv.key),
    Array.from({ length: 10 }, (_, at) => keyOf(KEYS - 1 - at)),
  );
});

test("[STEP-6] a step of a hash looks at 512 keys, or hashes 128 KiB and one value", () => {
  const base = deleted();
  const work = base.hash(base.revision - 1);
  assert.ok(!("code" in work));
  assert.ok(stepsOf(work) >= KEYS / 512, "deleted keys");
  const large = new Base();
  const value = "x".repeat(64 << 10) as Bytes;
  for (let at = 0; at < 64; at++)
    commit(large, [{ kind: "put", key: keyOf(at), value, lease: 0n }]);
  const hashing = large.hash(undefined);
  assert.ok(!("code" in hashing));
  assert.ok(stepsOf(hashing) >= 32, "large values");
});

test("[STEP-7] the keys of a lease and the ids of all leases are put in order in steps", () => {
  const base = new Base();
  const granted = Array.from({ length: PAGE }, (_, at): MetaChange => ({
    kind: "leaseGranted",
    id: BigInt(PAGE - at),
    ttlMs: 1_000,
  }));
  commit(base, [], granted);
  change(base, (key) => ({ kind: "put", key, value: "v" as Bytes, lease: 1n }));
  assert.ok(stepsOf(base.leaseTimeToLive(1n, true, 0)) >= KEYS / 256);
  assert.equal(finish(base.leaseTimeToLive(1n, true, 0)).keys.length, KEYS);
  assert.ok(stepsOf(base.leaseIds()) >= PAGE / 256);
});

/** A watch that notes what comes, and can be slow to say so. */
function watch(hub: WatchHub, request: WatchRequest): { events: number; progress: number[] } {
  const seen: { events: number; progress: number[] } = { events: 0, progress: [] };
  const handle = hub.open(request, {
    started: () => {},
    batch: (batch) => {
      seen.events += batch.events.length;
      if (batch.events.length === 0) seen.progress.push(seen.events);
      return true;
    },
    ended: (failure) => assert.fail(failure.what),
  });
  if (request.progress === true) handle.progress();
  return seen;
}

test("[STEP-8] a delivery does so much for all watches together, and each that catches up gets its turn", () => {
  const base = new Base();
  put(base);
  const hub = new WatchHub(base, () => {});
  const seen = Array.from({ length: 20 }, () =>
    watch(hub, { key: "" as Bytes, end: OPEN_END, startRevision: 2 }),
  );
  const total = (): number => seen.reduce((sum, { events }) => sum + events, 0);
  let deliveries = 1;
  for (let before = 0; hub.deliver(); before = total()) {
    deliveries++;
    assert.ok(total() - before <= 4_096 + 2_048 + PAGE, `${total() - before} events at once`);
    const counts = seen.map(({ events }) => events);
    // A turn ends with the revision that passes its measure.
    assert.ok(Math.max(...counts) - Math.min(...counts) <= 2_048 + PAGE);
  }
  assert.equal(total(), 20 * KEYS);
  assert.ok(deliveries >= total() / (4_096 + 2_048 + PAGE));
});

test("[STEP-9] watches of one key each cost their own changes, not all of the transaction that changed them", () => {
  const base = new Base();
  const hub = new WatchHub(base, () => {});
  const seen = Array.from({ length: PAGE }, (_, at) => watch(hub, { key: keyOf(at) }));
  let deliveries = 0;
  while (hub.deliver()) deliveries++;
  commit(
    base,
    Array.from({ length: PAGE }, (_, at) => ({
      kind: "put",
      key: keyOf(at),
      value: "v" as Bytes,
      lease: 0n,
    })),
  );
  for (deliveries = 1; hub.deliver(); deliveries++);
  assert.ok(seen.every(({ events }) => events === 1));
  assert.ok(deliveries <= 5, `${deliveries} deliveries`);
});

test("[STEP-10] finding the watches that changes concern is cut too, and progress waits for it", () => {
  const base = new Base();
  const hub = new WatchHub(base, () => {});
  const seen = watch(hub, { key: "z" as Bytes, progress: true });
  while (hub.deliver());
  assert.deepEqual(seen.progress, [0]);
  put(base);
  commit(base, [{ kind: "put", key: "z" as Bytes, value: "v" as Bytes, lease: 0n }]);
  hub.progressAll();
  let deliveries = 1;
  while (hub.deliver()) deliveries++;
  assert.ok(deliveries >= KEYS / PAGE, `${KEYS} changes came in ${deliveries} deliveries`);
  assert.deepEqual(seen, { events: 1, progress: [0, 1] });
});
