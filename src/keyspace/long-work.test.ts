/**
 * Long work is cut by what it does: each test counts what one step gets done, whatever the state looks like. How long a
 * step takes is the machine's; `npm run bench -- keys` measures that.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../base/bytes.ts";
import { Base } from "./base.ts";
import type { Change, MetaChange } from "./effects.ts";
import { finish } from "./range.ts";
import { exportWork, Importer } from "./snapshot.ts";

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
