/**
 * An HPACK encoder that is slow and obvious, and may use every form that the standard has: the twin of the decoder.
 */
import type { Prng } from "../../src/base/prng.ts";
import type { HeaderField } from "../../src/wire/http2/hpack-static.ts";
import { STATIC_TABLE } from "../../src/wire/http2/hpack-static.ts";
import { HUFFMAN } from "../../src/wire/http2/huffman.ts";

const sizeOf = ([name, value]: HeaderField): number => name.length + value.length + 32;

/** Number to bits, most significant first. */
const bitsOf = (value: number, length: number): string => value.toString(2).padStart(length, "0");

export function huffmanBytes(text: string): number[] {
  const codes = Array.from(text, (each) => HUFFMAN[each.charCodeAt(0)]);
  let bits = codes.map((each) => bitsOf(each?.code ?? 0, each?.bits ?? 0)).join("");
  while (bits.length % 8 !== 0) bits += "1";
  return (bits.match(/.{8}/g) ?? []).map((each) => Number.parseInt(each, 2));
}

/** `pattern` are the bits before the integer. */
export function integerBytes(pattern: string, value: number): number[] {
  const most = 2 ** (8 - pattern.length) - 1;
  const first = (bits: number): number =>
    Number.parseInt(pattern + bitsOf(bits, 8 - pattern.length), 2);
  if (value < most) return [first(value)];
  const bytes = [first(most)];
  let rest = value - most;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

export class TwinEncoder {
  readonly #random: Prng;
  /** Newest first. */
  #table: HeaderField[] = [];
  #bytesMax = 4_096;

  constructor(random: Prng) {
    this.#random = random;
  }

  get tableBytes(): number {
    return this.#table.reduce((sum, field) => sum + sizeOf(field), 0);
  }

  /** A block of `fields`; with `resizes`, it may begin with changes of the table's size. */
  block(fields: readonly HeaderField[], resizes: boolean): number[] {
    const bytes: number[] = [];
    if (resizes && this.#random.chance(1, 8)) bytes.push(...this.#resized());
    for (const field of fields) bytes.push(...this.#field(field));
    return bytes;
  }

  #resized(): number[] {
    const sizes = [0, this.#random.below(4_097)].slice(this.#random.below(2));
    return sizes.flatMap((size) => {
      this.#bytesMax = size;
      this.#evict();
      return integerBytes("001", size);
    });
  }

  #field(field: HeaderField): number[] {
    const all = [...STATIC_TABLE, ...this.#table];
    const whole = all.findIndex((each) => each[0] === field[0] && each[1] === field[1]);
    if (whole >= 0 && this.#random.chance(3, 4)) return integerBytes("1", whole + 1);
    const named = all.findIndex((each) => each[0] === field[0]);
    const index = this.#random.chance(3, 4) ? named + 1 : 0;
    const pattern = this.#random.pick(["01", "0000", "0001"]);
    const name = index === 0 ? this.#string(field[0]) : [];
    if (pattern === "01") {
      this.#table.unshift(field);
      this.#evict();
    }
    return [...integerBytes(pattern, index), ...name, ...this.#string(field[1])];
  }

  #string(text: string): number[] {
    const huffman = this.#random.chance(1, 2);
    const bytes = huffman ? huffmanBytes(text) : [...Buffer.from(text, "latin1")];
    return [...integerBytes(huffman ? "1" : "0", bytes.length), ...bytes];
  }

  #evict(): void {
    while (this.tableBytes > this.#bytesMax) this.#table.pop();
  }
}
