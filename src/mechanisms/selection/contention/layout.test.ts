/** Names and keys of contended objects. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../../../base/bytes.ts";
import { QuorateError } from "../../../base/errors.ts";
import {
  contenderKey,
  contenderPrefix,
  decodeRecord,
  describe,
  isContender,
  nameText,
  prefixEnd,
} from "./layout.ts";

const kv = (value: string): Parameters<typeof decodeRecord>[0] => ({ value: utf8(value) });

test("[SEL-1] no object's keys lie under another's (names that are paths)", () => {
  const names = ["orders", "orders/42", "orders%2F42", "orders/", "o", "%"];
  const prefixes = names.map((name) => contenderPrefix("lock", name));
  for (const [at, one] of prefixes.entries()) {
    for (const [other, two] of prefixes.entries()) assert.equal(one.startsWith(two), at === other);
  }
  assert.equal(contenderPrefix("lock", "orders/42"), "lock/orders%2F42/");
});

test("[SEL-1] the parts of a name are encoded each; an empty name is refused (names)", () => {
  assert.equal(nameText(["a/b", "c"], "lock"), "a%2Fb/c");
  assert.throws(
    () => nameText("", "lock"),
    (error: unknown) => {
      assert.ok(QuorateError.is(error, "INVALID"));
      assert.equal(error.object, "lock");
      return true;
    },
  );
});

test("[SEL-2] the key is the lease in hexadecimal, then numbered (keys)", () => {
  const prefix = contenderPrefix("lock", "a");
  assert.equal(contenderKey(prefix, 0x694d_8a5dn, 0), "lock/a/694d8a5d");
  assert.equal(contenderKey(prefix, 255n, 2), "lock/a/ff-2");
  assert.equal(prefixEnd(prefix), "lock/a0");
});

test("[SEL-3] [SEL-4] a further slash does not contend; any value does (foreign keys)", () => {
  const prefix = contenderPrefix("lock", "a");
  assert.equal(isContender(prefix, utf8("lock/a/x/y")), false);
  assert.equal(isContender(prefix, utf8("lock/a/x")), true);
  for (const value of ["", "plain", "[1]", "null", '{"layout":9,"service":"x"}'])
    assert.deepEqual(decodeRecord(kv(value)), {});
  assert.equal(describe({}, "lock/a/x"), "a foreign client (key lock/a/x)");
});
