/**
 * HPACK, the writing side: without a dynamic table, so that a block depends on nothing before it and can be made once.
 * Source: RFC 7541. Leaves out: Huffman, which answers of a few short fields are hardly shorter with.
 */
import type { HeaderField } from "./hpack-static.ts";
import { STATIC_TABLE } from "./hpack-static.ts";

const INDEXED = 0x80;
const LITERAL = 0x00;

/** The block of `fields`, whose strings have one character per byte. */
export function encodeBlock(fields: readonly HeaderField[]): Uint8Array {
  const out: number[] = [];
  for (const field of fields) addField(out, field);
  return Uint8Array.from(out);
}

function addField(out: number[], [name, value]: HeaderField): void {
  const whole = STATIC_TABLE.findIndex((each) => each[0] === name && each[1] === value);
  if (whole >= 0) return addInteger(out, INDEXED, 7, whole + 1);
  const named = STATIC_TABLE.findIndex((each) => each[0] === name);
  addInteger(out, LITERAL, 4, named + 1);
  if (named < 0) addString(out, name);
  addString(out, value);
}

function addString(out: number[], text: string): void {
  addInteger(out, 0, 7, text.length);
  for (let at = 0; at < text.length; at++) out.push(text.charCodeAt(at));
}

function addInteger(out: number[], pattern: number, prefixBits: number, value: number): void {
  const most = (1 << prefixBits) - 1;
  if (value < most) return void out.push(pattern | value);
  out.push(pattern | most);
  let rest = value - most;
  for (; rest >= 0x80; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  out.push(rest);
}
