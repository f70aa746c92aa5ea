/**
 * Whole conversations: a client that keeps the rules, with random requests, cuts, padding, windows and pauses of the
 * service, gets back what it sent, and is never sent more than it allowed.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Prng } from "../../src/base/prng.ts";
import { prng } from "../../src/base/prng.ts";
import { encodeBlock } from "../../src/wire/http2/hpack-encoder.ts";
import { FLAG, FRAME } from "../../src/wire/http2/frames.ts";
import * as by from "./frames.ts";
import type { Frame, Told } from "./frames.ts";
import { frame, framesOf, POST, Served } from "./frames.ts";
import { TwinEncoder } from "./hpack-twin.ts";

const STEPS_MAX = 200_000;
const HEAD = encodeBlock([[":status", "200"]]);
const TRAILERS = encodeBlock([["grpc-status", "0"]]);

/** A stream as its client sees it. */
interface Request {
  readonly id: number;
  readonly body: Buffer;
  sent: number;
  ended: boolean;
  opened: boolean;
  window: number;
  /** What the server has allowed of this stream. */
  allowed: number;
  answer: Buffer;
  answered: boolean;
}

class Conversation {
  readonly #random: Prng;
  readonly #served = new Served();
  readonly #twin: TwinEncoder;
  readonly #requests: Request[];
  readonly #echoed: Told[] = [];
  readonly #initialWindow: number;
  #window = 65_535;
  #allowed = 65_535;
  #ofStream = 65_535;
  /** Not yet given to the server. */
  #wire: Buffer[] = [by.PREFACE];

  constructor(random: Prng) {
    this.#random = random;
    this.#twin = new TwinEncoder(random);
    this.#initialWindow = random.pick([1, 100, 65_535, 1 << 20]);
    this.#wire.push(by.settings([4, this.#initialWindow]));
    this.#requests = Array.from({ length: 1 + random.below(6) }, (_, at) => this.#request(at));
    this.#served.onOpened = (told): void => this.#echoes(told);
    this.#served.onReceived = (told, part): void => {
      if (!told.stream.write(part)) told.stream.pause();
    };
    this.#served.onDrained = ({ stream }): void => stream.resume();
    this.#served.onFinished = ({ stream }): void => stream.end(TRAILERS);
  }

  #request(at: number): Request {
    const long = this.#initialWindow > 100 && this.#random.chance(1, 3);
    const length = this.#random.below(long ? 300_000 : 300);
    const body = Buffer.from(Array.from({ length: 64 }, () => this.#random.below(256)));
    return {
      id: 2 * at + 1,
      body: Buffer.alloc(length, body),
      ...{ sent: 0, ended: false, opened: false, window: 0, allowed: 0 },
      ...{ answer: Buffer.alloc(0), answered: false },
    };
  }

  #echoes(told: Told): void {
    this.#echoed.push(told);
    told.stream.respond(HEAD, false);
    if (this.#random.chance(1, 4)) told.stream.pause();
  }

  run(): void {
    for (let step = 0; !this.#requests.every(({ answered }) => answered); step++) {
      assert.ok(step < STEPS_MAX, "the conversation comes to an end");
      this.#step();
    }
    for (const { id, answer, body } of this.#requests)
      assert.ok(answer.equals(body), `stream ${id}: ${answer.length} of ${body.length} bytes`);
    for (const told of this.#echoed) assert.equal(told.closed, 1);
  }

  #step(): void {
    switch (this.#random.below(5)) {
      case 0:
        return this.#say();
      case 1:
        return this.#deliver();
      case 2:
        return this.#take();
      case 3:
        return this.#allow();
      default:
        for (const { stream } of this.#echoed)
          if (!stream.wantsDrain && this.#random.chance(1, 2)) stream.resume();
    }
  }

  /** The next frame of some request. */
  #say(): void {
    const request = this.#random.pick(this.#requests);
    const next = this.#requests.find(({ opened }) => !opened);
    if (!request.opened) return next === undefined ? undefined : this.#open(next);
    if (request.ended) return;
    const padding = this.#random.chance(1, 8) ? this.#random.below(256) : 0;
    const around = padding > 0 ? padding + 1 : 0;
    const most = Math.min(this.#ofWindows(request) - around, 16_384 - around);
    const bytes = Math.min(request.body.length - request.sent, this.#random.below(16_385), most);
    if (bytes < 0 || (bytes === 0 && request.sent < request.body.length)) return;
    const part = request.body.subarray(request.sent, request.sent + bytes);
    request.sent += bytes;
    request.allowed -= bytes + around;
    this.#allowed -= bytes + around;
    request.ended = request.sent === request.body.length && this.#random.chance(1, 2);
    const payload = padding > 0 ? [padding, ...part, ...Buffer.alloc(padding)] : part;
    const flags = (request.ended ? FLAG.endStream : 0) | (padding > 0 ? FLAG.padded : 0);
    if (bytes > 0 || request.ended) this.#wire.push(by.data(request.id, payload, flags));
  }

  #ofWindows({ allowed }: Request): number {
    return Math.min(allowed, this.#allowed);
  }

  #open(request: Request): void {
    const block = Buffer.from(this.#twin.block([...POST, ["x-id", `${request.id % 4}`]], true));
    const cut = this.#random.below(block.length);
    const pieces = this.#random.chance(1, 4)
      ? [block.subarray(0, cut), block.subarray(cut)]
      : [block];
    for (const [at, piece] of pieces.entries()) {
      const flags = at === pieces.length - 1 ? FLAG.endHeaders : 0;
      this.#wire.push(
        frame(at === 0 ? FRAME.headers : FRAME.continuation, flags, request.id, piece),
      );
    }
    request.opened = true;
    request.window = this.#initialWindow;
    request.allowed = this.#ofStream;
  }

  /** Some of what was said arrives, cut anywhere. */
  #deliver(): void {
    const all = Buffer.concat(this.#wire);
    const end = this.#random.chance(1, 4) ? this.#random.below(all.length + 1) : all.length;
    this.#wire = [all.subarray(end)];
    for (let at = 0; at < end;) {
      const next = Math.min(end, at + 1 + this.#random.below(this.#random.pick([3, 40, 40_000])));
      const { connection } = this.#served;
      // At times it is told to leave the rest for later, or to go on, or gets more before it has.
      this.#served.isTired = this.#random.chance(1, 3);
      connection.received(Uint8Array.from(all.subarray(at, next)), 0);
      this.#served.isTired = false;
      if (next === end || this.#random.chance(1, 2)) connection.goOn(0);
      at = next;
    }
  }

  #take(): void {
    const bytes = this.#served.connection.take();
    for (const each of bytes === undefined ? [] : framesOf(bytes)) this.#read(each);
  }

  #read({ type, flags, stream, payload }: Frame): void {
    const request = this.#requests[(stream - 1) / 2];
    if (type === FRAME.data && request !== undefined) {
      request.answer = Buffer.concat([request.answer, payload]);
      request.window -= payload.length;
      this.#window -= payload.length;
      assert.ok(request.window >= 0 && this.#window >= 0, "no more than was allowed");
    } else if (type === FRAME.headers && request !== undefined)
      request.answered = (flags & FLAG.endStream) !== 0;
    else if (type === FRAME.windowUpdate) {
      if (request === undefined) this.#allowed += payload.readUInt32BE();
      else request.allowed += payload.readUInt32BE();
    } else if (type === FRAME.settings && flags === 0) this.#settled(payload.readUInt32BE(8));
    else assert.deepEqual([type, flags], [FRAME.settings, FLAG.ack]);
  }

  #settled(window: number): void {
    for (const request of this.#requests) request.allowed += window - this.#ofStream;
    this.#ofStream = window;
  }

  /** The client opens a window. */
  #allow(): void {
    const by1 = 1 + this.#random.below(this.#random.pick([3, 100_000]));
    const request = this.#random.pick(this.#requests);
    if (this.#random.chance(1, 2)) {
      this.#window += by1;
      this.#wire.push(by.windowUpdate(0, by1));
    } else if (request.opened && !request.answered && request.window < 1 << 24) {
      request.window += by1;
      this.#wire.push(by.windowUpdate(request.id, by1));
    }
  }
}

describe("Conversations over HTTP/2", () => {
  test("[H2-8] what a client sends comes back whole, however it is cut, within all windows (random conversations)", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (seed) => {
        new Conversation(prng(seed)).run();
      }),
      { numRuns: 150 },
    );
  });
});
