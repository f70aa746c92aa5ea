/**
 * The frames of HTTP/2: nine bytes of head (length, type, flags, stream), then the payload.
 *
 * Invariants: I1 a frame is given on when it is whole; one whose head promises more than the limit ends the connection by
 * that head. I2 a frame that lies whole in one chunk is not copied. Source: RFC 9113, §4.1.
 */
import { assert } from "../../base/assert.ts";
import { CODE, demand } from "./errors.ts";

export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FLAG = {
  none: 0,
  ack: 0x1,
  endStream: 0x1,
  endHeaders: 0x4,
  padded: 0x8,
  priority: 0x20,
} as const;

export const HEAD_BYTES = 9;
/** The longest payload, in both directions: what every peer takes, and all that we take. */
export const PAYLOAD_BYTES_MAX = 16_384;

/** Who is given frames: the payload is `array[start, end)`. */
export interface FrameSink {
  /** Takes no more frames, or none for now. */
  readonly full: boolean;
  frame(
    type: number,
    flags: number,
    stream: number,
    array: Uint8Array,
    start: number,
    end: number,
  ): void;
}

export class FrameReader {
  /** Of a frame of which not all has come: its head, then all of it. */
  #part: Uint8Array = new Uint8Array(HEAD_BYTES);
  #filled = 0;

  /**
   * Gives each frame that `chunk` completes to `sink`, until that is full. Where in `chunk` it has come to. Throws
   * `ConnectionError`.
   */
  push(chunk: Uint8Array, from: number, sink: FrameSink): number {
    let at = from;
    while (at < chunk.length && !sink.full) {
      if (this.#filled > 0) {
        at = this.#complete(chunk, at, sink);
        continue;
      }
      const whole = chunk.length - at >= HEAD_BYTES ? HEAD_BYTES + payloadBytes(chunk, at) : 0;
      if (whole === 0 || whole > chunk.length - at) at = this.#keep(chunk, at, HEAD_BYTES);
      else {
        give(sink, chunk, at, at + whole);
        at += whole;
      }
    }
    return at;
  }

  /** Adds to the frame that is not whole. */
  #complete(chunk: Uint8Array, from: number, sink: FrameSink): number {
    if (this.#filled < HEAD_BYTES) return this.#keep(chunk, from, HEAD_BYTES);
    const whole = HEAD_BYTES + payloadBytes(this.#part, 0);
    if (this.#part.length < whole) {
      const larger = new Uint8Array(whole);
      larger.set(this.#part);
      this.#part = larger;
    }
    const at = this.#keep(chunk, from, whole);
    if (this.#filled < whole) return at;
    const frame = this.#part;
    this.#part = new Uint8Array(HEAD_BYTES);
    this.#filled = 0;
    give(sink, frame, 0, whole);
    return at;
  }

  #keep(chunk: Uint8Array, from: number, upTo: number): number {
    assert(this.#filled <= upTo, "what is kept grows");
    const end = Math.min(chunk.length, from + upTo - this.#filled);
    this.#part.set(chunk.subarray(from, end), this.#filled);
    this.#filled += end - from;
    return end;
  }
}

function payloadBytes(array: Uint8Array, at: number): number {
  const bytes =
    ((array[at] as number) << 16) | ((array[at + 1] as number) << 8) | (array[at + 2] as number);
  demand(bytes <= PAYLOAD_BYTES_MAX, CODE.frameSizeError, "a frame beyond the largest size");
  return bytes;
}

function give(sink: FrameSink, array: Uint8Array, start: number, end: number): void {
  const stream = u31(array, start + 5);
  const [type, flags] = [array[start + 3] as number, array[start + 4] as number];
  sink.frame(type, flags, stream, array, start + HEAD_BYTES, end);
}

/** A number of 31 bits; the highest bit is reserved. */
export function u31(array: Uint8Array, at: number): number {
  return u32(array, at) & 0x7fff_ffff;
}

export function u32(array: Uint8Array, at: number): number {
  const high = ((array[at] as number) << 8) | (array[at + 1] as number);
  return high * 0x1_0000 + (((array[at + 2] as number) << 8) | (array[at + 3] as number));
}
