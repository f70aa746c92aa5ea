/**
 * The streams of a connection: how they open, what arrives on them, how they end.
 *
 * Invariants: I1 ids of streams grow; a client has at most `STREAMS_MAX` open. I2 a mistake that concerns one stream resets
 * that stream, in any state, and is counted. I3 every header block is read, also of a stream that is refused, because the
 * next one depends on it. Source: RFC 9113, §5.1, §8.1.
 */
import { assert } from "../../base/assert.ts";
import type { ConnectionEvents } from "./connection.ts";
import { CODE, ConnectionError, demand } from "./errors.ts";
import type { Guard } from "./guard.ts";
import { HeadReader } from "./head-reader.ts";
import type { Output } from "./output.ts";
import { Receiver } from "./receiver.ts";
import { ReceiveWindow } from "./receive-window.ts";
import type { RequestHead } from "./request-head.ts";
import { Sender } from "./sender.ts";
import { INITIAL_SETTINGS, readSettings, STREAM_WINDOW, STREAMS_MAX } from "./settings.ts";
import type { StreamHost } from "./stream.ts";
import { Http2Stream } from "./stream.ts";
import type { Closing } from "./stream-table.ts";
import { StreamTable } from "./stream-table.ts";

export class Streams implements StreamHost {
  readonly #events: ConnectionEvents;
  readonly #guard: Guard;
  readonly #fail: (error: ConnectionError) => void;
  readonly #table = new StreamTable();
  readonly #heads = new HeadReader();
  readonly #sender = new Sender({ ended: (stream) => this.#endedHere(stream) });
  readonly #receiver = new Receiver(this.#sender.output);
  #peer = INITIAL_SETTINGS;
  /** Highest id that a client has used, and that was taken. */
  #lastId = 0;
  #lastTaken = 0;
  /** GOAWAY has been said: no new streams. */
  going = false;

  constructor(events: ConnectionEvents, guard: Guard, fail: (error: ConnectionError) => void) {
    this.#events = events;
    this.#guard = guard;
    this.#fail = fail;
  }

  get output(): Output {
    return this.#sender.output;
  }
  /** Streams that are open. */
  get open(): number {
    return this.#table.size;
  }

  take(): Uint8Array | undefined {
    return this.#sender.take();
  }

  goAway(code: number, text: string): void {
    this.going = true;
    this.output.goAway(this.#lastTaken, code, text);
  }

  /** The peer's settings. */
  settle(array: Uint8Array, start: number, end: number): void {
    const settings = readSettings(this.#peer, array, start, end);
    const by = settings.initialWindow - this.#peer.initialWindow;
    if (settings.leastTableBytes < this.#peer.tableBytes) this.output.sayNoTable = true;
    this.#peer = settings;
    if (by !== 0)
      for (const stream of this.#table.all()) {
        const allowed = this.#sender.openStream(stream, by);
        demand(allowed, CODE.flowControlError, "a window beyond 2^31 - 1 by SETTINGS");
      }
    this.output.settingsAck();
  }

  /** A header block is complete. */
  headers(id: number, endStream: boolean, array: Uint8Array, start: number, end: number): void {
    const stream = this.#table.get(id);
    if (stream !== undefined) return this.#trailers(stream, endStream, array, start, end);
    if (id <= this.#lastId) return this.#late(id, array, start, end);
    this.#lastId = id;
    const head = this.#heads.head(array, start, end);
    // What comes after GOAWAY is for another connection.
    if (this.going) return this.#table.remember(id, "reset");
    if (head === "too long") return this.#refuse(id, CODE.enhanceYourCalm);
    if (head === "malformed") return this.#refuse(id, CODE.protocolError);
    if (endStream && (head.contentLength ?? 0) > 0) return this.#refuse(id, CODE.protocolError);
    const full = this.#table.size >= STREAMS_MAX || this.#guard.full(this.#sender.queuedBytes);
    if (full) return this.#refuse(id, CODE.refusedStream);
    this.#open(id, head, endStream);
  }

  /** A DATA frame, which takes `bytes` of the windows. */
  data(id: number, endStream: boolean, part: Uint8Array, bytes: number): void {
    this.#receiver.arrived(bytes);
    const stream = this.#table.get(id);
    if (stream === undefined) return this.#lateData(id);
    if (stream.remoteEnded) return this.#mistake(stream, CODE.streamClosed);
    if (!stream.receiveWindow.take(bytes)) return this.#mistake(stream, CODE.flowControlError);
    if (!stream.counts(part.length, endStream)) return this.#mistake(stream, CODE.protocolError);
    stream.remoteEnded = endStream;
    this.#receiver.content(stream, part, bytes - part.length);
    if (endStream) this.#endedThere(stream);
  }

  windowUpdate(id: number, by: number): void {
    if (id === 0) {
      demand(by > 0, CODE.protocolError, "WINDOW_UPDATE by nothing");
      return this.#sender.open(by);
    }
    const stream = this.#table.get(id);
    if (stream === undefined) return this.#notIdle(id, "WINDOW_UPDATE");
    if (by === 0) return this.#mistake(stream, CODE.protocolError);
    if (!this.#sender.openStream(stream, by)) this.#mistake(stream, CODE.flowControlError);
  }

  resetByPeer(id: number): void {
    this.#notIdle(id, "RST_STREAM");
    const stream = this.#table.get(id);
    if (stream !== undefined) this.#close(stream, "ended");
  }

  /** What was said about a stream is not as it must be. */
  mistake(id: number, code: number): void {
    const stream = this.#table.get(id);
    if (stream === undefined) throw new ConnectionError(code, "of a stream that is not open");
    this.#mistake(stream, code);
  }

  closeAll(): void {
    for (const stream of this.#table.all()) this.#close(stream, "ended");
    assert(this.#table.size === 0, "no stream outlives its connection");
  }

  sendHead(stream: Http2Stream, block: Uint8Array, endStream: boolean): void {
    this.#sender.head(stream, block, endStream);
    this.#events.pending();
  }

  send(stream: Http2Stream, part: Uint8Array): boolean {
    const room = this.#sender.content(stream, part);
    if (this.#guard.overfull(this.#sender.queuedBytes - stream.queuedBytes))
      this.#fail(new ConnectionError(CODE.enhanceYourCalm, "too many answers that are not read"));
    this.#events.pending();
    return room;
  }

  sendTrailers(stream: Http2Stream, block: Uint8Array): void {
    this.#sender.trailers(stream, block);
    this.#events.pending();
  }

  reset(stream: Http2Stream, code: number): void {
    this.output.reset(stream.id, code);
    this.#close(stream, stream.remoteEnded ? "ended" : "reset");
    this.#events.pending();
  }

  release(stream: Http2Stream): void {
    this.#receiver.release(stream);
    this.#events.pending();
  }

  #open(id: number, head: RequestHead, endStream: boolean): void {
    const window = new ReceiveWindow(STREAM_WINDOW);
    const stream = new Http2Stream(id, this, this.#peer.initialWindow, window);
    stream.contentLeft = head.contentLength;
    this.#lastTaken = id;
    this.#table.add(stream);
    const events = this.#events.opened(stream, head);
    stream.events = events;
    if (stream.closed) return events.closed();
    if (!endStream) return;
    stream.remoteEnded = true;
    this.#endedThere(stream);
  }

  #trailers(
    stream: Http2Stream,
    endStream: boolean,
    array: Uint8Array,
    start: number,
    end: number,
  ): void {
    const hold = this.#heads.trailers(array, start, end);
    if (stream.remoteEnded) return this.#mistake(stream, CODE.streamClosed);
    if (!hold || !endStream || !stream.counts(0, true))
      return this.#mistake(stream, CODE.protocolError);
    stream.remoteEnded = true;
    this.#endedThere(stream);
  }

  /** HEADERS of a stream that is not open any more, or was passed over. */
  #late(id: number, array: Uint8Array, start: number, end: number): void {
    const closing = this.#table.closing(id);
    demand(closing !== "ended", CODE.streamClosed, "HEADERS of a stream that has ended");
    demand(closing !== undefined, CODE.protocolError, "the id of a stream does not grow");
    this.#heads.trailers(array, start, end);
  }

  #lateData(id: number): void {
    this.#notIdle(id, "DATA");
    const closing = this.#table.closing(id);
    demand(closing !== "ended", CODE.streamClosed, "DATA of a stream that has ended");
    if (closing === "reset") return;
    this.#refuse(id, CODE.streamClosed);
  }

  #notIdle(id: number, what: string): void {
    const idle = id > this.#lastId || id % 2 === 0;
    demand(!idle, CODE.protocolError, `${what} of a stream that was never open`);
  }

  /** Resets what is not even open. */
  #refuse(id: number, code: number): void {
    this.#table.remember(id, "reset");
    this.output.reset(id, code);
    this.#guard.wasted();
  }

  #mistake(stream: Http2Stream, code: number): void {
    this.output.reset(stream.id, code);
    this.#close(stream, "reset");
    this.#guard.wasted();
  }

  /** The client has ended the stream. */
  #endedThere(stream: Http2Stream): void {
    if (stream.closed) return;
    if (stream.localEnded) return this.#close(stream, "ended");
    this.#receiver.finished(stream);
  }

  /** The last frame of the answer has been written. */
  #endedHere(stream: Http2Stream): void {
    if (stream.remoteEnded) this.#close(stream, "ended");
  }

  #close(stream: Http2Stream, how: Closing): void {
    assert(!stream.closed, "a stream closes once");
    stream.closed = true;
    this.#table.remove(stream, how);
    this.#sender.drop(stream);
    this.#receiver.drop(stream);
    stream.events?.closed();
  }
}
