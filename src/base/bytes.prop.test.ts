/** Byte strings against Node's own codecs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromArray, isBytes, printable, text, toArray, utf8 } from "./bytes.ts";

const arrays = fc.uint8Array({ maxLength: 80 });

test("[BYTES-1] fromArray and toArray are inverse, whatever the bytes and the length", () => {
  fc.assert(
    fc.property(arrays, (array) => {
      const bytes = fromArray(array);
      assert.ok(isBytes(bytes));
      assert.deepEqual(toArray(bytes), array);
    }),
  );
});

test("[BYTES-2] the order of byte strings is the order of their bytes", () => {
  fc.assert(
    fc.property(arrays, arrays, (a, b) => {
      const [left, right] = [fromArray(a), fromArray(b)];
      assert.equal(Math.sign(Buffer.compare(a, b)), left < right ? -1 : left > right ? 1 : 0);
    }),
  );
});

test("[BYTES-3] utf8 encodes as every encoder does, lone surrogates included", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (given) => {
      assert.equal(utf8(given), Buffer.from(given, "utf8").toString("latin1"));
    }),
  );
  assert.equal(utf8("a\ud800b"), Buffer.from("a\ud800b", "utf8").toString("latin1"));
});

test("[BYTES-4] text returns what utf8 encoded and never throws on bytes that are not UTF-8", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (given) => {
      assert.equal(text(utf8(given)), given);
    }),
  );
  fc.assert(
    fc.property(arrays, (array) => {
      const read = text(fromArray(array));
      const exact = Buffer.from(array);
      if (exact.equals(Buffer.from(exact.toString("utf8"), "utf8"))) {
        assert.equal(read, exact.toString("utf8"));
      } else {
        assert.match(read, /\ufffd/);
      }
    }),
  );
});

test("[BYTES-5] printable shows what is not printable ASCII, and the backslash, as \\xNN", () => {
  assert.equal(printable(fromArray(Uint8Array.of(0x61, 0x00, 0xff, 0x5c))), "a\\x00\\xff\\x5c");
});
