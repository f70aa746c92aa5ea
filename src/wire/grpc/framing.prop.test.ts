/** gRPC framing: messages come out of any cut as they went in; statuses and deadlines as the protocol writes them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { fromArray, toArray } from "../../base/bytes.ts";
import type { Bytes } from "../../base/bytes.ts";
import type { Message } from "../protobuf.ts";
import * as pb from "../protobuf.ts";
import { frame, MessageReader } from "./framing.ts";
import { encodeStatusMessage, RpcStatus, timeoutMs } from "./status.ts";

interface Blob {
  readonly body: Bytes;
}
const Blob: Message<Blob> = pb.message<Blob>({ body: pb.bytes(1) });

describe("gRPC framing", () => {
  test("[GRPC-9] messages survive any cut of the stream (random messages, random cuts)", () => {
    const bodies = fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 8 });
    const cuts = fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(bodies, cuts, (given, sizes) => {
        const stream = Buffer.concat(given.map((body) => frame(Blob, { body: fromArray(body) })));
        const reader = new MessageReader(1_000);
        const read: Uint8Array[] = [];
        for (let at = 0, turn = 0; at < stream.length; turn++) {
          const end = at + (sizes[turn % sizes.length] ?? 1);
          reader.push(stream.subarray(at, end), (message) =>
            read.push(toArray(Blob.decode(message).body)),
          );
          at = end;
        }
        assert.deepEqual(
          read,
          given.map((body) => Uint8Array.from(body)),
        );
        assert.equal(reader.clean, true);
      }),
      { numRuns: 300 },
    );
  });

  test("[GRPC-4] the head alone decides on length and compression", () => {
    const refusal = (bytes: readonly number[]): number => {
      try {
        new MessageReader(10).push(Uint8Array.from(bytes), () => {});
      } catch (error) {
        assert.ok(error instanceof RpcStatus);
        return error.code;
      }
      return 0;
    };
    assert.equal(refusal([0, 0, 0, 0, 10]), 0);
    assert.equal(refusal([0, 0, 0, 0, 11]), 8);
    assert.equal(refusal([0, 255, 255, 255, 255]), 8);
    assert.equal(refusal([1, 0, 0, 0, 1]), 12);
  });

  test("[GRPC-2] the text of a status is percent-encoded UTF-8", () => {
    assert.equal(encodeStatusMessage("100% ‰\n"), "100%25 %E2%80%B0%0A");
    assert.equal(encodeStatusMessage("etcdserver: key not found"), "etcdserver: key not found");
  });

  test("[GRPC-6] deadlines have six units and at most eight digits", () => {
    const given = ["1H", "2M", "3S", "4m", "5000u", "6000000n"];
    assert.deepEqual(given.map(timeoutMs), [3_600_000, 120_000, 3_000, 4, 5, 6]);
    for (const malformed of ["", "S", "1", "1s", "123456789S", "-1S", "1.5S"])
      assert.throws(() => timeoutMs(malformed), RpcStatus);
  });
});
