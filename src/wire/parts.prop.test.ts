/** Long messages in pieces: put together again they are what they were. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { must } from "../base/assert.ts";
import type { Bytes } from "../base/bytes.ts";
import { jsonPieces, toJson } from "./etcd/json.ts";
import { LeaseLeasesResponse, RangeResponse } from "./etcd/messages.ts";
import { encodedPieces, longList } from "./parts.ts";
import type { Message } from "./protobuf.ts";

const OF = RangeResponse as unknown as Message<object>;

/** A range of `sizes.length` keys with values of these sizes. */
function ranged(sizes: readonly number[]): object {
  const kvs = sizes.map((size, at) => ({
    key: `key/${at}` as Bytes,
    value: "v".repeat(size) as Bytes,
    createRevision: at + 1,
    modRevision: at + 2,
    version: 1,
    lease: BigInt(at),
  }));
  const header = { clusterId: 1n, memberId: 2n, revision: 3, raftTerm: 4 };
  return { header, kvs, more: true, count: sizes.length };
}

const KVS = must(longList(OF, ranged([300_000])), "that is long");

describe("Messages in pieces", () => {
  const sizes = fc.array(fc.constantFrom(0, 10, 5_000, 200_000, 300_000), {
    minLength: 1,
    maxLength: 12,
  });

  test("[GRPC-11] pieces are an encoding of the whole, none much longer than asked (random sizes)", () => {
    fc.assert(
      fc.property(sizes, (each) => {
        const value = ranged(each);
        const parts = [...encodedPieces(OF, value, KVS)];
        assert.deepEqual(OF.decode(Buffer.concat(parts)), value);
        const longest = Math.max(...parts.map((part) => part.length));
        assert.ok(longest < Math.max(...each) + (256 << 10) + 1_000);
        assert.deepEqual(JSON.parse([...jsonPieces(OF, value, KVS)].join("")), toJson(OF, value));
      }),
      { numRuns: 60 },
    );
  });

  test("[GRPC-11] what is long by count or by bytes is known, what is short is not cut (table)", () => {
    assert.equal(longList(OF, ranged([10, 10])), undefined);
    assert.equal(longList(OF, {}), undefined);
    assert.equal(longList(OF, ranged([300_000]))?.name, "kvs");
    assert.equal(longList(OF, ranged(Array.from({ length: 300 }, () => 0)))?.name, "kvs");
    const leases = { leases: Array.from({ length: 300 }, (_, at) => ({ id: BigInt(at) })) };
    const of = LeaseLeasesResponse as unknown as Message<object>;
    const long = longList(of, leases);
    assert.ok(long !== undefined);
    assert.equal(long.name, "leases");
    assert.deepEqual(JSON.parse([...jsonPieces(of, leases, long)].join("")), toJson(of, leases));
    const many = Array.from({ length: 100_000 }, () => 1);
    assert.ok([...encodedPieces(OF, ranged(many), KVS)].length > 20);
  });
});
