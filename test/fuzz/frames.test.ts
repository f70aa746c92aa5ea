/**
 * The frames of the native protocol, given bytes that are nearly right and arrive in pieces: both sides read or refuse
 * them, and do either quickly; what is read can be written and reads the same.
 *
 * Structure-aware: real messages of every kind, most damage inside frames whose length is still right.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { utf8 } from "../../src/base/bytes.ts";
import type { Codec } from "../../src/base/codec.ts";
import type { Failure } from "../../src/base/errors.ts";
import { failure } from "../../src/base/errors.ts";
import type { Prng } from "../../src/base/prng.ts";
import type { ClusterOrder } from "../../src/contract/cluster.ts";
import type { KeyValue, Request, TxnRequest } from "../../src/contract/requests.ts";
import type { WatchEvent } from "../../src/contract/keyspace.ts";
import { FrameReader, FrameWriter } from "../../src/wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../../src/wire/native/messages.ts";
import { clientCodec, serverCodec } from "../../src/wire/native/messages.ts";
import { fuzz, INPUTS, mutate, WHOLE } from "./inputs.ts";

const FRAME_BYTES_MAX: number = 1 << 16;

function someKey(random: Prng): Bytes {
  return "k\xff\0\x80".repeat(random.below(20)).slice(0, random.below(60)) as Bytes;
}

function someTxn(random: Prng, depth: number): TxnRequest {
  const key = someKey(random);
  const inner: TxnRequest["success"] = depth > 0 ? [someTxn(random, depth - 1)] : [];
  return {
    kind: "txn",
    compare: [
      { key, result: "equal", target: { kind: "mod", value: random.u32() } },
      { key, end: key, result: "less", target: { kind: "value", value: key } },
      { key, result: "greater", target: { kind: "lease", value: BigInt(random.u32()) } },
    ],
    success: [{ kind: "put", key, value: key }, { kind: "deleteRange", key }, ...inner],
    failure: [{ kind: "range", key, end: key, limit: random.below(99), countOnly: true }],
  };
}

function someRequest(random: Prng): Request {
  const key = someKey(random);
  const id = BigInt(random.u32()) - BigInt(random.u32());
  return random.pick<Request>([
    { kind: "put", key, value: key, lease: id },
    { kind: "range", key, end: key, revision: random.below(99) },
    { kind: "run", procedure: "a/b@1", args: utf8('{"list":[1,"two",null]}'), prefix: key },
    { kind: "deleteRange", key },
    someTxn(random, random.below(6)),
    { kind: "leaseGrant", id, ttlMs: random.u32() },
    { kind: "leaseKeepAlive", id },
    { kind: "alarm", action: "get" },
    { kind: "status" },
    { kind: "callerOpen", id },
  ]);
}

function clientMessage(random: Prng): ClientMessage {
  const id = random.u32();
  const key = someKey(random);
  return random.pick<ClientMessage>([
    { kind: "hello", program: "billing", version: "0.1.0" },
    { kind: "request", id, request: someRequest(random) },
    {
      kind: "request",
      id,
      request: someRequest(random),
      caller: { id: 5n, sequence: id, firstUnacked: random.below(9) },
    },
    { kind: "watchOpen", id, request: { key, end: key, startRevision: -1, without: "put" } },
    { kind: "watchTaken", id, batches: random.below(99) },
    { kind: "watchCancel", id },
    { kind: "ping" },
    { kind: "snapshotOpen", id },
    {
      kind: "order",
      id,
      order: random.pick<ClusterOrder>([
        { kind: "list" },
        { kind: "add", name: "m", peerUrls: ["http://a:1", ""], learner: true },
        { kind: "promote", id },
        { kind: "update", id, peerUrls: ["http://b:2"] },
        { kind: "transfer", to: id },
      ]),
    },
  ]);
}

function someFailure(random: Prng): Failure {
  return failure("COMPACTED", {
    object: "watch k",
    what: "is gone",
    remedy: "Read.",
    holder: random.chance(1, 2) ? "ann@here" : undefined,
    details: { compactRevision: random.below(99) },
  });
}

function serverMessage(random: Prng): ServerMessage {
  const id = random.u32();
  const kv: KeyValue = {
    key: someKey(random),
    value: someKey(random),
    createRevision: 1,
    modRevision: random.u32(),
    version: 2,
    lease: -1n,
  };
  const event: WatchEvent = { kind: "put", kv, prevKv: random.chance(1, 2) ? kv : undefined };
  const events = Array.from({ length: random.below(4) }, () => event);
  const kvs = events.map((each) => each.kv);
  return random.pick<ServerMessage>([
    { kind: "hello", version: "0.1.0", cluster: "c", procedures: ["a/b@1", "c/d@2"] },
    {
      kind: "reply",
      id,
      of: "range",
      reply: { ok: true, response: { revision: id, kvs, more: false, count: kvs.length } },
    },
    { kind: "reply", id, of: "put", reply: { ok: false, failure: someFailure(random) } },
    { kind: "watchStarted", id, revision: random.below(99) },
    { kind: "watchBatch", id, batch: { revision: id, events, partial: false } },
    { kind: "watchEnded", id, failure: someFailure(random) },
    { kind: "goAway", failure: someFailure(random) },
    { kind: "snapshotPart", id, bytes: kv.value },
    { kind: "snapshotEnded", id, failure: random.chance(1, 2) ? someFailure(random) : undefined },
    { kind: "members", urls: ["http://a:1", "http://b:2"], leaderUrls: ["http://a:1"] },
    { kind: "ordered", id, reply: { ok: false, failure: someFailure(random) } },
    {
      kind: "ordered",
      id,
      reply: {
        ok: true,
        answer: {
          members: [{ id, name: "m", peerUrls: ["http://a:1"], clientUrls: [], learner: false }],
          leader: id,
          term: 3,
          added: 0,
        },
      },
    },
  ]);
}

/** Some frames; most are damaged behind their length. */
function someFrames<T>(codec: Codec<T>, random: Prng, make: (random: Prng) => T): Uint8Array {
  const writer = new FrameWriter(codec, FRAME_BYTES_MAX);
  const bounds = [0];
  for (let left = 1 + random.below(4); left > 0; left--) {
    assert.ok(writer.add(make(random)));
    bounds.push(writer.length);
  }
  const array = writer.take().slice();
  const damaged = random.below(bounds.length);
  const [start = 0, end = array.length] = bounds.slice(damaged);
  if (random.chance(1, 8)) mutate(random, array);
  else mutate(random, array.subarray(start + 4, end));
  return random.chance(1, 8) ? array.subarray(0, random.below(array.length + 1)) : array;
}

/** Reads `array` as it might arrive; how many messages there were. */
function readPieces<T>(codec: Codec<T>, random: Prng, array: Uint8Array): number {
  const reader = new FrameReader(codec, FRAME_BYTES_MAX);
  const again = new FrameReader(codec, 2 * FRAME_BYTES_MAX);
  let messages = 0;
  const check = (message: T): boolean => {
    messages++;
    if (random.chance(1, 8)) {
      const writer = new FrameWriter(codec, 2 * FRAME_BYTES_MAX);
      assert.ok(writer.add(message));
      again.push(writer.take());
      again.take((second) => {
        assert.deepEqual(second, message);
        return true;
      });
    }
    return random.chance(7, 8);
  };
  for (let at = 0; at < array.length;) {
    const end = Math.min(array.length, at + 1 + random.below(array.length));
    reader.push(array.subarray(at, end));
    reader.take(check);
    at = end;
  }
  return messages;
}

for (const [side, codec, make] of [
  ["a client", clientCodec, clientMessage],
  ["a server", serverCodec, serverMessage],
] as const) {
  test(`[NAT-7] ${INPUTS} damaged streams of frames from ${side} are read or refused as malformed`, () => {
    let messages = 0;
    const { accepted } = fuzz((random) => {
      const read = codec as Codec<unknown>;
      messages += readPieces(read, random, someFrames(read, random, make));
      return true;
    });
    if (!WHOLE) return;
    assert.ok(accepted > INPUTS / 20 && accepted < INPUTS, `${accepted} accepted`);
    assert.ok(messages > INPUTS / 2, `${messages} messages were read`);
  });
}
