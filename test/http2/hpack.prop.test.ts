/** HPACK: what a slow, obvious encoder writes in any form is read as it was meant, from memory too. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { prng } from "../../src/base/prng.ts";
import type { Prng } from "../../src/base/prng.ts";
import { HeadReader } from "../../src/wire/http2/head-reader.ts";
import { HpackDecoder } from "../../src/wire/http2/hpack-decoder.ts";
import { encodeBlock } from "../../src/wire/http2/hpack-encoder.ts";
import type { HeaderField } from "../../src/wire/http2/hpack-static.ts";
import { STATIC_TABLE } from "../../src/wire/http2/hpack-static.ts";
import { decodeHuffman } from "../../src/wire/http2/huffman.ts";
import { POST } from "./frames.ts";
import { huffmanBytes, TwinEncoder } from "./hpack-twin.ts";

const seeds = fc.integer({ min: 0, max: 0x7fff_ffff });

function someText(random: Prng): string {
  const length = random.chance(1, 10) ? random.below(3_000) : random.below(20);
  const top = random.pick([128, 256]);
  return String.fromCharCode(...Array.from({ length }, () => random.below(top)));
}

function someField(random: Prng): HeaderField {
  const known = random.pick(STATIC_TABLE);
  return random.pick<HeaderField>([
    known,
    [known[0], someText(random)],
    [`x-${random.below(5)}`, `${random.below(5)}`],
    [someText(random), someText(random)],
  ]);
}

describe("HPACK beside its twin", () => {
  test("[H2-1] lists in any form are read as they were written (random lists, 30 blocks of one connection)", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = prng(seed);
        const twin = new TwinEncoder(random);
        const decoder = new HpackDecoder();
        for (let round = 0; round < 30; round++) {
          const fields = Array.from({ length: random.below(8) }, () => someField(random));
          const block = Uint8Array.from(twin.block(fields, true));
          assert.deepEqual(decoder.decode(block, 0, block.length, 1 << 20), fields);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("[H2-1] our blocks are read by a decoder whose table holds anything (random lists)", () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = prng(seed);
        const decoder = new HpackDecoder();
        const other = new TwinEncoder(random).block([someField(random), someField(random)], false);
        decoder.decode(Uint8Array.from(other), 0, other.length, 1 << 20);
        const fields = Array.from({ length: random.below(8) }, () => someField(random));
        const block = encodeBlock(fields);
        assert.deepEqual(decoder.decode(block, 0, block.length, 1 << 20), fields);
      }),
      { numRuns: 300 },
    );
  });

  test("[H2-1] Huffman code of any bytes is read back (random bytes)", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const text = Buffer.from(bytes).toString("latin1");
        const code = Uint8Array.from(huffmanBytes(text));
        assert.equal(decodeHuffman(code, 0, code.length), text);
      }),
    );
  });

  test("[H2-2] a head that is remembered is the head that its block encodes (blocks that repeat while the table changes)", () => {
    let again = 0;
    fc.assert(
      fc.property(seeds, (seed) => {
        const random = prng(seed);
        const twin = new TwinEncoder(random);
        const reader = new HeadReader();
        const decoder = new HpackDecoder();
        let last: unknown;
        for (let round = 0; round < 60; round++) {
          const fields: readonly HeaderField[] = [...POST, ["x-which", `${random.below(3)}`]];
          const block = Uint8Array.from(twin.block(fields, random.chance(1, 10)));
          const read = decoder.decode(block, 0, block.length, 1 << 20);
          const head = reader.head(block, 0, block.length);
          assert.ok(typeof head === "object");
          assert.deepEqual(head.fields, read);
          assert.deepEqual(head.fields, fields);
          if (head === last) again++;
          last = head;
        }
      }),
      { numRuns: 100 },
    );
    assert.ok(again > 50, `${again} heads were remembered`);
  });

  test("[H2-2] a block that leaves the table alone is read once (1,000 times the same)", () => {
    const reader = new HeadReader();
    const block = encodeBlock(POST);
    const heads = Array.from({ length: 1_000 }, () => reader.head(block, 0, block.length));
    assert.equal(new Set(heads).size, 1);
  });
});
