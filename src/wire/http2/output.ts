/**
 * What is to be written, as frames one after the other in one buffer.
 *
 * Invariants: I1 a header block is never interrupted by another frame. I2 no payload is longer than every peer takes.
 */
import { assert } from "../../base/assert.ts";
import { FLAG, FRAME, HEAD_BYTES, PAYLOAD_BYTES_MAX } from "./frames.ts";

/** An array in which more than this is written is given away instead of copied. */
const KEPT_BYTES: number = 32 << 10;
/** What an array begins with: little, or as much as the last one came to if that was large. */
const BYTES_MIN = 512;
const LARGE_BYTES: number = 160 << 10;
const NOTHING = new Uint8Array(0);
/** A change of the dynamic table's size to nothing. */
const NO_TABLE = 0x20;

export class Output {
  #array: Uint8Array = NOTHING;
  #length = 0;
  #bytesMin = BYTES_MIN;
  /** The next block must say that no dynamic table is used: the peer has made its own smaller. */
  sayNoTable = false;

  get length(): number {
    return this.#length;
  }

  /** What has been written; undefined if nothing was. */
  take(): Uint8Array | undefined {
    if (this.#length === 0) return undefined;
    const [array, length] = [this.#array, this.#length];
    const gives = length > KEPT_BYTES;
    this.#length = 0;
    this.#bytesMin = gives ? Math.min(length, LARGE_BYTES) : BYTES_MIN;
    if (gives || array.length > 2 * KEPT_BYTES) this.#array = NOTHING;
    return gives ? array.subarray(0, length) : array.slice(0, length);
  }

  /** HEADERS, and CONTINUATION as it needs them. */
  block(stream: number, block: Uint8Array, endStream: boolean): void {
    const ends = endStream ? FLAG.endStream : FLAG.none;
    if (this.sayNoTable || block.length > PAYLOAD_BYTES_MAX)
      return this.#longBlock(stream, block, ends);
    this.#head(block.length, FRAME.headers, FLAG.endHeaders | ends, stream);
    this.#bytes(block, 0, block.length);
  }

  #longBlock(stream: number, given: Uint8Array, ends: number): void {
    const block = this.sayNoTable ? Uint8Array.of(NO_TABLE, ...given) : given;
    this.sayNoTable = false;
    for (let at = 0; at < block.length || at === 0; at += PAYLOAD_BYTES_MAX) {
      const end = Math.min(block.length, at + PAYLOAD_BYTES_MAX);
      const last = end === block.length ? FLAG.endHeaders : FLAG.none;
      const [type, flags] = at === 0 ? [FRAME.headers, ends | last] : [FRAME.continuation, last];
      this.#head(end - at, type, flags, stream);
      this.#bytes(block, at, end);
    }
  }

  /** The head of a DATA frame, whose payload `part` adds. */
  data(stream: number, length: number): void {
    this.#head(length, FRAME.data, FLAG.none, stream);
  }
  part(array: Uint8Array, start: number, end: number): void {
    this.#bytes(array, start, end);
  }

  reset(stream: number, code: number): void {
    this.#head(4, FRAME.rstStream, FLAG.none, stream);
    this.#u32(code);
  }

  /** Settings by their numbers. */
  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    this.#head(6 * settings.length, FRAME.settings, FLAG.none, 0);
    for (const [id, value] of settings) {
      this.#u8(id >>> 8);
      this.#u8(id);
      this.#u32(value);
    }
  }
  settingsAck(): void {
    this.#head(0, FRAME.settings, FLAG.ack, 0);
  }
  pingAck(array: Uint8Array, start: number, end: number): void {
    this.#head(end - start, FRAME.ping, FLAG.ack, 0);
    this.#bytes(array, start, end);
  }
  windowUpdate(stream: number, by: number): void {
    assert(by > 0, "a window grows");
    this.#head(4, FRAME.windowUpdate, FLAG.none, stream);
    this.#u32(by);
  }
  /** `text` is ASCII. */
  goAway(last: number, code: number, text: string): void {
    this.#head(8 + text.length, FRAME.goAway, FLAG.none, 0);
    this.#u32(last);
    this.#u32(code);
    for (let at = 0; at < text.length; at++) this.#u8(text.charCodeAt(at));
  }

  #head(length: number, type: number, flags: number, stream: number): void {
    assert(length <= PAYLOAD_BYTES_MAX, "a payload that every peer takes");
    this.#room(HEAD_BYTES);
    const [array, at] = [this.#array, this.#length];
    array[at] = length >>> 16;
    array[at + 1] = length >>> 8;
    array[at + 2] = length;
    array[at + 3] = type;
    array[at + 4] = flags;
    this.#length = at + 5;
    this.#u32(stream);
  }
  #bytes(from: Uint8Array, start: number, end: number): void {
    this.#room(end - start);
    this.#length = copy(from, start, end, this.#array, this.#length);
  }
  #u32(value: number): void {
    for (let shift = 24; shift >= 0; shift -= 8) this.#u8(value >>> shift);
  }
  #u8(value: number): void {
    this.#room(1);
    this.#array[this.#length++] = value;
  }
  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#array.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#bytesMin, this.#array.length * 2));
    larger.set(this.#array.subarray(0, this.#length));
    this.#array = larger;
  }
}

/** Up to this length a loop beats the call into the runtime. */
const LOOP_MAX = 64;

function copy(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): number {
  if (end - start > LOOP_MAX) to.set(from.subarray(start, end), at);
  else for (let each = start; each < end; each++) to[at + each - start] = from[each] as number;
  return at + end - start;
}
