/** Flow control both ways, the turns of streams, and the end of a connection. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeBlock } from "../../src/wire/http2/hpack-encoder.ts";
import { FLAG, FRAME } from "../../src/wire/http2/frames.ts";
import * as by from "./frames.ts";
import type { Frame } from "./frames.ts";
import { errorsOf, POST, Served } from "./frames.ts";

const ALL = FLAG.endStream | FLAG.endHeaders;
const HEAD = encodeBlock([[":status", "200"]]);
const TRAILERS = encodeBlock([["grpc-status", "0"]]);
const MIB: number = 1 << 20;
const INITIAL_WINDOW = 4;

const contentOf = (frames: readonly Frame[], stream: number): number =>
  frames
    .filter((each) => each.type === FRAME.data && each.stream === stream)
    .reduce((sum, { payload }) => sum + payload.length, 0);
const updates = (frames: readonly Frame[], stream: number): number[] =>
  frames
    .filter((each) => each.type === FRAME.windowUpdate && each.stream === stream)
    .map(({ payload }) => payload.readUInt32BE());
/** Content in frames of 16 KiB. */
const much = (stream: number, bytes: number): Buffer[] =>
  Array.from({ length: bytes / 16_384 }, () => by.data(stream, Buffer.alloc(16_384)));

/** A connection that answers each request with `bytes` bytes and trailers. */
function answering(served: Served, bytes: number): Served {
  served.onOpened = ({ stream }) => {
    stream.respond(HEAD, false);
    stream.write(new Uint8Array(bytes));
    stream.end(TRAILERS);
  };
  return served;
}

describe("Flow control of HTTP/2", () => {
  test("[H2-4] an answer waits for the stream's window, byte by byte if it must be (1 stream, window of 1)", () => {
    const served = answering(Served.begun([INITIAL_WINDOW, 1]), 40);
    const first = served.send(by.headers(1, POST, ALL));
    assert.equal(contentOf(first, 1), 1);
    for (let sent = 1; sent < 39; sent++)
      assert.equal(contentOf(served.send(by.windowUpdate(1, 1)), 1), 1);
    const last = served.send(by.windowUpdate(1, 1));
    assert.deepEqual(
      last.map(({ type, flags }) => [type, flags]),
      [
        [FRAME.data, 0],
        [FRAME.headers, ALL],
      ],
    );
    assert.equal(served.stream(1).closed, 1);
  });

  test("[H2-4] all answers together wait for the connection's window, which none of them exceeds (3 streams)", () => {
    const served = answering(Served.begun([INITIAL_WINDOW, MIB]), 40_000);
    const frames = served.send(...[1, 3, 5].map((id) => by.headers(id, POST, ALL)));
    const sent = [1, 3, 5].map((id) => contentOf(frames, id));
    assert.equal(sent[0], 16_384 + 16_383, "the first has had a second turn");
    assert.equal(
      sent.reduce((sum, each) => sum + each, 0),
      65_535,
    );
    const rest = served.send(by.windowUpdate(0, MIB));
    assert.deepEqual(
      [1, 3, 5].map((id) => contentOf(rest, id)),
      sent.map((each) => 40_000 - each),
    );
    assert.deepEqual(
      [...served.told.values()].map(({ closed }) => closed),
      [1, 1, 1],
    );
  });

  test("[H2-4] streams take turns of a frame; one whose window is shut holds up nobody (3 streams)", () => {
    const served = answering(Served.begun([INITIAL_WINDOW, 0]), 50_000);
    served.send(by.windowUpdate(0, MIB), ...[1, 3, 5].map((id) => by.headers(id, POST, ALL)));
    const frames = served.send(by.windowUpdate(3, MIB), by.windowUpdate(5, MIB));
    const order = frames.filter(({ type }) => type === FRAME.data).map(({ stream }) => stream);
    assert.deepEqual(order, [3, 5, 3, 5, 3, 5, 3, 5]);
    assert.equal(served.stream(1).closed, 0);
  });

  test("[H2-4] short answers do not overtake a long one that has its turn (2 streams)", () => {
    const served = Served.begun([INITIAL_WINDOW, MIB]);
    served.onOpened = ({ stream }) => {
      stream.respond(HEAD, false);
      stream.write(new Uint8Array(stream.id === 1 ? 20_000 : 10));
    };
    const frames = served.send(by.headers(1, POST, ALL), by.headers(3, POST, ALL));
    const order = frames.filter(({ type }) => type === FRAME.data).map(({ stream }) => stream);
    assert.deepEqual(order, [1, 3, 1]);
  });

  test("[H2-4] a smaller initial window makes open ones negative, and they are paid back first (1 stream)", () => {
    const served = answering(Served.begun(), 100_000);
    assert.equal(contentOf(served.send(by.headers(1, POST, ALL)), 1), 65_535);
    // The window is now 0; 10,000 less than before is -55,535.
    const settled = served.send(by.settings([INITIAL_WINDOW, 10_000]), by.windowUpdate(0, MIB));
    assert.equal(contentOf(settled, 1), 0);
    assert.equal(contentOf(served.send(by.windowUpdate(1, 55_535)), 1), 0);
    assert.equal(contentOf(served.send(by.windowUpdate(1, 7)), 1), 7);
    assert.equal(contentOf(served.send(by.settings([INITIAL_WINDOW, 10_100])), 1), 100);
  });

  test("[H2-4] whoever writes is told to wait at 64 KiB, and when that has left (1 stream)", () => {
    const served = Served.begun([INITIAL_WINDOW, 0]);
    served.send(by.windowUpdate(0, MIB), by.headers(1, POST, ALL));
    const { stream } = served.stream(1);
    stream.respond(HEAD, false);
    assert.equal(stream.write(new Uint8Array(65_535)), true);
    assert.equal(stream.write(new Uint8Array(1)), false);
    served.send(by.windowUpdate(1, 65_535));
    assert.equal(served.stream(1).drained, 0);
    served.send(by.windowUpdate(1, 1));
    assert.equal(served.stream(1).drained, 1);
    assert.equal(stream.write(new Uint8Array(1)), true);
  });

  test("[H2-4] what is not taken is not made: 128 KiB of a long answer at a time (10 MiB)", () => {
    const served = answering(Served.begun([INITIAL_WINDOW, 20 * MIB]), 10 * MIB);
    served.connection.received(
      Uint8Array.from(Buffer.concat([by.windowUpdate(0, 20 * MIB), by.headers(1, POST, ALL)])),
      0,
    );
    let all = 0;
    for (
      let bytes = served.connection.take();
      bytes !== undefined;
      bytes = served.connection.take()
    ) {
      assert.ok(bytes.length < 150_000, `${bytes.length} bytes at once`);
      all += bytes.length;
    }
    assert.ok(all > 10 * MIB);
    assert.equal(served.stream(1).closed, 1);
  });

  test("[H2-5] windows open again as content is read: 1 MiB a stream, 4 MiB a connection (64 MiB)", () => {
    const served = Served.begun();
    served.send(by.headers(1));
    let [ofStream, ofConnection] = [MIB, 4 * MIB];
    for (let sent = 0; sent < 64 * MIB; sent += 16_384) {
      served.stream(1).content = Buffer.alloc(0);
      const frames = served.send(...much(1, 16_384));
      ofStream += updates(frames, 1).reduce((sum, each) => sum + each, -16_384);
      ofConnection += updates(frames, 0).reduce((sum, each) => sum + each, -16_384);
      assert.ok(ofStream >= MIB / 2 && ofStream <= MIB, `${ofStream} at the stream`);
      assert.ok(ofConnection >= 2 * MIB && ofConnection <= 4 * MIB, `${ofConnection} in all`);
    }
  });

  test("[H2-5] the window of a stream that has ended is not opened again (1 stream)", () => {
    const served = Served.begun();
    served.send(by.headers(1), ...much(1, MIB / 2 - 16_384));
    const frames = served.send(by.data(1, Buffer.alloc(16_384), FLAG.endStream));
    assert.deepEqual(updates(frames, 1), []);
    assert.equal(served.stream(1).content.length, MIB / 2);
  });

  test("[H2-6] a stream that is answered before its end closes with its end (1 stream)", () => {
    const served = Served.begun();
    served.send(by.headers(1));
    const told = served.stream(1);
    told.stream.respond(HEAD, true);
    assert.equal(told.closed, 0);
    assert.deepEqual(errorsOf(served.send(by.data(1, [1], FLAG.endStream))), []);
    assert.deepEqual([told.closed, told.finished], [1, false]);
  });

  test("[H2-5] a stream that is not read stops itself alone, and loses nothing (2 streams)", () => {
    const served = Served.begun();
    served.send(by.headers(1), by.headers(3));
    served.stream(1).stream.pause();
    let frames = served.send(...much(1, MIB));
    assert.deepEqual(updates(frames, 1), []);
    assert.equal(served.stream(1).content.length, 0);
    frames = served.send(...much(3, MIB), ...much(3, 0));
    assert.ok(updates(frames, 3).length > 0, "the other goes on");
    served.stream(1).stream.resume();
    assert.equal(served.stream(1).content.length, MIB);
    assert.deepEqual(updates(served.take(), 1), [MIB]);
  });

  test("[H2-5] the end is told after what was held (1 stream)", () => {
    const served = Served.begun();
    served.send(by.headers(1));
    const told = served.stream(1);
    told.stream.pause();
    served.send(by.data(1, [1, 2, 3], FLAG.endStream));
    assert.deepEqual([told.content.length, told.finished], [0, false]);
    told.stream.resume();
    assert.deepEqual([told.content.length, told.finished], [3, true]);
  });

  test("[H2-5] more than the window is FLOW_CONTROL_ERROR: of the stream, of the connection (5 streams)", () => {
    const one = Served.begun();
    one.send(by.headers(1));
    one.stream(1).stream.pause();
    const last = one.send(...much(1, MIB), by.data(1, [1]));
    assert.deepEqual(errorsOf(last), ["RST_STREAM 1 3"]);
    // Twenty streams hold 16 MiB: the connection's window then stays shut.
    const all = Served.begun();
    const ids = Array.from({ length: 21 }, (_, at) => 2 * at + 1);
    all.onOpened = ({ stream }) => stream.pause();
    all.send(...ids.map((id) => by.headers(id)));
    for (const id of ids.slice(0, 20)) assert.deepEqual(errorsOf(all.send(...much(id, MIB))), []);
    assert.deepEqual(errorsOf(all.send(by.data(41, [1]))), ["GOAWAY 3"]);
  });

  test("[H2-5] the connection's window opens again when what was held is read, or its stream ends (20 streams)", () => {
    for (const release of ["resume", "reset"] as const) {
      const served = Served.begun();
      const ids = Array.from({ length: 20 }, (_, at) => 2 * at + 1);
      served.onOpened = ({ stream }) => stream.pause();
      served.send(...ids.map((id) => by.headers(id)));
      for (const id of ids) served.send(...much(id, MIB));
      for (const { stream } of served.told.values())
        if (release === "resume") stream.resume();
        else stream.reset(8);
      assert.deepEqual(updates(served.take(), 0), [4 * MIB]);
    }
  });

  test("[H2-6] after GOAWAY open streams go on, new ones are passed over, and the connection is done (3 streams)", () => {
    const served = Served.begun();
    served.send(by.headers(1), by.headers(3));
    served.connection.drain();
    const [away] = served.take();
    assert.deepEqual(
      [away?.type, away?.payload.readUInt32BE(0), away?.payload.readUInt32BE(4)],
      [FRAME.goAway, 3, 0],
    );
    assert.deepEqual(served.send(by.headers(5), by.data(5, [1], FLAG.endStream)), []);
    assert.equal(served.told.has(5), false);
    assert.equal(served.connection.done, false);
    served.send(by.data(1, [1], FLAG.endStream));
    assert.equal(served.stream(1).finished, true);
    served.stream(1).stream.respond(HEAD, true);
    assert.equal(served.connection.done, false);
    served.send(by.rstStream(3, 8));
    assert.equal(served.connection.done, true);
  });

  test("[H2-6] a client's GOAWAY lets its streams end, then the connection is done (1 stream)", () => {
    const served = Served.begun();
    served.send(by.headers(1, POST, ALL), by.frame(FRAME.goAway, 0, 0, Buffer.alloc(8)));
    assert.equal(served.connection.done, false);
    served.stream(1).stream.respond(HEAD, true);
    assert.equal(served.connection.done, true);
    assert.equal(served.connection.over, false);
  });

  test("[H2-6] a connection that is lost tells its streams, once (2 streams)", () => {
    const served = Served.begun();
    served.send(by.headers(1), by.headers(3));
    served.connection.lost();
    served.connection.lost();
    assert.deepEqual(
      [...served.told.values()].map(({ closed }) => closed),
      [1, 1],
    );
    const { stream } = served.stream(1);
    assert.equal(stream.write(new Uint8Array(3)), true, "what is written afterwards is dropped");
    assert.deepEqual(errorsOf(served.take()), []);
  });

  test("[H2-6] PING is answered with what it carried, and told (1 connection)", () => {
    const served = Served.begun();
    const [pong] = served.send(by.ping());
    assert.deepEqual([pong?.type, pong?.flags], [FRAME.ping, FLAG.ack]);
    assert.deepEqual(pong?.payload, Buffer.alloc(8, 7));
    assert.equal(served.pings, 1);
    assert.deepEqual(served.send(by.frame(FRAME.ping, FLAG.ack, 0, Buffer.alloc(8))), []);
    assert.equal(served.pings, 1);
  });
});
