/** Frames by hand, and a connection with a service that remembers what it is told. */
import { encodeBlock } from "../../src/wire/http2/hpack-encoder.ts";
import type { HeaderField } from "../../src/wire/http2/hpack-static.ts";
import { FLAG, FRAME } from "../../src/wire/http2/frames.ts";
import { Http2Connection } from "../../src/wire/http2/connection.ts";
import type { ConnectionEvents } from "../../src/wire/http2/connection.ts";
import type { RequestHead } from "../../src/wire/http2/request-head.ts";
import type { Http2Stream, StreamEvents } from "../../src/wire/http2/stream.ts";

type Octets = Uint8Array | readonly number[];

export const PREFACE: Buffer = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** One frame; `length` is what its head says, if not the truth. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Octets = [],
  length: number = payload.length,
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, Buffer.from(payload)]);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export const POST: readonly HeaderField[] = [
  [":method", "POST"],
  [":scheme", "http"],
  [":path", "/a.B/C"],
  [":authority", "here"],
];

export function headers(
  stream: number,
  fields: readonly HeaderField[] = POST,
  flags: number = FLAG.endHeaders,
): Buffer {
  return frame(FRAME.headers, flags, stream, encodeBlock(fields));
}

export const data = (stream: number, payload: Octets, flags: number = FLAG.none): Buffer =>
  frame(FRAME.data, flags, stream, payload);
export const settings = (...pairs: readonly (readonly [number, number])[]): Buffer =>
  frame(
    FRAME.settings,
    0,
    0,
    Buffer.concat(pairs.map(([id, value]) => Buffer.from([id >>> 8, id, ...u32(value)]))),
  );
export const windowUpdate = (stream: number, by: number): Buffer =>
  frame(FRAME.windowUpdate, 0, stream, u32(by));
export const rstStream = (stream: number, code: number): Buffer =>
  frame(FRAME.rstStream, 0, stream, u32(code));
export const ping = (): Buffer => frame(FRAME.ping, 0, 0, Buffer.alloc(8, 7));

/** The frames of which `bytes` consist. */
export function framesOf(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  const buffer = Buffer.from(bytes);
  for (let at = 0; at < buffer.length;) {
    const end = at + 9 + buffer.readUIntBE(at, 3);
    frames.push({
      type: buffer.readUInt8(at + 3),
      flags: buffer.readUInt8(at + 4),
      stream: buffer.readUInt32BE(at + 5),
      payload: buffer.subarray(at + 9, end),
    });
    at = end;
  }
  return frames;
}

/** What a stream was told. */
export interface Told {
  readonly stream: Http2Stream;
  readonly head: RequestHead;
  content: Buffer;
  finished: boolean;
  closed: number;
  drained: number;
}

/** A connection whose client is the test. */
export class Served implements ConnectionEvents {
  readonly connection: Http2Connection;
  readonly told = new Map<number, Told>();
  pings = 0;
  nowMs = 0;
  /** It reads no more frames until it is told to go on. */
  isTired = false;
  /** Whether one more stream may come to nothing. */
  wasted: () => boolean = () => true;
  /** Does more with what a stream is told. */
  onOpened: (told: Told) => void = () => {};
  onReceived: (told: Told, part: Uint8Array) => void = () => {};
  onFinished: (told: Told) => void = () => {};
  onDrained: (told: Told) => void = () => {};

  constructor() {
    this.connection = new Http2Connection(this);
  }

  tired(): boolean {
    return this.isTired;
  }
  opened(stream: Http2Stream, head: RequestHead): StreamEvents {
    const told = { stream, head, content: Buffer.alloc(0), finished: false, closed: 0, drained: 0 };
    this.told.set(stream.id, told);
    this.onOpened(told);
    return {
      received: (part) => {
        told.content = Buffer.concat([told.content, part]);
        this.onReceived(told, part);
      },
      finished: () => {
        told.finished = true;
        this.onFinished(told);
      },
      drained: () => {
        told.drained++;
        this.onDrained(told);
      },
      closed: () => void told.closed++,
    };
  }
  pinged(): void {
    this.pings++;
  }
  pending(): void {}

  /** Gives it `bytes`, and returns the frames that come of them. */
  send(...bytes: readonly Uint8Array[]): Frame[] {
    this.connection.received(Uint8Array.from(Buffer.concat(bytes)), this.nowMs);
    return this.take();
  }

  take(): Frame[] {
    const all: Frame[][] = [];
    for (let bytes = this.connection.take(); bytes !== undefined; bytes = this.connection.take())
      all.push(framesOf(bytes));
    return all.flat();
  }

  /** A connection on which both sides have said their settings. */
  static begun(...pairs: readonly (readonly [number, number])[]): Served {
    const served = new Served();
    served.send(PREFACE, settings(...pairs));
    return served;
  }

  stream(id: number): Told {
    const told = this.told.get(id);
    if (told === undefined) throw new Error(`stream ${id} was never opened`);
    return told;
  }
}

/** How `frames` say that something is wrong: `GOAWAY code` or `RST_STREAM id code`. */
export function errorsOf(frames: readonly Frame[]): string[] {
  return frames.flatMap(({ type, stream, payload }) => {
    if (type === FRAME.goAway) return [`GOAWAY ${payload.readUInt32BE(4)}`];
    return type === FRAME.rstStream ? [`RST_STREAM ${stream} ${payload.readUInt32BE(0)}`] : [];
  });
}
