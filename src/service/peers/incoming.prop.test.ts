/** Connections that say nearly what a member says: they are answered or ended, and let in only as who they are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toArray } from "../../base/bytes.ts";
import { FORMATS } from "../../contract/formats.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import { silentMeter } from "../../ports/meter.ts";
import type { ByteStream } from "../../ports/network.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import type { PeerAnswer, PeerOpening } from "../../wire/native/peer-handshake.ts";
import {
  answerCodec,
  HANDSHAKE_BYTES_MAX,
  openingCodec,
  PEER_MAGIC,
  peerVersions,
} from "../../wire/native/peer-handshake.ts";
import { helloOf } from "./handshake.ts";
import { PeerLinks } from "./peer-links.ts";

const IDLE: Cancel = () => {};
/** Time does not pass; what is to be soon is at once. */
const still: Clock = {
  monotonicMs: () => 0,
  wallMs: () => 0,
  after: () => IDLE,
  soon: (fire) => fire(),
};
const VERSION = peerVersions(FORMATS).newest;
const SHOWN = {
  formats: FORMATS,
  name: "m",
  cluster: "7",
  peerUrls: ["http://a:1"],
  clientUrls: [],
};

/** What came of the bytes that were sent. */
interface Came {
  readonly answers: readonly PeerAnswer[];
  readonly isEnded: boolean;
  readonly identified: readonly number[];
}

function came(pieces: readonly Uint8Array[]): Came {
  const answers: PeerAnswer[] = [];
  const identified: number[] = [];
  let isEnded = false;
  const reader = new FrameReader<PeerAnswer>(answerCodec, HANDSHAKE_BYTES_MAX);
  const stream: ByteStream = {
    peer: "test",
    write: (bytes) => {
      reader.push(bytes);
      reader.take((answer) => answers.push(answer) > 0);
      return true;
    },
    pause: () => {},
    resume: () => {},
    keepAlive: () => {},
    destroy: () => (isEnded = true),
    end: () => (isEnded = true),
  };
  const links = new PeerLinks({
    self: { ...SHOWN, id: 2 },
    dial: () => new Promise(() => {}),
    clock: still,
    entropy: { u32: () => 0 },
    meter: silentMeter,
  });
  links.attach({
    received: () => {},
    lost: () => {},
    identified: (member) => void identified.push(member),
  });
  links.begin("22");
  const handler = links.accept(stream);
  for (const piece of pieces) handler.received(piece);
  return { answers, isEnded, identified };
}

function opening(message: PeerOpening): Uint8Array {
  const writer = new FrameWriter<PeerOpening>(openingCodec, HANDSHAKE_BYTES_MAX);
  writer.add(message);
  const magic = toArray(PEER_MAGIC);
  const frame = writer.take();
  const all = new Uint8Array(magic.length + frame.length);
  all.set(magic);
  all.set(frame, magic.length);
  return all;
}

const hello = helloOf({ ...SHOWN, id: 1, identity: "11" }, { id: 2, identity: "" }, "bulk");

function pieces(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % bytes.length))].toSorted((a, b) => a - b);
  return [...at, bytes.length].map((end, index) => bytes.slice(at[index - 1] ?? 0, end));
}

test("[PEER-2] an opening in any pieces is answered once (any cuts)", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(200), { maxLength: 8 }), (cuts) => {
      const welcome = came(pieces(opening(hello), cuts));
      assert.deepEqual(welcome.answers, [{ kind: "welcome", version: VERSION, identity: "22" }]);
      assert.deepEqual([welcome.isEnded, welcome.identified], [false, [1]]);
      const told = came(pieces(opening({ kind: "ask" }), cuts));
      assert.deepEqual(told.answers, [{ kind: "told", cluster: "7", members: [] }]);
      assert.deepEqual([told.isEnded, told.identified], [true, []]);
    }),
  );
});

test("[PEER-2] a spoilt opening is answered, waited for or ended, and lets in only who is of the cluster (any damage)", () => {
  const damage = fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(damage, fc.nat(200), fc.uint8Array({ maxLength: 40 }), (changes, cut, more) => {
      const whole = opening(hello);
      for (const [at, byte] of changes) whole[at % whole.length] = byte;
      const rest = cut % 3 === 0 ? whole.subarray(0, cut % whole.length) : whole;
      const { answers, isEnded, identified } = came([rest, more]);
      assert.ok(answers.length <= 1);
      const [answer] = answers;
      if (answer?.kind === "refused" || answer?.kind === "told") assert.ok(isEnded);
      if (answer?.kind !== "welcome") assert.deepEqual(identified, []);
      else assert.equal(identified.length, 1);
    }),
    { numRuns: 5_000 },
  );
});
