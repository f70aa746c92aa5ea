/** The rules of RFC 9113 that a client may break, each with the error that it gets. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeBlock } from "../../src/wire/http2/hpack-encoder.ts";
import type { HeaderField } from "../../src/wire/http2/hpack-static.ts";
import { FLAG, FRAME } from "../../src/wire/http2/frames.ts";
import * as by from "./frames.ts";
import { errorsOf, frame, POST, Served } from "./frames.ts";

const END = FLAG.endStream;
const WHOLE = FLAG.endHeaders;
const ALL = END | WHOLE;
const NO_ERROR: readonly string[] = [];
const PROTOCOL = "GOAWAY 1";
const FLOW = "GOAWAY 3";
const CLOSED = "GOAWAY 5";
const SIZE = "GOAWAY 6";
const COMPRESSION = "GOAWAY 9";
const CALM = "GOAWAY 11";
const onStream = (code: number, stream = 1): string => `RST_STREAM ${stream} ${code}`;
const post = (...more: readonly HeaderField[]): Buffer => by.headers(1, [...POST, ...more], ALL);
const without = (name: string): Buffer =>
  by.headers(
    1,
    POST.filter((field) => field[0] !== name),
    ALL,
  );
const open = by.headers(1);
const ended = by.headers(1, POST, ALL);
const block = encodeBlock(POST);

/** What a client sends after its settings, and the errors that come of it. */
type Case = readonly [what: string, bytes: readonly Buffer[], errors: string | readonly string[]];

const CONNECTION: readonly Case[] = [
  ["a frame larger than was allowed", [frame(0, 0, 1, [], 16_385)], SIZE],
  ["a frame of 16,384 bytes", [open, by.data(1, Buffer.alloc(16_384))], NO_ERROR],
  ["an unknown frame", [frame(0xfa, 0xff, 0, [1, 2]), frame(0xfa, 0, 5)], NO_ERROR],
  ["flags that mean nothing", [frame(FRAME.headers, 0xd2 | ALL, 1, block)], NO_ERROR],
  ["the reserved bit", [frame(FRAME.headers, ALL, 0x8000_0001, block)], NO_ERROR],
  ["PUSH_PROMISE", [frame(FRAME.pushPromise, 0, 1, [0, 0, 0, 2])], PROTOCOL],
  ["SETTINGS on a stream", [frame(FRAME.settings, 0, 1)], PROTOCOL],
  ["half a setting", [frame(FRAME.settings, 0, 0, [0, 1, 0])], SIZE],
  ["an acknowledgement with settings", [frame(FRAME.settings, 1, 0, [0, 1, 0, 0, 0, 1])], SIZE],
  ["an acknowledgement", [frame(FRAME.settings, 1, 0)], NO_ERROR],
  ["ENABLE_PUSH of 2", [by.settings([2, 2])], PROTOCOL],
  ["a window of 2^31 by SETTINGS", [by.settings([4, 0x8000_0000])], FLOW],
  ["frames of at most 16,383 bytes", [by.settings([5, 16_383])], PROTOCOL],
  ["frames of at most 2^24 bytes", [by.settings([5, 0x100_0000])], PROTOCOL],
  ["unknown settings", [by.settings([0xff, 7], [6, 0], [3, 0])], NO_ERROR],
  ["PING on a stream", [frame(FRAME.ping, 0, 1, Buffer.alloc(8))], PROTOCOL],
  ["PING of 6 bytes", [frame(FRAME.ping, 0, 0, Buffer.alloc(6))], SIZE],
  ["GOAWAY on a stream", [frame(FRAME.goAway, 0, 1, Buffer.alloc(8))], PROTOCOL],
  ["GOAWAY of 7 bytes", [frame(FRAME.goAway, 0, 0, Buffer.alloc(7))], SIZE],
  ["GOAWAY", [frame(FRAME.goAway, 0, 0, Buffer.alloc(8)), ended], NO_ERROR],
  ["WINDOW_UPDATE of 3 bytes", [frame(FRAME.windowUpdate, 0, 0, [0, 0, 1])], SIZE],
  ["WINDOW_UPDATE by 0", [by.windowUpdate(0, 0)], PROTOCOL],
  ["WINDOW_UPDATE beyond 2^31 - 1", [by.windowUpdate(0, 0x7fff_ffff)], FLOW],
  [
    "WINDOW_UPDATE on a stream up to 2^31 - 1 exactly",
    [open, by.windowUpdate(1, 0x7fff_ffff - 65_535)],
    NO_ERROR,
  ],
  [
    "a stream's window beyond 2^31 - 1 by SETTINGS",
    [open, by.windowUpdate(1, 0x7fff_ffff - 65_535), by.settings([4, 65_536])],
    FLOW,
  ],
];

const IDLE_AND_CLOSED: readonly Case[] = [
  ["DATA on stream 0", [by.data(0, [1])], PROTOCOL],
  ["DATA on an idle stream", [by.data(1, [1])], PROTOCOL],
  ["RST_STREAM on stream 0", [by.rstStream(0, 8)], PROTOCOL],
  ["RST_STREAM on an idle stream", [by.rstStream(1, 8)], PROTOCOL],
  ["RST_STREAM of 5 bytes", [open, frame(FRAME.rstStream, 0, 1, [0, 0, 0, 0, 8])], SIZE],
  ["WINDOW_UPDATE on an idle stream", [by.windowUpdate(1, 1)], PROTOCOL],
  ["HEADERS on stream 0", [by.headers(0)], PROTOCOL],
  ["HEADERS on a server's stream", [by.headers(2)], PROTOCOL],
  ["HEADERS on a stream that was passed over", [by.headers(5, POST, ALL), ended], PROTOCOL],
  ["PRIORITY on an idle stream", [frame(FRAME.priority, 0, 9, [0, 0, 0, 0, 1])], NO_ERROR],
  ["PRIORITY on stream 0", [frame(FRAME.priority, 0, 0, [0, 0, 0, 0, 1])], PROTOCOL],
  ["PRIORITY of 4 bytes", [open, frame(FRAME.priority, 0, 1, [0, 0, 0, 0])], onStream(6)],
  ["DATA after the end of the client's half", [ended, by.data(1, [1])], onStream(5)],
  ["HEADERS after the end of the client's half", [ended, ended], onStream(5)],
  ["WINDOW_UPDATE after the end", [ended, by.windowUpdate(1, 5)], NO_ERROR],
  ["DATA after RST_STREAM", [open, by.rstStream(1, 8), by.data(1, [1])], CLOSED],
  ["HEADERS after RST_STREAM", [open, by.rstStream(1, 8), open], CLOSED],
  ["WINDOW_UPDATE after RST_STREAM", [open, by.rstStream(1, 8), by.windowUpdate(1, 1)], NO_ERROR],
  ["RST_STREAM twice", [open, by.rstStream(1, 8), by.rstStream(1, 8)], NO_ERROR],
  [
    "what crosses with our RST_STREAM",
    [open, by.windowUpdate(1, 0), by.data(1, [1]), by.headers(1, [["a", "b"]], ALL)],
    onStream(1),
  ],
];

const REFUSED: readonly Case[] = [
  [
    "what crosses with the refusal of a stream",
    [without(":path"), by.data(1, [1]), by.rstStream(1, 8), by.headers(3, POST, ALL)],
    onStream(1),
  ],
];

const STREAMS: readonly Case[] = [
  ["WINDOW_UPDATE of a stream by 0", [open, by.windowUpdate(1, 0)], onStream(1)],
  ["a stream's window beyond 2^31 - 1", [open, by.windowUpdate(1, 0x7fff_ffff)], onStream(3)],
  [
    "content as long as was said",
    [by.headers(1, [...POST, ["content-length", "3"]]), by.data(1, [1, 2, 3], END)],
    NO_ERROR,
  ],
  [
    "more content than was said",
    [by.headers(1, [...POST, ["content-length", "1"]]), by.data(1, [1, 2])],
    onStream(1),
  ],
  [
    "less content than was said",
    [by.headers(1, [...POST, ["content-length", "3"]]), by.data(1, [1, 2], END)],
    onStream(1),
  ],
  [
    "less content than was said, and trailers",
    [by.headers(1, [...POST, ["content-length", "3"]]), by.headers(1, [], ALL)],
    onStream(1),
  ],
  ["no content where some was said", [post(["content-length", "3"])], onStream(1)],
  ["two lengths", [post(["content-length", "0"], ["content-length", "1"])], onStream(1)],
  ["a length that is none", [post(["content-length", "-0"])], onStream(1)],
  ["padding of all that is left", [open, frame(FRAME.data, FLAG.padded, 1, [2, 0, 0])], NO_ERROR],
  [
    "DATA with more padding than payload",
    [open, frame(FRAME.data, FLAG.padded, 1, [3, 0, 0])],
    PROTOCOL,
  ],
  ["padded DATA without the length of it", [open, frame(FRAME.data, FLAG.padded, 1)], SIZE],
  ["padded HEADERS", [frame(FRAME.headers, FLAG.padded | ALL, 1, [2, ...block, 0, 0])], NO_ERROR],
  [
    "HEADERS with more padding than payload",
    [frame(FRAME.headers, FLAG.padded | ALL, 1, [2, 0])],
    PROTOCOL,
  ],
  [
    "HEADERS with priority",
    [frame(FRAME.headers, FLAG.priority | ALL, 1, [0, 0, 0, 0, 9, ...block])],
    NO_ERROR,
  ],
  [
    "HEADERS too short for its priority",
    [frame(FRAME.headers, FLAG.priority | ALL, 1, [0])],
    PROTOCOL,
  ],
  ["trailers", [open, by.headers(1, [["a", "b"]], ALL)], NO_ERROR],
  ["trailers that do not end the stream", [open, by.headers(1, [["a", "b"]])], onStream(1)],
  ["trailers with a pseudo-field", [open, by.headers(1, [[":path", "/"]], ALL)], onStream(1)],
];

const FIELDS: readonly Case[] = [
  ["an index of nothing", [frame(FRAME.headers, ALL, 1, [0xff, 0x7f])], COMPRESSION],
  ["a block cut inside a field", [frame(FRAME.headers, ALL, 1, block.slice(0, -2))], COMPRESSION],
  [
    "a spoilt block for a stream that is reset",
    [open, by.windowUpdate(1, 0), frame(FRAME.headers, ALL, 1, [0x80])],
    [onStream(1), COMPRESSION],
  ],
  ["a name in upper case", [post(["X-a", "b"])], onStream(1)],
  ["a name with a space", [post(["a b", "c"])], onStream(1)],
  ["an empty name", [post(["", "c"])], onStream(1)],
  ["a value with a line feed", [post(["a", "b\nc"])], onStream(1)],
  ["a value with NUL", [post(["a", "\0"])], onStream(1)],
  ["a value that ends in a space", [post(["a", "b "])], onStream(1)],
  ["a value with a space inside, and bytes beyond ASCII", [post(["a", "b c\u00e9"])], NO_ERROR],
  ["connection", [post(["connection", "close"])], onStream(1)],
  ["transfer-encoding", [post(["transfer-encoding", "chunked"])], onStream(1)],
  ["te: trailers", [post(["te", "trailers"])], NO_ERROR],
  ["te: gzip", [post(["te", "gzip"])], onStream(1)],
  ["an unknown pseudo-field", [by.headers(1, [...POST, [":protocol", "x"]], ALL)], onStream(1)],
  ["a pseudo-field of answers", [by.headers(1, [...POST, [":status", "200"]], ALL)], onStream(1)],
  ["a pseudo-field after others", [by.headers(1, [["a", "b"], ...POST], ALL)], onStream(1)],
  ["a pseudo-field twice", [by.headers(1, [...POST, [":path", "/"]], ALL)], onStream(1)],
  ["no method", [without(":method")], onStream(1)],
  ["no scheme", [without(":scheme")], onStream(1)],
  ["no path", [without(":path")], onStream(1)],
  ["no authority", [without(":authority")], NO_ERROR],
  ["an empty path", [by.headers(1, [...POST.slice(0, 2), [":path", ""]], ALL)], onStream(1)],
  [
    "CONNECT",
    [
      by.headers(
        1,
        [
          [":method", "CONNECT"],
          [":authority", "a:1"],
        ],
        ALL,
      ),
    ],
    NO_ERROR,
  ],
  [
    "CONNECT with a path",
    [by.headers(1, [[":method", "CONNECT"], ...POST.slice(2)], ALL)],
    onStream(1),
  ],
  ["fields of 16 KiB", [post(["a", "x".repeat(16_000)])], NO_ERROR],
  [
    "fields beyond 16 KiB",
    [post(["a", "x".repeat(8_100)], ["b", "x".repeat(8_100)])],
    onStream(11),
  ],
];

const part = (at: number): Buffer => Buffer.from(block.subarray(at, at + 1));
const CONTINUED: readonly Case[] = [
  [
    "a block in pieces",
    [
      frame(FRAME.headers, END, 1, part(0)),
      frame(FRAME.continuation, 0, 1, part(1)),
      frame(FRAME.continuation, WHOLE, 1, block.subarray(2)),
    ],
    NO_ERROR,
  ],
  [
    "a block with an empty piece",
    [frame(FRAME.headers, END, 1), frame(FRAME.continuation, WHOLE, 1, block)],
    NO_ERROR,
  ],
  ["CONTINUATION of nothing", [frame(FRAME.continuation, WHOLE, 1, block)], PROTOCOL],
  ["CONTINUATION after the end of a block", [open, frame(FRAME.continuation, WHOLE, 1)], PROTOCOL],
  [
    "CONTINUATION of another stream",
    [frame(FRAME.headers, END, 1), frame(FRAME.continuation, WHOLE, 3, block)],
    PROTOCOL,
  ],
  ["PING inside a block", [frame(FRAME.headers, END, 1), by.ping()], PROTOCOL],
  ["DATA inside a block", [frame(FRAME.headers, 0, 1, block), by.data(1, [1])], PROTOCOL],
  ["an unknown frame inside a block", [frame(FRAME.headers, END, 1), frame(0xfa, 0, 1)], PROTOCOL],
  [
    "a block of 17 frames",
    [
      frame(FRAME.headers, END, 1),
      ...Array.from({ length: 16 }, () => frame(FRAME.continuation, 0, 1)),
    ],
    CALM,
  ],
  [
    "a block of 64 KiB and more",
    [
      frame(FRAME.headers, END, 1),
      ...Array.from({ length: 5 }, () => frame(FRAME.continuation, 0, 1, Buffer.alloc(14_000))),
    ],
    CALM,
  ],
];

describe("Errors of HTTP/2", () => {
  for (const [what, bytes, errors] of [
    ...[...CONNECTION, ...IDLE_AND_CLOSED, ...REFUSED, ...STREAMS, ...FIELDS, ...CONTINUED],
  ]) {
    const expected = typeof errors === "string" ? [errors] : errors;
    test(`[H2-3] ${what}: ${expected.join(", ") || "no error"}`, () => {
      const served = Served.begun();
      assert.deepEqual(errorsOf(served.send(...bytes)), expected);
      const over = expected.some((error) => error.startsWith("GOAWAY"));
      assert.equal(served.connection.over, over);
      // Streams that were open have been told, and told once.
      for (const told of served.told.values())
        assert.equal(told.closed, told.stream.closed ? 1 : 0, what);
      if (over) assert.deepEqual(served.send(by.ping()), []);
      else
        assert.deepEqual(
          served.send(by.ping()).map(({ type }) => type),
          [FRAME.ping],
        );
    });
  }

  test("[H2-3] what begins otherwise than HTTP/2 is PROTOCOL_ERROR (4 beginnings)", () => {
    for (const bytes of ["PRI * HTTP/1.1\r\n\r\n", "\0"]) {
      const served = new Served();
      assert.deepEqual(errorsOf(served.send(Buffer.from(bytes))), [PROTOCOL]);
    }
    for (const first of [by.ping(), frame(FRAME.settings, FLAG.ack, 0)])
      assert.deepEqual(errorsOf(new Served().send(by.PREFACE, first)), [PROTOCOL]);
  });

  test("[H2-3] the settings of both sides are said and acknowledged (1 connection)", () => {
    const served = new Served();
    const [ours, window, ...rest] = served.take();
    assert.equal(ours?.type, FRAME.settings);
    // At most 10,000 streams, windows of 1 MiB, 16 KiB of fields.
    assert.equal(ours?.payload.toString("hex"), "000300002710000400100000000600004000");
    assert.equal(window?.payload.readUInt32BE(), (4 << 20) - 65_535);
    assert.deepEqual(rest, []);
    const [ack] = served.send(by.PREFACE, by.settings([1, 0]));
    assert.deepEqual([ack?.type, ack?.flags], [FRAME.settings, FLAG.ack]);
  });

  test("[H2-3] a client that makes its table smaller is told that none is used, once (2 answers)", () => {
    const served = Served.begun([1, 100]);
    served.onOpened = ({ stream }) => stream.respond(encodeBlock([[":status", "200"]]), true);
    const blocks = served
      .send(by.headers(1, POST, ALL), by.headers(3, POST, ALL))
      .map(({ payload }) => payload.toString("hex"));
    assert.deepEqual(blocks, ["2088", "88"]);
  });
});
