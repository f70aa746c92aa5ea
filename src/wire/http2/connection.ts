/**
 * The server's side of an HTTP/2 connection as a machine without I/O: bytes that came go in, bytes to be written come out,
 * whoever serves the streams is told what happens to them. The caller says what time it is.
 *
 * Invariants: I1 whatever a peer sends ends in an answer, an error of a stream or GOAWAY with the code that RFC 9113 asks
 * for, never in an exception. I2 what a connection may make us hold is bounded: streams, header blocks, unread and unsent
 * content, frames that nobody reads. I3 streams that are open when the connection ends are told.
 * Source: RFC 9113, §3 to §6. Leaves out: push, priorities (which it deprecates), informational answers.
 */
import { CODE, ConnectionError, demand } from "./errors.ts";
import type { FrameSink } from "./frames.ts";
import { FLAG, FRAME, FrameReader, u31 } from "./frames.ts";
import { Guard } from "./guard.ts";
import { HeaderBlocks } from "./header-blocks.ts";
import type { RequestHead } from "./request-head.ts";
import { CONNECTION_WINDOW, OUR_SETTINGS, WINDOW_INITIAL } from "./settings.ts";
import type { Http2Stream, StreamEvents } from "./stream.ts";
import { Streams } from "./streams.ts";

/** Who serves a connection. */
export interface ConnectionEvents {
  /** A request has begun; what is returned is told the rest of it. */
  opened(stream: Http2Stream, head: RequestHead): StreamEvents;
  /** The peer has sent a PING, which is answered. */
  pinged(): void;
  /** There may be something to take. */
  pending(): void;
  /** Asked after each frame: whether the rest is for another time, and `goOn` will be called. Absent: never. */
  tired?(): boolean;
  /** A stream came to nothing. False: too many have, of whoever this is. Absent: each connection counts for itself. */
  wasted?(nowMs: number): boolean;
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/** What may be ready to be taken before the host should read no more. */
const CONGESTED_BYTES: number = 512 << 10;

export class Http2Connection implements FrameSink {
  readonly #events: ConnectionEvents;
  readonly #reader = new FrameReader();
  readonly #blocks = new HeaderBlocks();
  readonly #guard: Guard;
  readonly #streams: Streams;
  #prefaceRead = 0;
  /** The peer's SETTINGS have come. */
  #settled = false;
  /** What has come and has not been looked at. */
  #unread: Uint8Array | undefined;
  #peerGoing = false;
  #over = false;

  constructor(events: ConnectionEvents) {
    this.#events = events;
    this.#guard = new Guard(() => events.wasted?.(this.#guard.nowMs) === false);
    this.#streams = new Streams(events, this.#guard, (error) => this.#fail(error));
    const { output } = this.#streams;
    output.settings(OUR_SETTINGS);
    output.windowUpdate(0, CONNECTION_WINDOW - WINDOW_INITIAL);
  }

  /** It takes and tells nothing more; what there is to take is the last. */
  get over(): boolean {
    return this.#over;
  }
  /** As a sink of frames. */
  get full(): boolean {
    return this.#over || (this.#events.tired?.() ?? false);
  }
  /** Some of what has come is still to be read: no more of it is wanted before `goOn`. */
  get behind(): boolean {
    return this.#unread !== undefined;
  }
  /** It is over, or all streams have ended and none will come. */
  get done(): boolean {
    return this.#over || ((this.#peerGoing || this.#streams.going) && this.#streams.open === 0);
  }
  /** The peer has said how it wants to be spoken to. */
  get settled(): boolean {
    return this.#settled;
  }
  /** So much waits to be taken that reading on would only make it more. */
  get congested(): boolean {
    return this.#streams.output.length >= CONGESTED_BYTES;
  }

  /** Bytes have come, at `nowMs` of a clock that never goes back; they must stay as they are. */
  received(chunk: Uint8Array, nowMs: number): void {
    if (this.#over) return;
    this.#read(this.#unread === undefined ? chunk : joined(this.#unread, chunk), nowMs);
  }

  /** Reads on where it was tired. */
  goOn(nowMs: number): void {
    const unread = this.#unread;
    if (unread !== undefined) this.#read(unread, nowMs);
  }

  #read(chunk: Uint8Array, nowMs: number): void {
    this.#guard.nowMs = nowMs;
    this.#unread = undefined;
    try {
      const from = this.#preface(chunk);
      const at = this.#reader.push(chunk, from, this);
      if (at < chunk.length && !this.#over) this.#unread = chunk.subarray(at);
      this.#guard.unread(this.#streams.output.length);
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.#fail(error);
    }
    this.#events.pending();
  }

  /** Bytes to be written; undefined: none for now. */
  take(): Uint8Array | undefined {
    return this.#streams.take();
  }

  /** Takes no new streams; those that are open go on. */
  drain(): void {
    if (this.#over || this.#streams.going) return;
    this.#streams.goAway(CODE.noError, "");
    this.#events.pending();
  }

  /** Ends everything; the peer is told why. */
  fail(code: number, text: string): void {
    this.#fail(new ConnectionError(code, text));
    this.#events.pending();
  }

  /** The peer is gone. */
  lost(): void {
    if (this.#over) return;
    this.#over = true;
    this.#unread = undefined;
    this.#streams.closeAll();
  }

  #fail(error: ConnectionError): void {
    if (this.#over) return;
    this.#over = true;
    this.#unread = undefined;
    this.#streams.closeAll();
    this.#streams.goAway(error.code, error.message);
  }

  /** Where the frames begin in `chunk`. */
  #preface(chunk: Uint8Array): number {
    let at = 0;
    for (; this.#prefaceRead < PREFACE.length && at < chunk.length; at++) {
      const expected = PREFACE.charCodeAt(this.#prefaceRead++);
      demand(chunk[at] === expected, CODE.protocolError, "no HTTP/2");
    }
    return at;
  }

  frame(
    type: number,
    flags: number,
    stream: number,
    array: Uint8Array,
    start: number,
    end: number,
  ): void {
    const begun = this.#settled || (type === FRAME.settings && (flags & FLAG.ack) === 0);
    demand(begun, CODE.protocolError, "SETTINGS come first");
    const inBlock = type === FRAME.continuation && stream === this.#blocks.stream;
    demand(!this.#blocks.open || inBlock, CODE.protocolError, "a header block is interrupted");
    switch (type) {
      case FRAME.data:
        return this.#data(flags, stream, array, start, end);
      case FRAME.headers:
        return this.#headers(flags, stream, array, start, end);
      case FRAME.continuation:
        return this.#continuation(flags, array.subarray(start, end));
      case FRAME.priority:
        return this.#priority(stream, end - start);
      case FRAME.rstStream:
        return this.#rstStream(stream, end - start);
      case FRAME.windowUpdate:
        return this.#windowUpdate(stream, array, start, end);
      default:
        return this.#ofConnection(type, flags, stream, array, start, end);
    }
  }

  /** Frames that concern no stream. */
  #ofConnection(
    type: number,
    flags: number,
    stream: number,
    array: Uint8Array,
    start: number,
    end: number,
  ): void {
    demand(type !== FRAME.pushPromise, CODE.protocolError, "a client pushes nothing");
    const known = type === FRAME.settings || type === FRAME.ping || type === FRAME.goAway;
    if (!known) return this.#guard.idled();
    demand(stream === 0, CODE.protocolError, "a frame of the connection on a stream");
    if (type === FRAME.settings) return this.#settings(flags, array, start, end);
    if (type === FRAME.ping) return this.#ping(flags, array, start, end);
    demand(end - start >= 8, CODE.frameSizeError, "GOAWAY has at least 8 bytes");
    this.#peerGoing = true;
  }

  #settings(flags: number, array: Uint8Array, start: number, end: number): void {
    if ((flags & FLAG.ack) !== 0)
      return demand(start === end, CODE.frameSizeError, "an acknowledgement has no settings");
    if (this.#settled) this.#guard.idled();
    this.#settled = true;
    this.#streams.settle(array, start, end);
  }

  #ping(flags: number, array: Uint8Array, start: number, end: number): void {
    demand(end - start === 8, CODE.frameSizeError, "PING has 8 bytes");
    if ((flags & FLAG.ack) !== 0) return;
    this.#streams.output.pingAck(array, start, end);
    this.#events.pinged();
  }

  #headers(flags: number, stream: number, array: Uint8Array, from: number, to: number): void {
    demand(stream % 2 === 1, CODE.protocolError, "HEADERS on a stream that is no client's");
    let [start, end] = [from, to];
    if ((flags & FLAG.padded) !== 0) end -= paddingBytes(array, start++, end);
    if ((flags & FLAG.priority) !== 0) start += 5;
    demand(start <= end, CODE.protocolError, "HEADERS with more padding than payload");
    const endStream = (flags & FLAG.endStream) !== 0;
    if ((flags & FLAG.endHeaders) !== 0)
      return this.#streams.headers(stream, endStream, array, start, end);
    this.#blocks.begin(stream, endStream, array.subarray(start, end));
  }

  #continuation(flags: number, part: Uint8Array): void {
    demand(this.#blocks.open, CODE.protocolError, "CONTINUATION of nothing");
    this.#blocks.add(part);
    if ((flags & FLAG.endHeaders) === 0) return;
    const { stream, endStream } = this.#blocks;
    const block = this.#blocks.take();
    this.#streams.headers(stream, endStream, block, 0, block.length);
  }

  #data(flags: number, stream: number, array: Uint8Array, from: number, to: number): void {
    demand(stream !== 0, CODE.protocolError, "DATA on no stream");
    let [start, end] = [from, to];
    if ((flags & FLAG.padded) !== 0) end -= paddingBytes(array, start++, end);
    demand(start <= end, CODE.protocolError, "DATA with more padding than payload");
    const endStream = (flags & FLAG.endStream) !== 0;
    if (start === end && !endStream) this.#guard.idled();
    this.#streams.data(stream, endStream, array.subarray(start, end), to - from);
  }

  #priority(stream: number, bytes: number): void {
    demand(stream !== 0, CODE.protocolError, "PRIORITY on no stream");
    this.#guard.idled();
    if (bytes !== 5) this.#streams.mistake(stream, CODE.frameSizeError);
  }

  #rstStream(stream: number, bytes: number): void {
    demand(bytes === 4, CODE.frameSizeError, "RST_STREAM has 4 bytes");
    demand(stream !== 0, CODE.protocolError, "RST_STREAM on no stream");
    this.#guard.wasted();
    this.#streams.resetByPeer(stream);
  }

  #windowUpdate(stream: number, array: Uint8Array, start: number, end: number): void {
    demand(end - start === 4, CODE.frameSizeError, "WINDOW_UPDATE has 4 bytes");
    this.#streams.windowUpdate(stream, u31(array, start));
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** What the padding takes at the end. */
function paddingBytes(array: Uint8Array, start: number, end: number): number {
  demand(start < end, CODE.frameSizeError, "a padded frame without the length of its padding");
  return array[start] as number;
}
