/**
 * What arrives as content: windows, and what is held for streams that are paused.
 *
 * Invariants: I1 a stream's window opens as its content is told, so that a stream which is paused stops itself. I2 the
 * connection's window opens as content arrives, so that it stops no other, unless `HELD_BYTES_MAX` is held.
 */
import { assert } from "../../base/assert.ts";
import { ByteWriter } from "../../base/codec.ts";
import { CODE, demand } from "./errors.ts";
import type { Output } from "./output.ts";
import { ReceiveWindow } from "./receive-window.ts";
import { CONNECTION_WINDOW } from "./settings.ts";
import type { Http2Stream } from "./stream.ts";

/** What paused streams may have unread before all of them have to wait. */
const HELD_BYTES_MAX: number = 16 << 20;

export class Receiver {
  readonly #output: Output;
  readonly #window = new ReceiveWindow(CONNECTION_WINDOW);
  #heldBytes = 0;
  /** Arrived, and not given back because too much is held. */
  #owed = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  /** `bytes` of a DATA frame have come, padding included. Throws `ConnectionError`. */
  arrived(bytes: number): void {
    const allowed = this.#window.take(bytes);
    demand(allowed, CODE.flowControlError, "more content than the connection's window allows");
    this.#owed += bytes;
    this.#repay();
  }

  /** Tells the stream of `part`, or holds it. `paddingBytes` came along. */
  content(stream: Http2Stream, part: Uint8Array, paddingBytes: number): void {
    this.#consumed(stream, paddingBytes);
    if (part.length === 0) return;
    if (stream.paused) {
      stream.held ??= new ByteWriter(part.length);
      stream.held.array(part);
      this.#heldBytes += part.length;
      return;
    }
    stream.events?.received(part);
    this.#consumed(stream, part.length);
  }

  /** Tells the stream that its client is done, now or after what is held. */
  finished(stream: Http2Stream): void {
    if (stream.paused) stream.endHeld = true;
    else stream.events?.finished();
  }

  /** Tells the stream what was held. */
  release(stream: Http2Stream): void {
    const { held } = stream;
    if (held !== undefined) {
      const part = held.take();
      this.drop(stream);
      stream.events?.received(part);
      this.#consumed(stream, part.length);
    }
    if (stream.paused || !stream.endHeld || stream.closed) return;
    stream.endHeld = false;
    stream.events?.finished();
  }

  /** Forgets what is held. */
  drop(stream: Http2Stream): void {
    if (stream.held === undefined) return;
    this.#heldBytes -= stream.held.length;
    assert(this.#heldBytes >= 0, "what is held is counted");
    stream.held = undefined;
    this.#repay();
  }

  #consumed(stream: Http2Stream, bytes: number): void {
    if (bytes === 0 || stream.remoteEnded || stream.closed) return;
    const by = stream.receiveWindow.consume(bytes);
    if (by > 0) this.#output.windowUpdate(stream.id, by);
  }

  #repay(): void {
    if (this.#heldBytes >= HELD_BYTES_MAX || this.#owed === 0) return;
    const by = this.#window.consume(this.#owed);
    this.#owed = 0;
    if (by > 0) this.#output.windowUpdate(0, by);
  }
}
