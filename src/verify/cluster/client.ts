/**
 * A client of a simulated cluster that knows what it was promised: what it has written is there, what it counted counts
 * once, what it wrote together is read together.
 */
import { assert } from "../../base/assert.ts";
import type { Bytes } from "../../base/bytes.ts";
import { utf8 } from "../../base/bytes.ts";
import { argsText } from "../../contract/json-data.ts";
import type { Procedure } from "../../contract/procedure.ts";
import { procedure } from "../../contract/procedure.ts";
import type { Asker } from "./asker.ts";

/** Adds one to a counter: done twice, it shows. */
export const count: Procedure<{ readonly key: string }, number> = procedure(
  "test/count@1",
  (tx, { key }) => {
    const next = Number(tx.get(key as Bytes)?.value ?? "0") + 1;
    tx.put(key as Bytes, utf8(String(next)));
    return next;
  },
  ({ key }) => key,
);

const PAUSE_MS = 20;

/** Writes and reads until it is stopped; what is begun then is brought to its end. */
export async function work(asker: Asker): Promise<void> {
  const isReader = asker.id > 1 && asker.random.chance(1, 3);
  for (let number = 1; !asker.isStopped; number++) {
    // Nothing that a reader waits for keeps it from whoever led before.
    if (isReader) await asker.ask({ kind: "range", key: utf8("count") });
    else await one(asker, number);
    await asker.sleep(asker.random.below(PAUSE_MS));
  }
}

async function one(asker: Asker, number: number): Promise<void> {
  const { facts } = asker.world;
  const value = utf8(String(number));
  const pair = `pair-${asker.id}/`;
  switch (asker.random.below(7)) {
    case 0: {
      const success = ["left", "right"].map((side) => ({
        kind: "put" as const,
        key: utf8(pair + side),
        value,
      }));
      await asker.stamped({ kind: "txn", compare: [], success, failure: [] });
      return;
    }
    case 1: {
      const id = BigInt(asker.id) * 1_000_000n + BigInt(number);
      const response = await asker.done({ kind: "leaseGrant", id, ttlMs: 9e9 });
      if (response !== undefined) facts.leases.add(id);
      return;
    }
    case 2: {
      const args = argsText({ key: "count" }, count.name);
      const response = await asker.done({ kind: "run", procedure: count.name, args });
      if (response === undefined) facts.uncertain++;
      else facts.counted++;
      return;
    }
    case 3:
      return read(asker, pair);
    default: {
      const key = `key-${asker.id}`;
      const padded = utf8(String(number).padEnd(asker.random.below(asker.world.valueBytes), " "));
      const response = await asker.done({ kind: "put", key: utf8(key), value: padded });
      if (response !== undefined) facts.numbers.set(key, number);
    }
  }
}

/** Reads what it has written itself, and the two that are written together. */
async function read(asker: Asker, pair: string): Promise<void> {
  const key = `key-${asker.id}`;
  const expected = asker.world.facts.numbers.get(key) ?? 0;
  const own = await asker.ask({ kind: "range", key: utf8(key) });
  if (own?.ok === true && "kvs" in own.response) {
    const found = Number(own.response.kvs[0]?.value ?? "0");
    assert(found >= expected, `${key} is ${found}, ${expected} was acknowledged`);
  }
  const both = await asker.ask({ kind: "range", key: utf8(pair), end: utf8(`${pair}~`) });
  if (both?.ok !== true || !("kvs" in both.response)) return;
  const values = new Set(both.response.kvs.map(({ value }) => value));
  assert(values.size <= 1, `two keys of one transaction differ: ${[...values].join()}`);
}
