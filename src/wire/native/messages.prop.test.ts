/** What is written out by hand for speed has the bytes that a struct of the same fields has, and comes back as it was. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromArray } from "../../base/bytes.ts";
import type { Codec } from "../../base/codec.ts";
import {
  booleanCodec,
  ByteReader,
  ByteWriter,
  bytesCodec,
  int64Codec,
  Malformed,
  optional,
  struct,
  uintCodec,
} from "../../base/codec.ts";
import {
  callerStampCodec,
  keyValueCodec,
  requestCodec,
  responseCodecs,
} from "../../contract/request-codec.ts";
import type { CallerStamp, PutRequest, PutResponse, Request } from "../../contract/requests.ts";
import { clientCodec } from "./messages.ts";

const PUT = 0;
const REQUEST = 1;

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => fromArray(array));
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint = fc.maxSafeNat();
/** The fields of `T` in any combination, as plain objects; those outside `required` may be absent. */
function records<T>(fields: Record<string, fc.Arbitrary<unknown>>, required: readonly string[]) {
  return fc
    .record(fields, { requiredKeys: required as never[] })
    .map((each) => ({ ...each }) as unknown as T);
}

type PutBody = Omit<PutRequest, "kind">;
const putOfFields = struct<PutBody>({
  key: bytesCodec,
  value: bytesCodec,
  lease: optional(int64Codec),
  prevKv: optional(booleanCodec),
  ignoreValue: optional(booleanCodec),
  ignoreLease: optional(booleanCodec),
});
const puts = records<PutBody>(
  {
    key: bytes,
    value: bytes,
    lease: int64,
    prevKv: fc.boolean(),
    ignoreValue: fc.boolean(),
    ignoreLease: fc.boolean(),
  },
  ["key", "value"],
);
const stampOfFields = struct<CallerStamp>({
  id: int64Codec,
  sequence: uintCodec,
  firstUnacked: uintCodec,
});
const stamps = records<CallerStamp>({ id: int64, sequence: uint, firstUnacked: uint }, [
  "id",
  "sequence",
  "firstUnacked",
]);
const kvs = records<NonNullable<PutResponse["prevKv"]>>(
  {
    key: bytes,
    value: bytes,
    createRevision: uint,
    modRevision: uint,
    version: uint,
    lease: int64,
  },
  ["key", "value", "createRevision", "modRevision", "version", "lease"],
);
const answerOfFields = struct<PutResponse>({
  revision: uintCodec,
  prevKv: optional(keyValueCodec),
});
const answers = records<PutResponse>({ revision: uint, prevKv: kvs }, ["revision"]);

interface Frame {
  readonly id: number;
  readonly request: Request;
  readonly caller?: CallerStamp | undefined;
}
const frameOfFields = struct<Frame>({
  id: uintCodec,
  request: requestCodec,
  caller: optional(callerStampCodec),
});
const requests: fc.Arbitrary<Request> = fc.oneof(
  puts.map((put) => ({ kind: "put" as const, ...put })),
  fc.constant({ kind: "status" as const }),
);
const frames = records<Frame>({ id: uint, request: requests, caller: stamps }, ["id", "request"]);

function bytesOf<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new ByteWriter();
  codec.encode(writer, value);
  return writer.take();
}

/** `written` writes and reads what `codec` does, behind a byte that says the kind where there is one. */
function same<T>(codec: Codec<T>, value: T, written: Codec<never>, kind?: string, code?: number) {
  const whole = kind === undefined ? value : { ...value, kind };
  const expected = [...(code === undefined ? [] : [code]), ...bytesOf(codec, value)];
  const found = bytesOf(written, whole as never);
  assert.deepEqual([...found], expected);
  const reader = new ByteReader(found);
  assert.deepEqual(written.decode(reader), whole);
  assert.ok(reader.done);
  for (let end = 0; end < found.length; end++)
    assert.throws(() => written.decode(new ByteReader(found, 0, end)), Malformed);
}

test("[NAT-12] what is written out by hand is what a struct writes and reads (any)", () => {
  const any = <T>(values: fc.Arbitrary<T>, check: (value: T) => void): void =>
    fc.assert(fc.property(values, check));
  any(puts, (put) => same(putOfFields, put, requestCodec as Codec<never>, "put", PUT));
  any(stamps, (stamp) => same(stampOfFields, stamp, callerStampCodec as Codec<never>));
  any(answers, (answer) => same(answerOfFields, answer, responseCodecs.put as Codec<never>));
  any(frames, (frame) =>
    same(frameOfFields, frame, clientCodec as Codec<never>, "request", REQUEST),
  );
});
