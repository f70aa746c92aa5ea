/** What is printed reads back as the same bytes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Bytes, fromArray, utf8 } from "../base/bytes.ts";
import { argumentBytes, jsonBytes, shown } from "./output.ts";

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => fromArray(array));

test("[CLI-4] what is printed reads back as the same bytes with --escapes (no server)", () => {
  fc.assert(
    fc.property(bytes, (value) => {
      assert.equal(argumentBytes(shown(value), true), value);
    }),
  );
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (value) => {
      assert.equal(argumentBytes(shown(utf8(value)), true), utf8(value));
    }),
  );
});

test("[CLI-4] no control character reaches a terminal (no server)", () => {
  fc.assert(
    fc.property(fc.oneof(bytes, fc.string({ unit: "binary" }).map(utf8)), (value) => {
      // oxlint-disable-next-line no-control-regex -- control characters are what must not appear
      assert.doesNotMatch(shown(value), /[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/);
    }),
  );
});

test("[CLI-4] JSON carries UTF-8 as text and marks everything else (no server)", () => {
  assert.equal(jsonBytes(utf8("grüß dich")), "grüß dich");
  assert.deepEqual(jsonBytes("\xff\x00" as Bytes), { base64: "/wA=" });
  fc.assert(
    fc.property(bytes, (value) => {
      const carried: unknown = JSON.parse(JSON.stringify(jsonBytes(value)));
      const back =
        typeof carried === "string"
          ? utf8(carried)
          : fromArray(Buffer.from((carried as { base64: string }).base64, "base64"));
      assert.equal(back, value);
    }),
  );
});

test("[CLI-4] a backslash that starts no escape is refused (no server)", () => {
  assert.throws(() => argumentBytes("a\\n", true), /INVALID .* backslash that starts no/);
  assert.equal(argumentBytes("a\\n", false), "a\\n");
});
