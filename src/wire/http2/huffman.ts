/**
 * The Huffman code of HPACK.
 *
 * Invariants: I1 a string that is read has one encoding: its padding is less than a byte and all ones, and it does not hold
 * the end-of-string symbol. Source: RFC 7541, §5.2 and appendix B. The code is canonical, so the lengths say all: codes of
 * one length are consecutive, in the order of their symbols.
 */
import { assert } from "../../base/assert.ts";
import { fromArray } from "../../base/bytes.ts";
import { CODE, ConnectionError } from "./errors.ts";

const END_OF_STRING = 256;
const BITS_MAX = 30;

/** Bits of the code of each byte, 16 in a row; then of the end of the string. */
const LENGTHS: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28],
  ...[28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28],
  ...[6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6],
  ...[5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10],
  ...[13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7],
  ...[7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5],
  ...[6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28],
  ...[20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23],
  ...[24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24],
  ...[22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23],
  ...[21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23],
  ...[26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25],
  ...[19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27],
  ...[20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23],
  ...[26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26],
  BITS_MAX,
];

/** A symbol's code: `bits` low bits of `code`. */
export interface HuffmanCode {
  readonly code: number;
  readonly bits: number;
}

/** The code of each byte and of the end of the string. */
export const HUFFMAN: readonly HuffmanCode[] = canonical();

function canonical(): readonly HuffmanCode[] {
  assert(LENGTHS.length === END_OF_STRING + 1, "a length for each symbol");
  const codes: HuffmanCode[] = [];
  let code = 0;
  for (let bits = 1; bits <= BITS_MAX; bits++) {
    code *= 2;
    for (const [symbol, length] of LENGTHS.entries()) {
      if (length === bits) codes[symbol] = { code: code++, bits };
    }
  }
  assert(code === 2 ** BITS_MAX, "the code is complete");
  return codes;
}

/** Two children of each node: another node's number, or a symbol as `-1 - symbol`. */
const TREE: Int16Array = tree();

function tree(): Int16Array {
  const nodes = new Int16Array(2 * END_OF_STRING);
  let used = 1;
  for (const [symbol, { code, bits }] of HUFFMAN.entries()) {
    let node = 0;
    for (let bit = bits - 1; bit > 0; bit--) {
      const at = 2 * node + ((code >>> bit) & 1);
      if (nodes[at] === 0) nodes[at] = used++;
      node = nodes[at] as number;
    }
    nodes[2 * node + (code & 1)] = -1 - symbol;
  }
  assert(used === END_OF_STRING, "a complete code of 257 symbols has 256 inner nodes");
  return nodes;
}

let scratch = new Uint8Array(256);

/** The string that `array[start, end)` encodes. Throws `ConnectionError`. */
export function decodeHuffman(array: Uint8Array, start: number, end: number): string {
  // The shortest code has five bits.
  const most = Math.ceil(((end - start) * 8) / 5);
  if (scratch.length < most) scratch = new Uint8Array(most);
  let length = 0;
  let node = 0;
  let pending = 0;
  let ones = true;
  for (let at = start; at < end; at++) {
    const byte = array[at] as number;
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte >>> bit) & 1;
      const next = TREE[2 * node + one] as number;
      if (next < 0) {
        if (next === -1 - END_OF_STRING) throw spoilt("the end of the string inside it");
        scratch[length++] = -1 - next;
        node = 0;
        pending = 0;
        ones = true;
        continue;
      }
      node = next;
      pending++;
      ones &&= one === 1;
    }
  }
  if (pending > 7 || !ones) throw spoilt("padding that is none");
  return fromArray(scratch, 0, length);
}

function spoilt(what: string): ConnectionError {
  return new ConnectionError(CODE.compressionError, `Huffman code with ${what}`);
}
