/** CRC-32C against its published check value and a bit-by-bit calculation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "./bytes.ts";
import { fromArray } from "./bytes.ts";
import { crc32c, crc32cOf } from "./crc32c.ts";

function bitwise(array: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of array) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 1) === 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

test("[CRC-1] the check value of the standard and the vectors of RFC 3720", () => {
  assert.equal(crc32c("123456789" as Bytes), 0xe306_9283);
  assert.equal(crc32cOf(new Uint8Array(32), 0, 32), 0x8a91_36aa);
  assert.equal(crc32cOf(new Uint8Array(32).fill(0xff), 0, 32), 0x62a8_ab43);
});

test("[CRC-2] both forms agree with the bitwise one for every slice, and continue from a seed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(100), fc.nat(100), (array, a, b) => {
      const start = Math.min(a, b, array.length);
      const end = Math.min(Math.max(a, b), array.length);
      const want = bitwise(array.subarray(start, end));
      assert.equal(crc32cOf(array, start, end), want);
      assert.equal(crc32c(fromArray(array, start, end)), want);
      assert.equal(crc32cOf(array, start, end, crc32cOf(array, 0, start)), crc32cOf(array, 0, end));
    }),
  );
});
