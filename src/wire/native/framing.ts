/**
 * Frames: a 32-bit big-endian length, then that many bytes. Many messages are written into one buffer and leave in one
 * write; incoming chunks are read in place where they hold whole frames.
 */
import type { Codec } from "../../base/codec.ts";
import { ByteReader, ByteWriter, Malformed, u32At } from "../../base/codec.ts";

const LENGTH_BYTES = 4;
/**
 * What leaves in one write. A part of a turn's messages leaves before the rest is made, so that the other side works
 * meanwhile: with all of 64 in one write, client, server and disk took turns, and a quarter less got through.
 */
const GATHERED_MAX = 32;
const GATHERED_BYTES: number = 64 << 10;

/** Gathers messages until they are taken. */
export class FrameWriter<T> {
  readonly #codec: Codec<T>;
  readonly #bytesMax: number;
  readonly #writer = new ByteWriter(16 << 10);
  #count = 0;

  constructor(codec: Codec<T>, bytesMax: number) {
    this.#codec = codec;
    this.#bytesMax = bytesMax;
  }
  get length(): number {
    return this.#writer.length;
  }
  /** As many bytes have been gathered as leave in one write. */
  get large(): boolean {
    return this.#writer.length >= GATHERED_BYTES;
  }
  /** As many messages or bytes have been gathered as leave in one write. */
  get full(): boolean {
    return this.#count >= GATHERED_MAX || this.large;
  }
  /** Adds `message`; false, and nothing is added, if it is longer than the other side takes. */
  add(message: T): boolean {
    const start = this.#writer.length;
    this.#writer.u32(0);
    try {
      this.#codec.encode(this.#writer, message);
    } catch (error) {
      // Half a frame would spoil those that follow.
      this.#writer.truncate(start);
      throw error;
    }
    const length = this.#writer.length - start - LENGTH_BYTES;
    if (length > this.#bytesMax) {
      this.#writer.truncate(start);
      return false;
    }
    this.#writer.patchU32(start, length);
    this.#count++;
    return true;
  }
  /** What has been gathered; the writer is empty afterwards. */
  take(): Uint8Array {
    const gathered = this.#writer.take();
    this.#writer.reset();
    this.#count = 0;
    return gathered;
  }
}

/** Cuts incoming bytes into messages, for as long as whoever takes them wants more. */
export class FrameReader<T> {
  readonly #codec: Codec<T>;
  readonly #bytesMax: number;
  /** The front of a frame whose rest has not arrived. */
  #rest: Uint8Array[] = [];
  #restBytes = 0;
  /** Bytes needed before the rest can be looked at again. */
  #needed = LENGTH_BYTES;

  constructor(codec: Codec<T>, bytesMax: number) {
    this.#codec = codec;
    this.#bytesMax = bytesMax;
  }

  /** Whether there may be a whole message to take. */
  get ready(): boolean {
    return this.#restBytes >= this.#needed;
  }

  /** Takes bytes in; `take` gives the messages. */
  push(chunk: Uint8Array): void {
    this.#rest.push(chunk);
    this.#restBytes += chunk.length;
  }

  /** Hands each whole message to `each` until that returns false; throws `Malformed` for what is none. */
  take(each: (message: T) => boolean): void {
    if (!this.ready) return;
    const array = this.#joined();
    let at = 0;
    this.#needed = LENGTH_BYTES;
    while (array.length - at >= LENGTH_BYTES) {
      const length = u32At(array, at);
      if (length > this.#bytesMax)
        throw new Malformed(`a frame of ${length} bytes, at most ${this.#bytesMax} are taken`);
      const end = at + LENGTH_BYTES + length;
      if (end > array.length) {
        this.#needed = LENGTH_BYTES + length;
        break;
      }
      const goesOn = each(this.#message(array, at + LENGTH_BYTES, end));
      at = end;
      if (!goesOn) break;
    }
    this.#rest = at === array.length ? [] : [array.subarray(at)];
    this.#restBytes = array.length - at;
  }

  #message(array: Uint8Array, start: number, end: number): T {
    const reader = new ByteReader(array, start, end);
    const message = this.#codec.decode(reader);
    if (!reader.done) throw new Malformed("bytes after the message");
    return message;
  }

  #joined(): Uint8Array {
    if (this.#rest.length === 1) return this.#rest[0] as Uint8Array;
    const array = new Uint8Array(this.#restBytes);
    let at = 0;
    for (const part of this.#rest) {
      array.set(part, at);
      at += part.length;
    }
    return array;
  }
}
