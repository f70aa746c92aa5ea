/**
 * One stream of a connection, as whoever serves it sees it, and its state.
 *
 * Invariants: I1 a stream closes once: when both sides have ended it, or one has reset it; whoever serves it is then told, and
 * not again. I2 while it is paused nothing is told of what arrives, and at most its receive window is held. I3 what
 * is sent goes in order: head, content, trailers.
 */
import { assert } from "../../base/assert.ts";
import type { ByteWriter } from "../../base/codec.ts";
import type { ReceiveWindow } from "./receive-window.ts";

/** What whoever serves a stream is told. */
export interface StreamEvents {
  /** A part of the content, whose bytes stay as they are. */
  received(part: Uint8Array): void;
  /** The client sends no more. */
  finished(): void;
  /** After `write` said false: what was given to it has left. */
  drained(): void;
  /** The stream is over, also if nothing of the kind was to be expected. */
  closed(): void;
}

/** What a stream needs of its connection. */
export interface StreamHost {
  sendHead(stream: Http2Stream, block: Uint8Array, endStream: boolean): void;
  /** False: wait for `drained`. */
  send(stream: Http2Stream, part: Uint8Array): boolean;
  sendTrailers(stream: Http2Stream, block: Uint8Array): void;
  reset(stream: Http2Stream, code: number): void;
  /** What was held back may be told. */
  release(stream: Http2Stream): void;
}

export class Http2Stream {
  readonly id: number;
  readonly #host: StreamHost;
  events: StreamEvents | undefined;
  /** Next of the streams that the table finds at one place. */
  next: Http2Stream | undefined;

  closed = false;
  /** END_STREAM has been received; been written. */
  remoteEnded = false;
  localEnded = false;

  readonly receiveWindow: ReceiveWindow;
  /** Content that is still to come, if the head said how much. */
  contentLeft: number | undefined;
  paused = false;
  /** What arrived while paused. */
  held: ByteWriter | undefined;
  /** The end is still to be told. */
  endHeld = false;

  sendWindow: number;
  headSent = false;
  /** What is still to be sent, from `partAt` of the first part on. */
  parts: Uint8Array[] = NONE;
  partAt = 0;
  queuedBytes = 0;
  trailers: Uint8Array | undefined;
  /** It is in the queue of those that can send. */
  ready = false;
  wantsDrain = false;

  constructor(id: number, host: StreamHost, sendWindow: number, receiveWindow: ReceiveWindow) {
    this.id = id;
    this.#host = host;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }

  /** Sends the head of the answer. */
  respond(block: Uint8Array, endStream: boolean): void {
    if (this.closed) return;
    assert(!this.headSent, "an answer has one head");
    this.#host.sendHead(this, block, endStream);
  }

  /** Sends a part of the content, whose bytes stay as they are. False: wait for `drained` with the next. */
  write(part: Uint8Array): boolean {
    if (this.closed) return true;
    assert(this.headSent && this.trailers === undefined, "content is between head and trailers");
    return this.#host.send(this, part);
  }

  /** Ends the answer with trailers. */
  end(trailers: Uint8Array): void {
    if (this.closed) return;
    assert(this.headSent && this.trailers === undefined, "an answer ends once, after its head");
    this.#host.sendTrailers(this, trailers);
  }

  /** Ends the stream on both sides, without what has not been sent. */
  reset(code: number): void {
    if (!this.closed) this.#host.reset(this, code);
  }

  /** Whether `bytes` more, and perhaps the end, agree with the length that the head gave. */
  counts(bytes: number, atEnd: boolean): boolean {
    if (this.contentLeft === undefined) return true;
    this.contentLeft -= bytes;
    return this.contentLeft >= 0 && !(atEnd && this.contentLeft > 0);
  }

  /** Tells nothing of what arrives until `resume`. */
  pause(): void {
    this.paused = true;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.closed) this.#host.release(this);
  }
}

/** Shared by all streams that have no such list of their own yet. Never added to. */
export const NONE: Uint8Array[] = Object.freeze([]) as unknown as Uint8Array[];
