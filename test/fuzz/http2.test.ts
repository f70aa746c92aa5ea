/**
 * HTTP/2, given bytes that are nearly right and arrive in pieces: header blocks are read or refused, and a connection ends
 * in an error that it tells its peer, or goes on; nothing is thrown, everybody who was told of a stream is told its end.
 *
 * Structure-aware: whole conversations of real frames, most damage inside payloads whose length is still right.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Prng } from "../../src/base/prng.ts";
import { ConnectionError } from "../../src/wire/http2/errors.ts";
import { FLAG, FRAME } from "../../src/wire/http2/frames.ts";
import { HpackDecoder } from "../../src/wire/http2/hpack-decoder.ts";
import { encodeBlock } from "../../src/wire/http2/hpack-encoder.ts";
import type { HeaderField } from "../../src/wire/http2/hpack-static.ts";
import * as by from "../http2/frames.ts";
import { errorsOf, frame, POST, Served } from "../http2/frames.ts";
import { TwinEncoder } from "../http2/hpack-twin.ts";
import { fuzz, INPUTS, mutate, WHOLE } from "./inputs.ts";

const HEAD = encodeBlock([[":status", "200"]]);

function someFields(random: Prng): readonly HeaderField[] {
  const more: readonly HeaderField[] = [
    ["content-type", "application/grpc"],
    ["grpc-timeout", `${random.below(99)}S`],
    ["te", "trailers"],
    ["content-length", `${random.below(20)}`],
  ];
  return [...POST, ...more.slice(random.below(5))];
}

test(`[H2-9] ${INPUTS} damaged header blocks are read or refused, and what is read reads the same when written`, () => {
  const { accepted } = fuzz((random) => {
    const twin = new TwinEncoder(random);
    const decoder = new HpackDecoder();
    try {
      for (let left = 1 + random.below(3); left > 0; left--) {
        const block = Uint8Array.from(twin.block(someFields(random), true));
        if (random.chance(1, 2)) mutate(random, block);
        const fields = decoder.decode(block, 0, block.length, 1 << 20);
        assert.ok(fields !== undefined, "a short block has no long list");
        const again = encodeBlock(fields);
        assert.deepEqual(new HpackDecoder().decode(again, 0, again.length, 1 << 20), fields);
      }
    } catch (error) {
      if (error instanceof ConnectionError && error.code === 9) return false;
      throw error;
    }
    return true;
  });
  if (!WHOLE) return;
  assert.ok(accepted > INPUTS / 20 && accepted < INPUTS, `${accepted} accepted`);
});

/** What an honest client might send: `last` is the newest of its streams. */
function honestFrame(random: Prng, twin: TwinEncoder, last: number, next: () => number): Buffer {
  const id = random.chance(3, 4) ? last : 1 + 2 * random.below((last + 1) / 2);
  const block = (): number[] => twin.block(someFields(random), true);
  if (last < 0 || random.chance(2, 5))
    return frame(FRAME.headers, FLAG.endHeaders | random.below(2), next(), block());
  return random.pick([
    () => by.data(id, Buffer.alloc(random.below(300)), random.below(2)),
    () => by.windowUpdate(random.pick([0, id]), 1 + random.below(1 << 20)),
    () => by.settings([4, random.below(1 << 20)], [1, random.below(5_000)]),
    () => by.rstStream(id, 8),
    () => by.ping(),
  ])();
}

function wildFrame(random: Prng, last: number, next: () => number): Buffer {
  const id = random.pick([0, 1, last, last + 1, last + 2]);
  const octets = Buffer.alloc(random.below(300), random.below(256));
  return random.pick([
    () => frame(FRAME.headers, random.below(64) & ~FLAG.endHeaders, next(), octets),
    () => frame(FRAME.continuation, random.below(8), id, octets),
    () => by.settings([random.below(7), random.u32() >>> random.below(32)]),
    () => by.windowUpdate(id, random.u32() >>> random.below(32)),
    () => by.data(id, octets, random.below(16)),
    () => frame(random.below(12), random.below(256), id, octets),
  ])();
}

/** A client's side, most of whose damage is inside payloads. */
function someConversation(random: Prng): Buffer {
  let last = -1;
  const nextId = (): number => (last += 2);
  const twin = new TwinEncoder(random);
  const frames = Array.from({ length: 1 + random.below(12) }, () => {
    const wild = random.chance(1, 12);
    const each = wild
      ? wildFrame(random, Math.max(1, last), nextId)
      : honestFrame(random, twin, last, nextId);
    if (random.chance(1, 12)) mutate(random, each.subarray(random.chance(1, 8) ? 0 : 9));
    return each;
  });
  const all = Buffer.concat([by.PREFACE, by.settings(), ...frames]);
  if (random.chance(1, 16)) mutate(random, all);
  return random.chance(1, 8) ? all.subarray(0, random.below(all.length + 1)) : all;
}

/** A service that answers, pauses, resets and writes at random. */
function serve(served: Served, random: Prng): void {
  served.onOpened = ({ stream }) => {
    if (random.chance(1, 8)) return stream.reset(8);
    stream.respond(HEAD, random.chance(1, 8));
    if (random.chance(1, 4)) stream.pause();
  };
  served.onReceived = ({ stream }, part) => {
    if (!stream.localEnded && stream.trailers === undefined) stream.write(part);
  };
  served.onFinished = ({ stream }) => {
    if (!stream.localEnded && stream.trailers === undefined) stream.end(HEAD);
  };
}

test(`[H2-9] ${INPUTS} damaged conversations end in an error that is said, or go on`, () => {
  const ends = new Map<string, number>();
  let streams = 0;
  const { accepted } = fuzz((random) => {
    const served = new Served();
    serve(served, random);
    const all = someConversation(random);
    const errors: string[] = [];
    for (let at = 0; at < all.length;) {
      const end = at + 1 + random.below(all.length);
      errors.push(...errorsOf(served.send(all.subarray(at, end))));
      if (random.chance(1, 4)) for (const { stream } of served.told.values()) stream.resume();
      at = end;
    }
    const away = errors.filter((each) => each.startsWith("GOAWAY"));
    assert.equal(away.length, served.connection.over ? 1 : 0, "an end is said once");
    served.connection.lost();
    for (const { closed } of served.told.values()) assert.equal(closed, 1);
    streams += served.told.size;
    const how = away[0] ?? "goes on";
    ends.set(how, (ends.get(how) ?? 0) + 1);
    return away.length === 0;
  });
  if (!WHOLE) return;
  assert.ok(accepted > INPUTS / 20 && accepted < INPUTS, `${accepted} accepted`);
  assert.ok(streams > INPUTS / 2, `${streams} streams`);
  for (const code of [1, 3, 5, 6, 9])
    assert.ok((ends.get(`GOAWAY ${code}`) ?? 0) > INPUTS / 1_000, `GOAWAY ${code} was seen`);
});
