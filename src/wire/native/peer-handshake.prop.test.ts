/** The frames of a handshake: they come back as they were, and other bytes are refused as such. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Codec } from "../../base/codec.ts";
import { ByteReader, ByteWriter, Malformed } from "../../base/codec.ts";
import type { PeerAnswer, PeerOpening } from "./peer-handshake.ts";
import { answerCodec, laneCodec, openingCodec } from "./peer-handshake.ts";

const uints = fc.maxSafeNat();
const texts = fc.string({ unit: "grapheme", maxLength: 20 });
const urls = fc.array(texts, { maxLength: 3 });

const openings: fc.Arbitrary<PeerOpening> = fc.oneof(
  fc.constant({ kind: "ask" } as const),
  fc.record({
    kind: fc.constant("hello" as const),
    oldest: uints,
    newest: uints,
    cluster: texts,
    from: uints,
    identity: texts,
    name: texts,
    peerUrls: urls,
    clientUrls: urls,
    to: uints,
    toIdentity: texts,
    lane: fc.constantFrom("prompt", "bulk", "requests"),
  }),
);

const answers: fc.Arbitrary<PeerAnswer> = fc.oneof(
  fc.record({ kind: fc.constant("welcome" as const), version: uints, identity: texts }),
  fc.record({
    kind: fc.constant("refused" as const),
    reason: fc.constantFrom("version", "cluster", "member", "identity", "removed"),
    what: texts,
  }),
  fc.record({
    kind: fc.constant("told" as const),
    cluster: texts,
    members: fc.array(
      fc.record({
        id: uints,
        name: texts,
        peerUrls: urls,
        clientUrls: urls,
        learner: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
  }),
);

function bytesOf<T>(codec: Codec<T>, value: T): Uint8Array {
  const writer = new ByteWriter();
  codec.encode(writer, value);
  return writer.take();
}

/** Without prototypes and what is undefined. */
function plain(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}

function survives<T>(codec: Codec<T>, value: T): void {
  const reader = new ByteReader(bytesOf(codec, value));
  assert.deepEqual(plain(codec.decode(reader)), plain(value));
  assert.ok(reader.done);
}

test("[PEER-1] openings and answers come back as they were (any)", () => {
  fc.assert(fc.property(openings, (opening) => survives(openingCodec, opening)));
  fc.assert(fc.property(answers, (answer) => survives(answerCodec, answer)));
  survives(laneCodec(1, 2), undefined);
});

test("[PEER-2] openings and answers that are cut or changed are read or Malformed (any)", () => {
  const spoilt = <T>(codec: Codec<T>, values: fc.Arbitrary<T>): void =>
    fc.assert(
      fc.property(values, uints, fc.nat(255), fc.boolean(), (value, at, byte, isCut) => {
        const array = bytesOf(codec, value);
        array[at % array.length] = byte;
        const end = isCut ? at % (array.length + 1) : array.length;
        try {
          codec.decode(new ByteReader(array.subarray(0, end)));
        } catch (error) {
          assert.ok(error instanceof Malformed, String(error));
        }
      }),
      { numRuns: 3_000 },
    );
  spoilt(openingCodec, openings);
  spoilt(answerCodec, answers);
});
