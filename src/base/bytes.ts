/**
 * Byte strings: the form in which keys and values live in memory. A `Bytes` is a JavaScript string whose every
 * character is one byte (U+0000–U+00FF). The engine stores it in one byte per character, compares and hashes it
 * natively, and orders it as etcd orders byte arrays.
 *
 * Invariants: I1 every char code of a `Bytes` is ≤ 255. I2 `a < b` is the byte order.
 * Where the runtime has `Buffer`, it does the copying; the results are the same without it.
 * Leaves out: integers and framing (see the codecs of each floor).
 */
import { assert } from "./assert.ts";

declare const bytesBrand: unique symbol;
/** A string of bytes, one per character. */
export type Bytes = string & { readonly [bytesBrand]: "bytes" };

export const EMPTY: Bytes = "" as Bytes;

interface NodeBuffer {
  latin1Slice(start: number, end: number): string;
  latin1Write(text: string, offset: number, length: number): number;
  utf8Slice(start: number, end: number): string;
}
interface NodeBufferClass {
  from(buffer: ArrayBufferLike, offset: number, length: number): NodeBuffer;
  from(text: string, encoding: "utf8"): NodeBuffer & Uint8Array;
  prototype: NodeBuffer;
}
const nodeBuffer = (globalThis as { Buffer?: NodeBufferClass }).Buffer;
// Both are called with an array as `this`.
// oxlint-disable typescript/unbound-method
const slice = nodeBuffer?.prototype.latin1Slice;
const write = nodeBuffer?.prototype.latin1Write;
// oxlint-enable typescript/unbound-method

// Up to this length a loop beats the call into the runtime (measured at 20–40 bytes on Node 20).
const LOOP_MAX = 24;
// Concatenation beyond 12 characters makes V8 keep a rope: measured 360 bytes for a string of 22, against 48.
const CONCATENATE_MAX = 12;

/** The least byte string above `bytes`. */
export function after(bytes: Bytes): Bytes {
  return `${bytes}\0` as Bytes;
}

/** The bytes `array[start, end)`. */
export function fromArray(array: Uint8Array, start = 0, end: number = array.length): Bytes {
  assert(start >= 0 && end <= array.length && start <= end, "fromArray: range outside the array");
  if (slice !== undefined && end - start > CONCATENATE_MAX) {
    return slice.call(array, start, end) as Bytes;
  }
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(array[at] as number);
  return text as Bytes;
}

/** Writes `bytes` into `target` at `offset`; returns the offset after it. */
export function writeBytes(bytes: Bytes, target: Uint8Array, offset: number): number {
  const length = bytes.length;
  assert(offset >= 0 && offset + length <= target.length, "writeBytes: does not fit");
  if (write !== undefined && length > LOOP_MAX) {
    write.call(target, bytes, offset, length);
  } else {
    for (let at = 0; at < length; at++) target[offset + at] = bytes.charCodeAt(at);
  }
  return offset + length;
}

/** A fresh array holding `bytes`. */
export function toArray(bytes: Bytes): Uint8Array {
  const array = new Uint8Array(bytes.length);
  writeBytes(bytes, array, 0);
  return array;
}

// oxlint-disable-next-line no-control-regex -- the range is the definition of ASCII
const ASCII = /^[\x00-\x7f]*$/;

/** The UTF-8 encoding of `text`. A lone surrogate becomes U+FFFD, as in every UTF-8 encoder. */
export function utf8(text: string): Bytes {
  if (ASCII.test(text)) return text as Bytes;
  let out = "";
  for (const character of text) {
    const read = character.codePointAt(0) as number;
    const point = read >= 0xd800 && read <= 0xdfff ? 0xfffd : read;
    if (point < 0x80) out += character;
    else if (point < 0x800) out += String.fromCharCode(0xc0 | (point >> 6), continuation(point));
    else if (point < 0x10000) {
      out += String.fromCharCode(
        0xe0 | (point >> 12),
        continuation(point >> 6),
        continuation(point),
      );
    } else {
      out += String.fromCharCode(
        0xf0 | (point >> 18),
        continuation(point >> 12),
        continuation(point >> 6),
        continuation(point),
      );
    }
  }
  return out as Bytes;
}

function continuation(bits: number): number {
  return 0x80 | (bits & 0x3f);
}

/** The text that `bytes` encodes as UTF-8; an invalid sequence becomes U+FFFD. */
export function text(bytes: Bytes): string {
  if (ASCII.test(bytes)) return bytes;
  let out = "";
  let at = 0;
  while (at < bytes.length) {
    const first = bytes.charCodeAt(at);
    const extra =
      first < 0x80
        ? 0
        : first >= 0xc2 && first < 0xe0
          ? 1
          : first >= 0xe0 && first < 0xf0
            ? 2
            : first >= 0xf0 && first < 0xf5
              ? 3
              : -1;
    const point = extra < 0 ? -1 : codePoint(bytes, at, first, extra);
    out += point < 0 ? "\ufffd" : String.fromCodePoint(point);
    at += point < 0 ? 1 : extra + 1;
  }
  return out;
}

const LEAST = [0, 0x80, 0x800, 0x10000] as const;

function codePoint(bytes: Bytes, at: number, first: number, extra: number): number {
  if (at + extra >= bytes.length + (extra === 0 ? 1 : 0)) return -1;
  let point = extra === 0 ? first : first & (0x3f >> extra);
  for (let step = 1; step <= extra; step++) {
    const next = bytes.charCodeAt(at + step);
    if ((next & 0xc0) !== 0x80) return -1;
    point = (point << 6) | (next & 0x3f);
  }
  const surrogate = point >= 0xd800 && point <= 0xdfff;
  return point < (LEAST[extra] as number) || point > 0x10ffff || surrogate ? -1 : point;
}

/** True if every character is one byte: for asserting at the borders where untyped strings come in. */
export function isBytes(value: string): value is Bytes {
  // oxlint-disable-next-line no-control-regex -- the range is the definition of a byte
  return /^[\x00-\xff]*$/.test(value);
}

/** How a byte string reads in a message: printable ASCII as it is, the rest as \xNN. */
export function printable(bytes: Bytes): string {
  let out = "";
  for (let at = 0; at < bytes.length; at++) {
    const code = bytes.charCodeAt(at);
    const plain = code >= 0x20 && code < 0x7f && code !== 0x5c;
    out += plain ? bytes[at] : `\\x${code.toString(16).padStart(2, "0")}`;
  }
  return out;
}
