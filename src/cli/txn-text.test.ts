import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utf8 } from "../base/bytes.ts";
import { QuorateError } from "../base/errors.ts";
import { readTxn } from "./txn-text.ts";

test("[CLI-25] conditions, then what to do if all hold, then what otherwise (etcdctl's form)", () => {
  const txn = readTxn(`# raise the limit
mod("config/limit") = "3"
value("config/owner") != "ann"
ver(a) > 0
c("b") < 7
lease(b) = "1f"

put config/limit "four \\"4\\""
get config/ --prefix --limit=2
del old --prev-kv

get 'config/limit' --rev 3 --keys-only
`);
  assert.deepEqual(txn.compare, [
    { key: "config/limit", result: "equal", target: { kind: "mod", value: 3 } },
    { key: "config/owner", result: "notEqual", target: { kind: "value", value: "ann" } },
    { key: "a", result: "greater", target: { kind: "version", value: 0 } },
    { key: "b", result: "less", target: { kind: "create", value: 7 } },
    { key: "b", result: "equal", target: { kind: "lease", value: 0x1fn } },
  ]);
  const [put, get, del] = txn.success;
  assert.ok(put?.kind === "put" && get?.kind === "range" && del?.kind === "deleteRange");
  assert.equal(put.value, 'four "4"');
  assert.deepEqual([get.key, get.end, get.limit], ["config/", "config0", 2]);
  assert.deepEqual([del.key, del.prevKv], ["old", true]);
  const [otherwise] = txn.failure;
  assert.ok(otherwise?.kind === "range" && otherwise.keysOnly === true && otherwise.revision === 3);
});

test("[CLI-25] any key and value can be written in quotes (any text)", () => {
  const line = fc
    .array(
      fc.oneof(
        fc.string({ unit: "grapheme" }),
        fc.constantFrom("--prefix", ') = "', "\u2028", "\u2029", "'", "# ", "put "),
      ),
      { maxLength: 4 },
    )
    .map((parts) => parts.join(""))
    .filter((given) => !/[\n\r]/.test(given));
  const quoted = (given: string): string => `"${given.replace(/["\\]/g, "\\$&")}"`;
  fc.assert(
    fc.property(line, line, (key, value) => {
      const { compare, success } = readTxn(
        `value(${quoted(key)}) = ${quoted(value)}\n\nput ${quoted(key)} ${quoted(value)}`,
      );
      assert.deepEqual(compare[0]?.target, { kind: "value", value: utf8(value) });
      assert.ok(success[0]?.kind === "put");
      assert.deepEqual([success[0].key, success[0].value], [utf8(key), utf8(value)]);
    }),
  );
});

test("[CLI-25] what cannot be meant names its line (every kind of mistake)", () => {
  const mistakes: readonly (readonly [string, RegExp])[] = [
    ['mod("a" = 3', /line 1 .*is no condition/],
    ['size("a") = 3', /line 1 .*compares "size".*value, version/],
    ['mod("a") = many', /line 1 .*whole number/],
    ["\nput a", /line 2 .*has 1 operands.*exactly 2/],
    ["\ncopy a b", /line 2 .*does "copy"/],
    ["\nget a --every", /line 2 .*unknown flag --every/],
    ['\nput a "b', /line 2 .*not closed/],
    ["\n\n\nput a b", /line 4 .*fourth part/],
  ];
  for (const [written, expected] of mistakes) {
    assert.throws(
      () => readTxn(written),
      (error) => {
        assert.ok(QuorateError.is(error, "INVALID"), written);
        assert.match(error.message, expected);
        return true;
      },
    );
  }
});
