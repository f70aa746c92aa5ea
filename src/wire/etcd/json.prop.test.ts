/** Messages as JSON: round trips, the spellings of etcd's gateway, what is refused, streams cut at random. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Bytes } from "../../base/bytes.ts";
import { fromBase64, toBase64 } from "../base64.ts";
import { RpcStatus } from "../grpc/status.ts";
import { JsonValues } from "../json-values.ts";
import type { Message } from "../protobuf.ts";
import { CLUSTER } from "./cluster.ts";
import { parseJson, toJson } from "./json.ts";
import {
  AlarmRequest,
  KeyValue,
  LeaseGrantRequest,
  PutRequest,
  RangeRequest,
  StatusResponse,
  TxnRequest,
  WatchRequest,
  WatchResponse,
} from "./messages.ts";
import { fieldNames } from "./names.ts";

const bytes = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 })
  .map((codes) => String.fromCharCode(...codes) as Bytes);
const safe = fc.maxSafeInteger();
const big = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

/** Any value of `message`, a few levels deep. */
function anyOf(message: Message<object>, depth = 3): fc.Arbitrary<object> {
  const fields = message.fields.map(([name, field]) => {
    if (field.type === "message" && depth === 0) return [name, fc.constant(field.zero)];
    const one: fc.Arbitrary<unknown> = {
      bytes,
      string: fc.string(),
      bool: fc.boolean(),
      int64: fieldNames(message)[name]?.unsigned === true ? fc.maxSafeNat() : safe,
      big64: big,
      int32: fc.integer({ min: 0, max: 4 }),
      message:
        field.message === undefined ? fc.constant(undefined) : anyOf(field.message, depth - 1),
    }[field.type];
    if (field.repeated) return [name, fc.array(one, { maxLength: 3 })];
    return [name, field.type === "message" ? fc.option(one, { nil: undefined }) : one];
  });
  const record = fc.record(Object.fromEntries(fields) as Record<string, fc.Arbitrary<unknown>>, {
    noNullPrototype: true,
  });
  return record as fc.Arbitrary<object>;
}

describe("JSON of messages", () => {
  for (const [name, message] of Object.entries({
    KeyValue,
    RangeRequest,
    WatchRequest,
    WatchResponse,
    StatusResponse,
    AlarmRequest,
    Members: CLUSTER.list.response,
  })) {
    test(`[GW-1] what is read is what was written (random ${name})`, () => {
      const shape = message as unknown as Message<object>;
      fc.assert(
        fc.property(anyOf(shape), (value) => {
          const text = JSON.stringify(toJson(shape, value));
          assert.deepEqual(parseJson(shape, text), value);
        }),
        { numRuns: 200 },
      );
    });
  }

  test("[GW-1] names, words and numbers are etcd's (worked by hand)", () => {
    const status = {
      leader: -1n,
      raftTerm: 2,
      dbSize: 3,
      errors: ["e"],
      header: { memberId: -2n },
    };
    assert.deepEqual(toJson(StatusResponse as unknown as Message<object>, status), {
      header: { member_id: "18446744073709551614" },
      dbSize: "3",
      leader: "18446744073709551615",
      raftTerm: "2",
      errors: ["e"],
    });
    const event = { type: 1, kv: { key: "a" as Bytes, modRevision: 5, lease: -1n } };
    assert.deepEqual(toJson(WatchResponse as unknown as Message<object>, { events: [event] }), {
      events: [{ type: "DELETE", kv: { key: "YQ==", mod_revision: "5", lease: "-1" } }],
    });
  });

  test("[GW-2] requests are read in either spelling, numbers as numbers or strings (table)", () => {
    const txn = parseJson(
      TxnRequest,
      `{"compare":[{"key":"YQ==","target":"MOD","result":2,"modRevision":"7"}],
        "success":[{"requestPut":{"key":"YQ==","prev_kv":true,"lease":9223372036854775807}}],
        "failure":null,"unknown":{"a":[1]}}`,
    );
    assert.equal(txn.compare[0]?.modRevision, 7);
    assert.equal(txn.compare[0]?.target, 2);
    assert.equal(txn.compare[0]?.result, 2);
    assert.equal(txn.success[0]?.put?.lease, 2n ** 63n - 1n);
    assert.equal(txn.success[0]?.put?.prevKv, true);
    assert.deepEqual(txn.failure, []);
    assert.equal(
      parseJson(LeaseGrantRequest, `{"ID": 7587862094292867075}`).id,
      7587862094292867075n,
    );
    assert.equal(
      parseJson(LeaseGrantRequest, `{"TTL": "9223372036854775807"}`).ttl,
      Number.MAX_SAFE_INTEGER,
    );
    assert.equal(
      parseJson(PutRequest, `{"value":"${toBase64('x:1234567890123456789"' as Bytes)}"}`).value
        .length,
      22,
    );
    assert.equal(parseJson(PutRequest, "null").key, "");
  });

  test("[GW-3] what does not fit is refused, and nothing else is thrown (table)", () => {
    const refused: readonly (readonly [Message<never>, string])[] = [
      [PutRequest, "nonsense"],
      [PutRequest, "[1]"],
      [PutRequest, "5"],
      [PutRequest, `{"key":"YQ"}`],
      [PutRequest, `{"key":"Y-Q_"}`],
      [PutRequest, `{"key":5}`],
      [PutRequest, `{"prev_kv":"true"}`],
      [RangeRequest, `{"limit":"x"}`],
      [RangeRequest, `{"limit":1.5}`],
      [RangeRequest, `{"limit":"9223372036854775808"}`],
      [RangeRequest, `{"sort_order":"WHAT"}`],
      [TxnRequest, `{"success":{}}`],
      [TxnRequest, `{"success":[null]}`],
      [TxnRequest, `${'{"success":[{"requestTxn":'.repeat(100)}{}${"}]}".repeat(100)}`],
      [AlarmRequest, `{"memberID":"-1"}`],
    ] as never;
    for (const [message, text] of refused)
      assert.throws(
        () => parseJson(message, text),
        (error) => error instanceof RpcStatus && error.code === 3,
        text,
      );
    assert.deepEqual(Object.keys(parseJson(PutRequest, `{"__proto__":{"key":"YQ=="}}`)).length, 6);
  });

  test("[GW-1] base64 is that of everybody else (random bytes)", () => {
    fc.assert(
      fc.property(bytes, (value) => {
        const text = toBase64(value);
        assert.equal(text, Buffer.from(value, "latin1").toString("base64"));
        assert.equal(fromBase64(text), value);
      }),
    );
  });

  test("[GW-4] values come out of a stream as they went in, however it is cut (random cuts)", () => {
    const values = fc.array(
      fc.dictionary(fc.string({ unit: "binary" }), fc.oneof(fc.string(), fc.array(fc.string())), {
        noNullPrototype: true,
      }),
    );
    fc.assert(
      fc.property(
        values,
        fc.constantFrom("", " ", "\n"),
        fc.integer({ min: 1, max: 40 }),
        (all, gap, cut) => {
          const whole = Buffer.from(all.map((each) => JSON.stringify(each)).join(gap));
          const seen: unknown[] = [];
          const reader = new JsonValues(1 << 20);
          const each = (text: string): void => void seen.push(JSON.parse(text));
          for (let at = 0; at < whole.length; at += cut)
            reader.push(whole.subarray(at, at + cut), each);
          reader.end(each);
          assert.deepEqual(seen, all);
        },
      ),
      { numRuns: 300 },
    );
  });

  test("[GW-4] a value beyond the limit is refused before it is kept (endless value)", () => {
    const reader = new JsonValues(1_000);
    const chunk = Buffer.from(`{"a":"${"x".repeat(300)}`);
    assert.throws(
      () => {
        for (;;) reader.push(chunk, () => {});
      },
      (error) => error instanceof RpcStatus && error.code === 8,
    );
  });
});
