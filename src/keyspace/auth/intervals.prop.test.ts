/** Intervals against the set of keys that they stand for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "../../base/bytes.ts";
import type { KeyRange } from "../../contract/auth.ts";
import { OPEN_END } from "../../contract/requests.ts";
import { Intervals } from "./intervals.ts";

/** Every key of up to three bytes out of few: dense enough that each edge has neighbours. */
const LETTERS = ["\0", "a", "b", "\u00ff"];
const KEYS: readonly Bytes[] = LETTERS.flatMap((first) => [
  first,
  ...LETTERS.flatMap((second) => [
    first + second,
    ...LETTERS.map((third) => first + second + third),
  ]),
]) as string[] as Bytes[];

function holds({ key, end }: KeyRange, each: Bytes): boolean {
  if (end === undefined) return each === key;
  return each >= key && (end === OPEN_END || each < end);
}

const edge = fc.constantFrom(...KEYS.filter((key) => key.length < 3));
const range: fc.Arbitrary<KeyRange> = fc.oneof(
  fc.record({ key: edge }),
  fc.record({ key: edge, end: fc.oneof({ weight: 5, arbitrary: edge }, fc.constant(OPEN_END)) }),
);

test("[AUTH-1] a range is covered if each of its keys is, however many permissions that takes (set of keys)", () => {
  let covered = 0;
  fc.assert(
    fc.property(fc.array(range, { maxLength: 6 }), range, (granted, asked) => {
      const keys = KEYS.filter((key) => holds(asked, key));
      const each = keys.every((key) => granted.some((one) => holds(one, key)));
      const claimed = new Intervals(granted).covers(asked);
      // Of a range without keys its first bound counts; keys of four bytes and more lie between those of the set.
      if (claimed) {
        covered++;
        assert.ok(each, "covers what is not granted");
      } else if (keys.length > 0 && each) {
        const gaps = KEYS.flatMap((key) => LETTERS.map((letter) => (key + letter) as Bytes));
        const gap = gaps.some(
          (key) => holds(asked, key) && !granted.some((one) => holds(one, key)),
        );
        assert.ok(gap, "does not cover what is granted");
      }
    }),
    { numRuns: 20_000 },
  );
  assert.ok(covered > 500, `only ${covered} ranges were covered`);
});

test("[AUTH-1] ranges that touch are one, single keys included (no server)", () => {
  const all = (...ranges: readonly (readonly [string, string?])[]): Intervals =>
    new Intervals(
      ranges.map(([key, end]) => ({ key: key as Bytes, end: end as Bytes | undefined })),
    );
  const asked = (key: string, end?: string): KeyRange => ({
    key: key as Bytes,
    end: end as Bytes | undefined,
  });
  assert.ok(all(["a", "b"], ["b", "c"]).covers(asked("a", "c")));
  assert.ok(all(["a"], ["a\0", "b"]).covers(asked("a", "b")));
  assert.ok(!all(["a"], ["a\0\0", "b"]).covers(asked("a", "b")));
  assert.ok(!all(["a", "b"], ["b\0", "c"]).covers(asked("a", "c")));
  assert.ok(all(["a", "\0"]).covers(asked("b", "\0")));
  assert.ok(!all(["a", "\u00ff"]).covers(asked("a", "\0")));
  assert.ok(!all(["a", "c"]).covers(asked("a", "\0")));
  assert.ok(!all().covers(asked("a")));
});
