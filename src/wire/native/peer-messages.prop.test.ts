/** Messages between members: every one comes back, and bytes that are none are refused as such. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter, Malformed } from "../../base/codec.ts";
import type { Prng } from "../../base/prng.ts";
import { prng } from "../../base/prng.ts";
import { encodeConfiguration } from "../../protocols/agreement/raft/configuration.ts";
import type {
  Configuration,
  Entry,
  Message,
  MessageBody,
} from "../../protocols/agreement/raft/messages.ts";
import { FrameReader, FrameWriter } from "./framing.ts";
import { PEER_FRAME_BYTES_MAX, peerCodec, TELLING } from "./peer-messages.ts";

const SEED = Number(process.env["QUORATE_SEED"] ?? 7);
const [FROM, TO] = [3, 9_007_199_254_740_991];
const codec = peerCodec(FROM, TO);

function uint(random: Prng): number {
  return random.pick([0, 1, 127, 128, random.below(1 << 30), Number.MAX_SAFE_INTEGER]);
}

function bytes(random: Prng, length: number): Uint8Array {
  return Uint8Array.from({ length: random.below(length) }, () => random.below(256));
}

function config(random: Prng): Configuration {
  const members = (): number[] => Array.from({ length: random.below(4) }, () => uint(random));
  return { voters: members(), outgoing: members(), learners: members() };
}

function entry(random: Prng, index: number): Entry {
  const kind = random.pick(["noop", "data", "config"] as const);
  const data = kind === "config" ? encodeConfiguration(config(random)) : bytes(random, 40);
  return { index, term: uint(random), kind, data };
}

/** One of each kind: the compiler says so if one is missing. */
const BODIES: { readonly [K in MessageBody["kind"]]: (random: Prng) => MessageBody } = {
  preVote: (r) => ({ kind: "preVote", lastIndex: uint(r), lastTerm: uint(r) }),
  preVoteReply: (r) => ({ kind: "preVoteReply", granted: r.chance(1, 2) }),
  vote: (r) => ({ kind: "vote", lastIndex: uint(r), lastTerm: uint(r), transfer: r.chance(1, 2) }),
  voteReply: (r) => ({ kind: "voteReply", granted: r.chance(1, 2) }),
  append: (r) => {
    const prevIndex = r.below(1 << 30);
    const entries = Array.from({ length: r.below(5) }, (_, at) => entry(r, prevIndex + 1 + at));
    return { kind: "append", prevIndex, prevTerm: uint(r), entries, commit: uint(r) };
  },
  appendReply: (r) => ({ kind: "appendReply", index: uint(r) }),
  appendRefused: (r) => ({
    kind: "appendRefused",
    prevIndex: uint(r),
    hintIndex: uint(r),
    hintTerm: uint(r),
  }),
  heartbeat: (r) => ({ kind: "heartbeat", commit: uint(r), round: uint(r) }),
  heartbeatReply: (r) => ({ kind: "heartbeatReply", round: uint(r) }),
  chunk: (r) => ({
    kind: "chunk",
    snapshot: { index: uint(r), term: uint(r), source: uint(r), config: config(r) },
    offset: uint(r),
    data: bytes(r, 100),
    last: r.chance(1, 2),
  }),
  chunkReply: (r) => ({ kind: "chunkReply", index: uint(r), next: uint(r) }),
  timeoutNow: () => ({ kind: "timeoutNow" }),
  outdated: () => ({ kind: "outdated" }),
};
const KINDS = Object.keys(BODIES) as (keyof typeof BODIES)[];

function message(random: Prng): Message {
  const body = BODIES[random.pick(KINDS)](random);
  const told = TELLING.has(body.kind) && random.chance(1, 2) ? { wallMs: uint(random) } : {};
  return { from: FROM, to: TO, term: uint(random), ...body, ...told } as Message;
}

function encoded(each: Message): Uint8Array {
  const writer = new ByteWriter();
  codec.encode(writer, each);
  return writer.take();
}

test(`[PEER-1] 20,000 messages come back as they were (seed ${SEED})`, () => {
  const random = prng(SEED);
  const seen = new Set<string>();
  for (let at = 0; at < 20_000; at++) {
    const sent = message(random);
    seen.add(sent.kind);
    const reader = new ByteReader(encoded(sent));
    assert.deepEqual(codec.decode(reader), sent);
    assert.ok(reader.done, sent.kind);
  }
  assert.equal(seen.size, KINDS.length);
});

test(`[PEER-2] cut short or changed, bytes are a message or Malformed, never anything else (seed ${SEED})`, () => {
  const random = prng(SEED + 1);
  let refused = 0;
  for (let at = 0; at < 60_000; at++) {
    const array = encoded(message(random));
    const changes = random.below(4);
    for (let change = 0; change < changes; change++)
      array[random.below(array.length)] = random.below(256);
    const cut = random.chance(1, 2) ? array : array.subarray(0, random.below(array.length));
    try {
      codec.decode(new ByteReader(cut));
    } catch (error) {
      assert.ok(error instanceof Malformed, String(error));
      refused++;
    }
  }
  assert.ok(refused > 10_000, `only ${refused} were refused`);
});

test("[PEER-2] a message that claims more than it holds is refused before anything is made of it", () => {
  const writer = new ByteWriter();
  codec.encode(writer, {
    from: FROM,
    to: TO,
    term: 1,
    kind: "append",
    prevIndex: 1,
    prevTerm: 1,
    entries: [],
    commit: 1,
  });
  const array = writer.take();
  const huge = new ByteWriter();
  huge.array(array.subarray(0, array.length - 1));
  huge.uint(Number.MAX_SAFE_INTEGER);
  assert.throws(() => codec.decode(new ByteReader(huge.take())), Malformed);
  const far = new ByteWriter();
  const data = new Uint8Array(0);
  const entries: readonly Entry[] = [{ index: 2 ** 53, term: 1, kind: "noop", data }];
  const prevIndex = Number.MAX_SAFE_INTEGER;
  const body = { kind: "append", prevIndex, prevTerm: 1, entries, commit: 1 } as const;
  codec.encode(far, { from: FROM, to: TO, term: 1, ...body });
  assert.throws(() => codec.decode(new ByteReader(far.take())), Malformed);
});

test(`[PEER-1] messages come back through frames that arrive in any pieces (seed ${SEED})`, () => {
  const random = prng(SEED + 2);
  const sent = Array.from({ length: 500 }, () => message(random));
  const writer = new FrameWriter(codec, PEER_FRAME_BYTES_MAX);
  for (const each of sent) assert.ok(writer.add(each));
  const stream = writer.take();
  const reader = new FrameReader(codec, PEER_FRAME_BYTES_MAX);
  const got: Message[] = [];
  for (let at = 0; at < stream.length;) {
    const next = Math.min(stream.length, at + 1 + random.below(200));
    reader.push(stream.slice(at, next));
    reader.take((each) => got.push(each) > 0);
    at = next;
  }
  assert.deepEqual(got, sent);
});
