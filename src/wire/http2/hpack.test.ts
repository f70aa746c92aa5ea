/** HPACK against the examples of RFC 7541, appendix C, and against blocks that no encoder may write. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ConnectionError } from "./errors.ts";
import { HeadReader } from "./head-reader.ts";
import { HpackDecoder } from "./hpack-decoder.ts";
import { encodeBlock } from "./hpack-encoder.ts";
import type { HeaderField } from "./hpack-static.ts";
import { decodeHuffman, HUFFMAN } from "./huffman.ts";

const hex = (text: string): Uint8Array =>
  Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

const DATE_1 = "Mon, 21 Oct 2013 20:13:21 GMT";
const DATE_2 = "Mon, 21 Oct 2013 20:13:22 GMT";
const COOKIE = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const REQUESTS: readonly (readonly HeaderField[])[] = [
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ],
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
    ["cache-control", "no-cache"],
  ],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];
const RESPONSES: readonly (readonly HeaderField[])[] = [
  [
    [":status", "302"],
    ["cache-control", "private"],
    ["date", DATE_1],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "307"],
    ["cache-control", "private"],
    ["date", DATE_1],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", DATE_2],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", COOKIE],
  ],
];

/** Blocks of one connection, with a table of that size, and what they are. */
interface Example {
  readonly name: string;
  readonly tableBytes: number;
  readonly blocks: readonly string[];
  readonly lists: readonly (readonly HeaderField[])[];
}

const single = (name: string, block: string, field: HeaderField): Example => ({
  name,
  tableBytes: 4_096,
  blocks: [block],
  lists: [[field]],
});

const EXAMPLES: readonly Example[] = [
  single("C.2.1", "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", [
    "custom-key",
    "custom-header",
  ]),
  single("C.2.2", "040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"]),
  single("C.2.3", "1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"]),
  single("C.2.4", "82", [":method", "GET"]),
  {
    name: "C.3",
    tableBytes: 4_096,
    blocks: [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
    lists: REQUESTS,
  },
  {
    name: "C.4",
    tableBytes: 4_096,
    blocks: [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
    lists: REQUESTS,
  },
  {
    name: "C.5",
    tableBytes: 256,
    blocks: [
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
       2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
       6c65 2e63 6f6d`,
      "4803 3330 37c1 c0bf",
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
       54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
       5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
       3d31`,
    ],
    lists: RESPONSES,
  },
  {
    name: "C.6",
    tableBytes: 256,
    blocks: [
      `4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
       2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3`,
      "4883 640e ffc1 c0bf",
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
       77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
       9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
    lists: RESPONSES,
  },
];

const MALFORMED: readonly (readonly [what: string, block: string])[] = [
  ["index 0", "80"],
  ["an index beyond both tables", "be"],
  ["an index that does not fit its byte and leads nowhere", "ff 00"],
  ["a name of an index beyond both tables", "7e 01 61"],
  ["an integer that ends early", "ff"],
  ["an integer of six bytes", "ff 80 80 80 80 01"],
  ["an integer beyond 2^28", "ff ff ff ff ff 0f"],
  ["a literal without its value", "00 01 61"],
  ["a literal without its name", "00"],
  ["a string beyond the end", "00 05 61 62"],
  ["a string beyond the end, by an integer of several bytes", "00 7f ff ff 7f 61"],
  ["a table size inside a block", "82 3f e1 1f"],
  ["a table size beyond 4,096", "3f e2 1f"],
  ["Huffman padding of eight bits", "00 81 1f 82 1f ff"],
  ["Huffman padding that is not all ones", "00 81 18 01 61"],
  ["the end of a string in Huffman code", "00 84 ff ff ff ff 01 61"],
  ["Huffman code that ends in a long symbol", "00 82 ff ff 01 61"],
];

const decoded = (decoder: HpackDecoder, block: Uint8Array): readonly HeaderField[] | undefined =>
  decoder.decode(block, 0, block.length, 16_384);

describe("HPACK", () => {
  for (const { name, tableBytes, blocks, lists } of EXAMPLES)
    test(`[H2-1] RFC 7541, ${name}: ${blocks.length} blocks`, () => {
      const decoder = new HpackDecoder(tableBytes);
      assert.deepEqual(
        blocks.map((block) => decoded(decoder, hex(block.replaceAll(/\s/g, "")))),
        lists,
      );
    });

  test("[H2-1] RFC 7541, C.1: integers, as table sizes (2 of 3: no integer of HPACK has a prefix of 8 bits)", () => {
    const kept = hex("40 01 61 01 62");
    for (const [block, keeps] of [
      ["2a", false],
      ["3f 9a 0a", true],
    ] as const) {
      const decoder = new HpackDecoder();
      assert.deepEqual(decoded(decoder, Uint8Array.of(...hex(block), ...kept)), [["a", "b"]]);
      // 10 bytes hold no entry, 1,337 do.
      if (keeps) assert.deepEqual(decoded(decoder, hex("be")), [["a", "b"]]);
      else assert.throws(() => decoded(decoder, hex("be")), ConnectionError);
    }
  });

  test("[H2-1] an entry larger than the table empties it, and is no error", () => {
    const decoder = new HpackDecoder(64);
    const long = "x".repeat(40);
    assert.deepEqual(decoded(decoder, hex("40 01 61 01 62")), [["a", "b"]]);
    const block = Uint8Array.of(...hex("40 01 61 28"), ...Buffer.from(long));
    assert.deepEqual(decoded(decoder, block), [["a", long]]);
    assert.throws(() => decoded(decoder, hex("be")), ConnectionError);
  });

  test("[H2-1] an entry takes 32 bytes beside its strings, and is gone when the table is smaller", () => {
    const decoder = new HpackDecoder();
    assert.deepEqual(decoded(decoder, hex("40 01 61 01 62")), [["a", "b"]]);
    assert.deepEqual(decoded(decoder, hex("3f 03 be")), [["a", "b"]]);
    assert.throws(() => decoded(decoder, hex("3f 02 be")), ConnectionError);
  });

  test("[H2-2] a block that adds to the table adds again when it comes again", () => {
    const reader = new HeadReader();
    const request = encodeBlock([
      [":method", "POST"],
      [":scheme", "http"],
      [":path", "/"],
    ]);
    for (const tail of ["40 01 61 01 62", "40 01 61 01 62", "be bf"]) {
      const block = Uint8Array.of(...request, ...hex(tail));
      assert.ok(typeof reader.head(block, 0, block.length) === "object");
    }
  });

  for (const [what, block] of MALFORMED)
    test(`[H2-1] ${what} is COMPRESSION_ERROR`, () => {
      assert.throws(
        () => decoded(new HpackDecoder(), hex(block)),
        (error) => error instanceof ConnectionError && error.code === 9,
      );
    });

  test("[H2-1] Huffman code: appendix B's first, shortest, longest and last", () => {
    const given = [0, 48, 97, 126, 10, 22, 249, 255, 256].map((symbol) => HUFFMAN[symbol]);
    assert.deepEqual(
      given.map((each) => [each?.code, each?.bits]),
      [
        [0x1ff8, 13],
        [0, 5],
        [3, 5],
        [0x1ffd, 13],
        [0x3ffffffc, 30],
        [0x3ffffffe, 30],
        [0xffffffe, 28],
        [0x3ffffee, 26],
        [0x3fffffff, 30],
      ],
    );
    assert.equal(decodeHuffman(hex("a8eb10649cbf"), 0, 6), "no-cache");
  });

  test("[H2-2] a list beyond the limit is refused, and the table goes on as the client has it", () => {
    const decoder = new HpackDecoder();
    // 40 fields of 400 bytes by reference: 40 bytes say 17,000.
    const entry = Uint8Array.of(...hex("40 01 61 7f 80 02"), ...Buffer.alloc(383, "x"));
    assert.equal(decoded(decoder, entry)?.length, 1);
    const bomb = Uint8Array.of(...hex("40 01 62 01 63"), ...Buffer.alloc(40, 0xbf));
    assert.equal(decoded(decoder, bomb), undefined);
    assert.deepEqual(decoded(decoder, hex("be")), [["b", "c"]]);
  });

  test("[H2-1] what is written is read the same (names known and unknown, values of any length)", () => {
    const fields: readonly HeaderField[] = [
      [":status", "200"],
      [":status", "431"],
      ["content-type", "application/grpc"],
      ["grpc-message", "x".repeat(20_000)],
      ["grpc-status", ""],
      ["x-bytes", "\u0000\u00ff"],
    ];
    const block = encodeBlock(fields);
    assert.deepEqual(new HpackDecoder().decode(block, 0, block.length, 100_000), fields);
  });
});
