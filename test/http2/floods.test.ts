/** What a client may make a server do for nothing, and where that ends. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeBlock } from "../../src/wire/http2/hpack-encoder.ts";
import { FLAG, FRAME } from "../../src/wire/http2/frames.ts";
import * as by from "./frames.ts";
import { errorsOf, frame, POST, Served } from "./frames.ts";

const CALM = "GOAWAY 11";
const ALL = FLAG.endStream | FLAG.endHeaders;
const block = encodeBlock(POST);
const request = (id: number, flags: number): Buffer => frame(FRAME.headers, flags, id, block);

/** How many times `each` can be said, ten a millisecond, until the connection ends; at most `most`. */
function timesUntilCalm(
  served: Served,
  most: number,
  perMs: number,
  each: (at: number) => Buffer,
): number {
  for (let at = 0; at < most; at++) {
    if (at % perMs === 0) served.nowMs++;
    const errors = errorsOf(served.send(each(at)));
    if (errors.includes(CALM)) return at;
  }
  return most;
}

const id = (at: number): number => 2 * at + 1;

describe("Floods over HTTP/2", () => {
  test("[H2-7] a client may give up 10,000 calls at once, all that it can have open", () => {
    const served = Served.begun();
    for (let at = 0; at < 10_000; at++) served.send(request(id(at), FLAG.endHeaders));
    for (let at = 0; at < 10_000; at++)
      assert.deepEqual(errorsOf(served.send(by.rstStream(id(at), 8))), []);
    assert.equal(served.connection.over, false);
  });

  test("[H2-7] rapid reset: beyond 10,000 at once and 1,000/s the connection ends", () => {
    const reset = (at: number): Buffer =>
      Buffer.concat([request(id(at), FLAG.endHeaders), by.rstStream(id(at), 8)]);
    const fast = timesUntilCalm(Served.begun(), 20_000, 10, reset);
    assert.ok(fast > 10_000 && fast < 12_000, `${fast} resets`);
    assert.equal(timesUntilCalm(Served.begun(), 30_000, 1, reset), 30_000);
  });

  test("[H2-11] resets count for whoever sends them, on every connection (2 connections)", () => {
    let left = 150;
    const reset = (at: number): Buffer =>
      Buffer.concat([request(id(at), FLAG.endHeaders), by.rstStream(id(at), 8)]);
    const counted = (): Served => {
      const served = new Served();
      served.wasted = (): boolean => left-- > 0;
      served.send(by.PREFACE, by.settings());
      return served;
    };
    assert.equal(timesUntilCalm(counted(), 100, 10, reset), 100);
    const again = timesUntilCalm(counted(), 100, 10, reset);
    assert.ok(again >= 50 && again <= 60, `${again} resets`);
  });

  test("[H2-12] a connection that is tired reads no frame until it is told to go on, and loses none", () => {
    const served = Served.begun();
    served.isTired = true;
    assert.deepEqual(served.send(by.ping(), by.ping()), []);
    assert.equal(served.connection.behind, true);
    served.send(by.ping());
    served.isTired = false;
    served.connection.goOn(0);
    assert.equal(served.pings, 3);
    assert.equal(served.connection.behind, false);
  });

  test("[H2-7] made you reset: streams that we reset for the client's mistakes count the same", () => {
    for (const mistake of [
      (at: number) => by.windowUpdate(id(at), 0),
      (at: number) => by.windowUpdate(id(at), 0x7fff_ffff),
    ]) {
      const times = timesUntilCalm(Served.begun(), 20_000, 100, (at) =>
        Buffer.concat([request(id(at), FLAG.endHeaders), mistake(at)]),
      );
      assert.ok(times >= 10_000 && times < 10_600, `${times} mistakes`);
    }
    const malformed = encodeBlock([[":method", "POST"]]);
    const times = timesUntilCalm(Served.begun(), 20_000, 100, (at) =>
      frame(FRAME.headers, ALL, id(at), malformed),
    );
    assert.ok(times >= 10_000 && times < 10_600, `${times} malformed requests`);
  });

  test("[H2-7] the stream beyond 10,000 is refused, and the others go on", () => {
    const served = Served.begun();
    for (let at = 0; at < 10_000; at++)
      assert.deepEqual(served.send(request(id(at), FLAG.endHeaders)), []);
    assert.deepEqual(errorsOf(served.send(request(20_001, FLAG.endHeaders))), [
      "RST_STREAM 20001 7",
    ]);
    assert.equal(served.told.has(20_001), false);
    served.send(by.data(1, [1]));
    assert.equal(served.stream(1).content.length, 1);
    served.send(by.rstStream(3, 8));
    assert.deepEqual(served.send(request(20_003, FLAG.endHeaders)), []);
    assert.equal(served.told.has(20_003), true);
  });

  for (const [what, useless] of [
    ["SETTINGS", () => by.settings()],
    ["PRIORITY", () => frame(FRAME.priority, 0, 99, [0, 0, 0, 0, 1])],
    ["DATA without content", () => by.data(1, [])],
    ["padded DATA without content", () => frame(FRAME.data, FLAG.padded, 1, [4, 0, 0, 0, 0])],
    ["unknown frames", () => frame(0xee, 0, 0)],
  ] as const)
    test(`[H2-7] ${what}: beyond 1,000 at once and 100/s the connection ends`, () => {
      const begun = (): Served => {
        const served = Served.begun();
        served.send(request(1, FLAG.endHeaders));
        return served;
      };
      const fast = timesUntilCalm(begun(), 5_000, 10, useless);
      assert.ok(fast >= 1_000 && fast < 1_020, `${fast} frames`);
      const slow = begun();
      for (let at = 0; at < 5_000; at++) {
        slow.nowMs += 10;
        slow.send(useless());
      }
      assert.equal(slow.connection.over, false);
    });

  test("[H2-7] a peer that makes us answer and does not read is cut off at 4 MiB (PING)", () => {
    const served = Served.begun();
    const pings = Uint8Array.from(Buffer.concat(Array.from({ length: 1_000 }, () => by.ping())));
    let sent = 0;
    while (!served.connection.over && sent < 1_000) {
      served.connection.received(pings, 0);
      if (++sent === 40) assert.equal(served.connection.congested, true);
    }
    assert.ok(sent * 17_000 > 4 << 20 && sent * 17_000 < (4 << 20) + 40_000, `${sent} times 1,000`);
    assert.deepEqual(errorsOf(served.take()), [CALM]);
  });

  test("[H2-7] answers that are not taken: beyond 64 MiB new calls are refused, beyond 256 MiB all end", () => {
    const served = Served.begun();
    const part = new Uint8Array(8 << 20);
    served.onOpened = ({ stream }) => {
      stream.respond(encodeBlock([[":status", "200"]]), false);
      stream.write(part);
    };
    const refused: number[] = [];
    for (let at = 0; at < 12; at++)
      if (errorsOf(served.send(request(id(at), ALL))).length > 0) refused.push(at);
    assert.deepEqual(refused, [9, 10, 11]);
    // What is given up waits no more.
    assert.deepEqual(errorsOf(served.send(by.rstStream(5, 8), request(id(12), ALL))), []);
    const { stream } = served.stream(1);
    for (let at = 0; at < 60; at++) stream.write(part);
    assert.equal(served.connection.over, false, "one answer may be long");
    served.stream(3).stream.write(part);
    assert.equal(served.connection.over, true);
    assert.equal(served.stream(1).closed, 1);
  });

  test("[H2-7] 100,000 changes of the window, one by one, cost what they say (10,000 streams)", () => {
    const served = Served.begun();
    for (let at = 0; at < 10_000; at++) served.send(request(id(at), FLAG.endHeaders));
    const changes = Array.from({ length: 1_000 }, (_, at) => [4, at % 2] as const);
    const { user: before } = process.cpuUsage();
    for (let at = 0; at < 100; at++)
      assert.deepEqual(errorsOf(served.send(by.settings(...changes))), []);
    const { user: after } = process.cpuUsage();
    assert.ok((after - before) / 1_000 < 5_000, `${(after - before) / 1_000} ms`);
  });
});
