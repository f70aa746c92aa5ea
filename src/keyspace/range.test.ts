/** What a range costs: the work of its steps, whatever lies beside what it reads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../base/bytes.ts";
import type { RangeRequest, RangeResponse } from "../contract/requests.ts";
import { Base } from "./base.ts";
import type { Change } from "./effects.ts";

const DELETED = 10_000;

function commit(base: Base, changes: readonly Change[]): void {
  const transactions = [{ revision: base.revision + 1, changes, meta: [] }];
  base.apply({ index: base.appliedIndex + 1, term: 1, time: base.time + 1, transactions }, 0);
}

/** One key that lives between two fields of deleted ones. */
function graveyard(): Base {
  const base = new Base();
  const keys = Array.from({ length: DELETED }, (_, at) => `k/${at}` as Bytes);
  const value = "" as Bytes;
  commit(
    base,
    keys.map((key) => ({ kind: "put", key, value, lease: 0n })),
  );
  commit(
    base,
    keys.map((key) => ({ kind: "delete", key })),
  );
  commit(base, [{ kind: "put", key: "k/5" as Bytes, value, lease: 0n }]);
  return base;
}

/** How many steps the range takes, and what it answers. */
function steps(base: Base, request: RangeRequest): readonly [number, RangeResponse] {
  const work = base.range(request);
  assert.ok(!("code" in work));
  for (let count = 1; ; count++) {
    const step = work.next();
    if (step.done === true) return [count, step.value];
  }
}

const all = { kind: "range", key: "k/" as Bytes, end: "k0" as Bytes } as const;

test("[BASE-9] reading the present does not walk over deleted keys (10,000 of them)", () => {
  const [count, answer] = steps(graveyard(), all);
  assert.deepEqual(
    answer.kvs.map(({ key }) => key),
    ["k/5"],
  );
  assert.equal(count, 1);
});

test("[BASE-9] a range in the past pauses though it finds nothing (10,000 deleted keys)", () => {
  const base = graveyard();
  const [count, answer] = steps(base, { ...all, revision: base.revision - 1 });
  assert.equal(answer.count, 0);
  assert.ok(count >= DELETED / 1_024, `${count} steps`);
});
