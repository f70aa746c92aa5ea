/** The protobuf codec: round trips, skipped fields, and bytes that are no message. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "../base/bytes.ts";
import { toArray } from "../base/bytes.ts";
import { Malformed } from "../base/codec.ts";
import { prng } from "../base/prng.ts";
import { Compare, KeyValue, RangeResponse, TxnRequest, WatchResponse } from "./etcd/messages.ts";
import * as pb from "./protobuf.ts";

const bytes = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 })
  .map((codes) => String.fromCharCode(...codes) as Bytes);
const safe = fc.maxSafeInteger();
const big = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
/** As a decoder makes them: objects with the usual prototype. */
const plain = { noNullPrototype: true } as const;
const keyValue = fc.record(
  {
    key: bytes,
    createRevision: safe,
    modRevision: safe,
    version: safe,
    value: bytes,
    lease: big,
  },
  plain,
);

interface Reduced {
  readonly key: Bytes;
}
const Reduced: pb.Message<Reduced> = pb.message<Reduced>({ key: pb.bytes(1) });

describe("protobuf", () => {
  test("[PB-1] what is decoded is what was encoded (random messages)", () => {
    const fields = {
      header: fc.option(
        fc.record({ clusterId: big, memberId: big, revision: safe, raftTerm: safe }, plain),
        { nil: undefined },
      ),
      kvs: fc.array(keyValue, { maxLength: 20 }),
      more: fc.boolean(),
      count: safe,
    };
    const response = fc.record(fields, plain);
    fc.assert(
      fc.property(response, (value) => {
        assert.deepEqual(RangeResponse.decode(RangeResponse.encode(value)), value);
      }),
      { numRuns: 500 },
    );
  });

  test("[PB-1] the bytes are those of other implementations (worked by hand)", () => {
    const hex = (array: Uint8Array): string => Buffer.from(array).toString("hex");
    assert.equal(
      hex(KeyValue.encode({ key: "a" as Bytes, lease: -1n })),
      "0a016130ffffffffffffffffff01",
    );
    const compare = { result: 2, target: 2, key: "k" as Bytes, modRevision: 300 };
    assert.equal(hex(Compare.encode(compare)), "080210021a016b30ac02");
    // An arm of a oneof is there also when it is zero, and a field above 15 has a tag of two bytes.
    assert.equal(
      hex(Compare.encode({ version: 0, rangeEnd: "z" as Bytes })),
      "2000820401 7a".replace(" ", ""),
    );
    const nested = TxnRequest.encode({ success: [{ put: { key: "x".repeat(200) as Bytes } }] });
    assert.equal(hex(nested.subarray(0, 9)), "12ce0112cb010ac801");
    assert.equal(TxnRequest.decode(nested).success[0]?.put?.key.length, 200);
  });

  test("[PB-2] fields that are not known are skipped (an older reader)", () => {
    fc.assert(
      fc.property(keyValue, (value) => {
        assert.deepEqual(Reduced.decode(KeyValue.encode(value)), { key: value.key });
      }),
    );
  });

  test("[PB-3] bytes that are no message throw Malformed and nothing else (mutations)", () => {
    const seed = 20_261;
    const random = prng(seed);
    const event = { type: 1, kv: { key: "a/b" as Bytes, value: "v".repeat(40) as Bytes } };
    const good = WatchResponse.encode({ watchId: 7, events: [event, event], cancelReason: "no" });
    let refused = 0;
    for (let run = 0; run < 20_000; run++) {
      const array = good.slice(0, run % 3 === 0 ? random.below(good.length + 1) : good.length);
      for (let flips = random.below(4); flips >= 0 && array.length > 0; flips--)
        array[random.below(array.length)] = random.below(256);
      try {
        WatchResponse.decode(array);
      } catch (error) {
        assert.ok(error instanceof Malformed, `seed ${seed} run ${run}: ${String(error)}`);
        refused++;
      }
    }
    assert.ok(refused > 1_000);
  });

  test("[PB-3] an integer beyond 2^53 is refused where a number is read (a revision)", () => {
    const beyond = pb.message<{ readonly n: bigint }>({ n: pb.big64(2) });
    const encoded = beyond.encode({ n: 2n ** 53n });
    assert.throws(() => KeyValue.decode(encoded), Malformed);
    assert.throws(() => KeyValue.decode(toArray("\x08" as Bytes)), Malformed);
  });

  test("[PB-4] for what others have written such an integer reads as the nearest safe one (a revision)", () => {
    const beyond = pb.message<{ readonly n: bigint }>({ n: pb.big64(2) });
    const read = (n: bigint): number => KeyValue.decode(beyond.encode({ n }), true).createRevision;
    assert.equal(read(2n ** 63n - 1n), Number.MAX_SAFE_INTEGER);
    assert.equal(read(-(2n ** 63n)), -Number.MAX_SAFE_INTEGER);
    assert.equal(read(2n ** 53n - 1n), Number.MAX_SAFE_INTEGER);
    assert.equal(read(-7n), -7);
  });
});
