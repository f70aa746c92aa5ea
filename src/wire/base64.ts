/** Base64 with its padding, as JSON carries bytes. Source: RFC 4648, section 4. */
import type { Bytes } from "../base/bytes.ts";
import { fromArray } from "../base/bytes.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PAD = 61;
const NONE = 255;
const CODES: Uint8Array = Uint8Array.from(ALPHABET, (letter) => letter.charCodeAt(0));
const VALUES: Uint8Array = new Uint8Array(256).fill(NONE);
for (const [value, code] of CODES.entries()) VALUES[code] = value;

export function toBase64(bytes: Bytes): string {
  const out = new Uint8Array(Math.ceil(bytes.length / 3) * 4);
  let at = 0;
  for (let from = 0; from < bytes.length; from += 3) {
    const left = bytes.length - from;
    const second = left > 1 ? bytes.charCodeAt(from + 1) : 0;
    const third = left > 2 ? bytes.charCodeAt(from + 2) : 0;
    const bits = (bytes.charCodeAt(from) << 16) | (second << 8) | third;
    out[at++] = CODES[bits >> 18] as number;
    out[at++] = CODES[(bits >> 12) & 63] as number;
    out[at++] = left > 1 ? (CODES[(bits >> 6) & 63] as number) : PAD;
    out[at++] = left > 2 ? (CODES[bits & 63] as number) : PAD;
  }
  return fromArray(out);
}

/** Undefined if `text` is not base64 with its padding. */
export function fromBase64(text: string): Bytes | undefined {
  if (text.length % 4 !== 0) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const out = new Uint8Array((text.length / 4) * 3);
  let at = 0;
  let bits = 0;
  for (let from = 0; from < text.length; from++) {
    const padded = from >= text.length - padding;
    const code = text.charCodeAt(from);
    const value = padded ? 0 : code > 255 ? NONE : (VALUES[code] as number);
    if (value === NONE) return undefined;
    bits = (bits << 6) | value;
    if (from % 4 !== 3) continue;
    out[at++] = bits >> 16;
    out[at++] = (bits >> 8) & 255;
    out[at++] = bits & 255;
    bits = 0;
  }
  return fromArray(out, 0, out.length - padding);
}
