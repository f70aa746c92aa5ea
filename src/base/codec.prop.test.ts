/** Codecs: what was written is read back; what was never written is refused, not believed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "./bytes.ts";
import { fromArray } from "./bytes.ts";
import type { Codec } from "./codec.ts";
import {
  ByteReader,
  ByteWriter,
  Malformed,
  booleanCodec,
  bytesCodec,
  int64Codec,
  intCodec,
  jsonCodec,
  lazily,
  listOf,
  numberCodec,
  oneOf,
  optional,
  struct,
  textCodec,
  uintCodec,
  union,
} from "./codec.ts";

interface Sample {
  readonly count: number;
  readonly signed: number;
  readonly real: number;
  readonly id: bigint;
  readonly name: string;
  readonly flag?: boolean | undefined;
  readonly kinds: readonly ("a" | "b")[];
  readonly data?: unknown;
  readonly tree: Tree;
}
type Tree =
  | { readonly kind: "leaf"; readonly key: Bytes }
  | { readonly kind: "fork"; readonly of: readonly Tree[] };

const tree: Codec<Tree> = lazily(() =>
  union<Tree>({ leaf: struct({ key: bytesCodec }), fork: struct({ of: listOf(tree) }) }),
);
const sample: Codec<Sample> = struct<Sample>({
  count: uintCodec,
  signed: intCodec,
  real: numberCodec,
  id: int64Codec,
  name: textCodec,
  flag: optional(booleanCodec),
  kinds: listOf(oneOf(["a", "b"])),
  data: optional(jsonCodec),
  tree,
} as Parameters<typeof struct<Sample>>[0]);

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => fromArray(array));
const trees = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.oneof(
    { depthSize: "small" },
    fc.record({ kind: fc.constant("leaf" as const), key: bytes }, { noNullPrototype: true }),
    fc.record(
      { kind: fc.constant("fork" as const), of: fc.array(tie("tree"), { maxLength: 3 }) },
      { noNullPrototype: true },
    ),
  ),
})).tree;
const samples: fc.Arbitrary<Sample> = fc.record(
  {
    count: fc.oneof(
      fc.maxSafeNat(),
      fc.constantFrom(0, 127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER),
    ),
    signed: fc.maxSafeInteger(),
    real: fc
      .double({ noNaN: true, noDefaultInfinity: true })
      .map((value) => (Object.is(value, -0) ? 0 : value)),
    id: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    name: fc.string({ unit: "grapheme" }),
    flag: fc.boolean(),
    kinds: fc.array(fc.constantFrom("a" as const, "b" as const)),
    data: fc.jsonValue({ noUnicodeString: false }),
    tree: trees,
  },
  {
    requiredKeys: ["count", "signed", "real", "id", "name", "kinds", "tree"],
    noNullPrototype: true,
  },
);

function encoded(value: Sample): Uint8Array {
  const writer = new ByteWriter(1);
  sample.encode(writer, value);
  return writer.take();
}

test("[CODEC-1] every value of a shape is read back as it was written", () => {
  fc.assert(
    fc.property(samples, (value) => {
      const reader = new ByteReader(encoded(value));
      // JSON knows no -0; everything else must be the same.
      assert.deepEqual(sample.decode(reader), {
        ...value,
        ...("data" in value ? { data: JSON.parse(JSON.stringify(value.data)) } : {}),
      });
      assert.ok(reader.done);
    }),
  );
});

test("[CODEC-1] what is too large for 64 bits changes nothing that is read later (any)", () => {
  const beyond = fc.bigInt({ min: -(2n ** 66n), max: 2n ** 66n });
  const written = (value: bigint): bigint => {
    const writer = new ByteWriter();
    int64Codec.encode(writer, value);
    return int64Codec.decode(new ByteReader(writer.view()));
  };
  fc.assert(
    fc.property(beyond, (value) => {
      const kept = BigInt.asIntN(64, value);
      assert.equal(written(value), kept);
      assert.equal(written(kept), kept);
    }),
  );
});

test("[CODEC-2] a value cut short is malformed", () => {
  fc.assert(
    fc.property(samples, fc.nat(), (value, cut) => {
      const array = encoded(value);
      const reader = new ByteReader(array, 0, cut % array.length);
      assert.throws(() => sample.decode(reader), Malformed);
    }),
  );
});

test("[CODEC-3] flipped and random bytes give a value of the shape or Malformed, never another error", () => {
  const attempt = (array: Uint8Array): void => {
    try {
      sample.decode(new ByteReader(array));
    } catch (error) {
      assert.ok(error instanceof Malformed, String(error));
    }
  };
  fc.assert(
    fc.property(samples, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, flip) => {
      const array = encoded(value);
      array[at % array.length] = (array[at % array.length] as number) ^ flip;
      attempt(array);
    }),
    { numRuns: 500 },
  );
  fc.assert(fc.property(fc.uint8Array({ maxLength: 64 }), attempt), { numRuns: 2_000 });
});

test("[CODEC-4] nesting without end is malformed, and the codec works on afterwards", () => {
  const deep = new Uint8Array(10_000).fill(1);
  assert.throws(() => tree.decode(new ByteReader(deep)), Malformed);
  const writer = new ByteWriter();
  tree.encode(writer, { kind: "leaf", key: "k" as Bytes });
  assert.deepEqual(tree.decode(new ByteReader(writer.view())), { kind: "leaf", key: "k" });
});

test("[CODEC-5] integers beyond 2^53 are malformed, and not written", () => {
  const array = new Uint8Array(9).fill(0xff);
  assert.throws(() => new ByteReader(array).uint(), Malformed);
  for (const value of [Infinity, 2 ** 53, -1])
    assert.throws(() => new ByteWriter().uint(value), RangeError);
});
