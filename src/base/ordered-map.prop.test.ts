/** The B+tree against a sorted array. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OrderedMap } from "./ordered-map.ts";
import { prng } from "./prng.ts";

const key = (number: number): string => number.toString(36).padStart(4, "0");

function ascending(
  map: OrderedMap<number>,
  from: string,
  end: string | undefined,
): [string, number][] {
  const found: [string, number][] = [];
  map.scan(from, end, (at, value) => found.push([at, value]) > 0);
  return found;
}
function walked(
  map: OrderedMap<number>,
  from: string,
  end: string | undefined,
): [string, number][] {
  const found: [string, number][] = [];
  const cursor = map.cursor(from);
  for (; cursor.key !== undefined && (end === undefined || cursor.key < end); cursor.next())
    found.push([cursor.key, cursor.value as number]);
  return found;
}
function expected(
  model: Map<string, number>,
  from: string,
  end: string | undefined,
): [string, number][] {
  const within = [...model].filter(([at]) => at >= from && (end === undefined || at < end));
  return within.sort(([a], [b]) => (a < b ? -1 : 1));
}

function check(
  map: OrderedMap<number>,
  model: Map<string, number>,
  from: string,
  end: string | undefined,
): void {
  const want = expected(model, from, end);
  assert.deepEqual(ascending(map, from, end), want);
  assert.deepEqual(walked(map, from, end), want);
  assert.equal(map.size, model.size);
  assert.deepEqual(map.first(from), expected(model, from, undefined)[0]);
}

test("[MAP-1] insert, replace, delete and scan and cursor answer as a sorted array does", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 1, max: 2_000 }),
      fc.nat(500),
      (seed, space, loaded) => {
        const random = prng(seed);
        const keys = [
          ...new Set(Array.from({ length: loaded }, () => key(random.below(space)))),
        ].sort();
        const map = OrderedMap.fromSorted(
          keys,
          keys.map((_, at) => at),
        );
        const model = new Map(keys.map((at, value) => [at, value]));
        for (let phase = 0; phase < 4; phase++) {
          // Phases lean towards growing or towards emptying, so that leaves split and vanish.
          for (let step = 0; step < 400; step++) {
            const at = key(random.below(space));
            if (random.chance(phase % 2 === 0 ? 1 : 9, 10)) {
              assert.equal(map.delete(at), model.delete(at));
            } else {
              map.set(at, step);
              model.set(at, step);
            }
            assert.equal(map.get(at), model.get(at));
          }
          const [a, b] = [key(random.below(space)), key(random.below(space))];
          check(map, model, a < b ? a : b, a < b ? b : a);
          check(map, model, "", undefined);
        }
        for (const at of [...model.keys()]) assert.ok(map.delete(at));
        assert.equal(map.size, 0);
        assert.equal(map.first(), undefined);
        map.set("again", 1);
        assert.deepEqual(ascending(map, "", undefined), [["again", 1]]);
      },
    ),
    { numRuns: 60 },
  );
});

test("[MAP-2] three levels deep: 20,000 keys inserted in random order, then all deleted in another", () => {
  const random = prng(7);
  const shuffled = (): string[] => {
    const keys = Array.from({ length: 20_000 }, (_, at) => key(at));
    for (let at = keys.length - 1; at > 0; at--) {
      const other = random.below(at + 1);
      [keys[at], keys[other]] = [keys[other] as string, keys[at] as string];
    }
    return keys;
  };
  const map = new OrderedMap<number>();
  for (const at of shuffled()) map.set(at, at.length);
  assert.deepEqual(
    ascending(map, "", undefined).map(([at]) => at),
    shuffled().sort(),
  );
  let left = 20_000;
  for (const at of shuffled()) {
    assert.ok(map.delete(at));
    if (--left % 4_000 === 0) assert.equal(ascending(map, "", undefined).length, left);
  }
  assert.equal(map.size, 0);
});

test("[MAP-3] a visitor that says stop stops the scan, and the scan says so", () => {
  const keys = Array.from({ length: 200 }, (_, at) => key(at));
  const map = OrderedMap.fromSorted(keys, keys);
  let visits = 0;
  assert.equal(
    map.scan("", undefined, () => ++visits < 100),
    false,
  );
  assert.equal(visits, 100);
  assert.equal(
    map.scan("", key(5), () => true),
    true,
  );
});

test("[MAP-4] building from keys that do not ascend is refused", () => {
  assert.throws(() => OrderedMap.fromSorted(["a", "a"], [1, 2]));
  assert.throws(() => OrderedMap.fromSorted(["b", "a"], [1, 2]));
});
