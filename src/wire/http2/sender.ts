/**
 * What leaves a connection: control frames at once, content as the windows and the reader of the output allow.
 *
 * Invariants: I1 no more content is sent than the stream's and the connection's window allow. I2 streams that can send take
 * turns of one frame. I3 content waits in its stream until output is taken, so that what is gathered is bounded by
 * `GATHERED_BYTES` and the control frames. Source: RFC 9113, §5.2.
 */
import { assert } from "../../base/assert.ts";
import { CODE, demand } from "./errors.ts";
import { PAYLOAD_BYTES_MAX } from "./frames.ts";
import { Output } from "./output.ts";
import { WINDOW_INITIAL, WINDOW_MAX } from "./settings.ts";
import type { Http2Stream } from "./stream.ts";
import { NONE } from "./stream.ts";

/** Content that is made into frames before what there is has been taken. */
const GATHERED_BYTES: number = 128 << 10;
/** What a stream may have waiting before it is told to wait. */
const STREAM_BYTES: number = 64 << 10;
/** Turns that are over before their list is cut. */
const TURNS_KEPT = 64;

/** Who is told that a stream's last frame has been written. */
export interface SenderHost {
  ended(stream: Http2Stream): void;
}

export class Sender {
  readonly output: Output = new Output();
  readonly #host: SenderHost;
  #window = WINDOW_INITIAL;
  /** Streams with something to send and a window that allows it, in the order of their turns. */
  #ready: Http2Stream[] = [];
  #turn = 0;
  /** Content of all streams that waits. */
  queuedBytes = 0;

  constructor(host: SenderHost) {
    this.#host = host;
  }

  head(stream: Http2Stream, block: Uint8Array, endStream: boolean): void {
    stream.headSent = true;
    this.output.block(stream.id, block, endStream);
    if (endStream) this.#ended(stream);
  }

  /** False: the stream has enough waiting. */
  content(stream: Http2Stream, part: Uint8Array): boolean {
    if (part.length === 0) return true;
    if (this.#fits(stream, part.length)) {
      assert(stream.queuedBytes === 0, "who waits with an open window has its turn");
      this.#frame(stream, part.length);
      this.output.part(part, 0, part.length);
      return true;
    }
    if (stream.parts === NONE) stream.parts = [];
    stream.parts.push(part);
    stream.queuedBytes += part.length;
    this.queuedBytes += part.length;
    this.#queue(stream);
    stream.wantsDrain ||= stream.queuedBytes >= STREAM_BYTES;
    return !stream.wantsDrain;
  }

  trailers(stream: Http2Stream, block: Uint8Array): void {
    stream.trailers = block;
    if (stream.queuedBytes === 0) this.#finish(stream, block);
  }

  /** Forgets what the stream would have sent. */
  drop(stream: Http2Stream): void {
    this.queuedBytes -= stream.queuedBytes;
    stream.queuedBytes = 0;
    stream.parts = NONE;
    stream.trailers = undefined;
  }

  /** The peer takes `by` more on the connection. Throws `ConnectionError`. */
  open(by: number): void {
    const window = this.#window + by;
    demand(
      window <= WINDOW_MAX,
      CODE.flowControlError,
      "the window of the connection beyond 2^31 - 1",
    );
    this.#window = window;
  }

  /** The stream's window has changed by `by`; false: it is beyond the limit. */
  openStream(stream: Http2Stream, by: number): boolean {
    stream.sendWindow += by;
    if (stream.sendWindow > WINDOW_MAX) return false;
    if (stream.queuedBytes > 0) this.#queue(stream);
    return true;
  }

  /** What can be written now; undefined: nothing. */
  take(): Uint8Array | undefined {
    while (this.#turn < this.#ready.length && this.#window > 0) {
      if (this.output.length >= GATHERED_BYTES) break;
      const stream = this.#ready[this.#turn++] as Http2Stream;
      stream.ready = false;
      if (!stream.closed) this.#advance(stream);
      this.#tidy();
    }
    return this.output.take();
  }

  /** At once, because nobody waits and the windows allow it. */
  #fits(stream: Http2Stream, bytes: number): boolean {
    return (
      this.#turn === this.#ready.length &&
      bytes <= PAYLOAD_BYTES_MAX &&
      bytes <= this.#window &&
      bytes <= stream.sendWindow &&
      this.output.length < GATHERED_BYTES
    );
  }

  /** One frame of the stream. */
  #advance(stream: Http2Stream): void {
    const allowed = Math.min(this.#window, stream.sendWindow, PAYLOAD_BYTES_MAX);
    const bytes = Math.min(stream.queuedBytes, allowed);
    if (bytes <= 0) return;
    this.#frame(stream, bytes);
    this.#move(stream, bytes);
    if (stream.queuedBytes > 0) return this.#queue(stream);
    stream.parts = NONE;
    if (stream.trailers !== undefined) return this.#finish(stream, stream.trailers);
    if (!stream.wantsDrain) return;
    stream.wantsDrain = false;
    stream.events?.drained();
  }

  #frame(stream: Http2Stream, bytes: number): void {
    this.#window -= bytes;
    stream.sendWindow -= bytes;
    assert(this.#window >= 0, "the connection's window allows what is sent");
    assert(stream.sendWindow >= 0, "the stream's window allows what is sent");
    this.output.data(stream.id, bytes);
  }

  /** Moves the first `bytes` of what waits. */
  #move(stream: Http2Stream, bytes: number): void {
    stream.queuedBytes -= bytes;
    this.queuedBytes -= bytes;
    let done = 0;
    for (let left = bytes; left > 0;) {
      const part = stream.parts[done] as Uint8Array;
      const end = Math.min(part.length, stream.partAt + left);
      this.output.part(part, stream.partAt, end);
      left -= end - stream.partAt;
      stream.partAt = end === part.length ? 0 : end;
      if (end === part.length) done++;
    }
    if (done > 0) stream.parts.splice(0, done);
  }

  #finish(stream: Http2Stream, block: Uint8Array): void {
    this.output.block(stream.id, block, true);
    this.#ended(stream);
  }

  #ended(stream: Http2Stream): void {
    assert(!stream.localEnded, "a stream is ended once");
    stream.localEnded = true;
    this.#host.ended(stream);
  }

  #queue(stream: Http2Stream): void {
    if (stream.ready || stream.sendWindow <= 0) return;
    stream.ready = true;
    this.#ready.push(stream);
  }

  #tidy(): void {
    if (this.#turn === this.#ready.length) this.#ready.length = 0;
    else if (this.#turn < TURNS_KEPT || this.#turn * 2 < this.#ready.length) return;
    else this.#ready = this.#ready.slice(this.#turn);
    this.#turn = 0;
  }
}
