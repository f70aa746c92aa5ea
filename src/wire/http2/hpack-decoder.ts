/**
 * HPACK, the reading side: header blocks into fields, through a dynamic table that both sides keep.
 *
 * Invariants: I1 the entries of the dynamic table never take more than its size, which is at most what was declared. I2 each
 * block is read to its end, also when its list is too long, because the next one depends on the table that it leaves. I3
 * what is kept of a list is at most its limit. I4 the version changes with each insertion and each change of size, so
 * equal blocks at one version are equal lists. Source: RFC 7541.
 */
import { assert } from "../../base/assert.ts";
import { fromArray } from "../../base/bytes.ts";
import { CODE, ConnectionError } from "./errors.ts";
import type { HeaderField } from "./hpack-static.ts";
import { STATIC_TABLE } from "./hpack-static.ts";
import { decodeHuffman } from "./huffman.ts";

/** Of HTTP/2, unless SETTINGS say otherwise; ours do not. */
export const TABLE_BYTES = 4_096;
/** What an entry or a field of a list counts beside its strings. */
const FIELD_BYTES = 32;
/** Integers have at most four further bytes: 2^28 and more is nothing that a block could mean. */
const INTEGER_SHIFT_MAX = 21;

export class HpackDecoder {
  readonly #table: DynamicTable;
  #array: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  constructor(tableBytesMax: number = TABLE_BYTES) {
    this.#table = new DynamicTable(tableBytesMax);
  }

  get version(): number {
    return this.#table.version;
  }

  /** The fields of a block; undefined if they count more than `listBytesMax`. Throws `ConnectionError`. */
  decode(
    array: Uint8Array,
    start: number,
    end: number,
    listBytesMax: number,
  ): readonly HeaderField[] | undefined {
    assert(start <= end && end <= array.length, "a block lies in its array");
    this.#array = array;
    this.#at = start;
    this.#end = end;
    const fields: HeaderField[] = [];
    let bytes = 0;
    while (this.#at < end) {
      const field = this.#field(bytes === 0);
      if (field === undefined) continue;
      bytes += sizeOf(field);
      if (bytes <= listBytesMax) fields.push(field);
    }
    return bytes <= listBytesMax ? fields : undefined;
  }

  /** Undefined: a change of the table's size, which only the start of a block may have. */
  #field(first: boolean): HeaderField | undefined {
    const byte = this.#array[this.#at] as number;
    if (byte >= 0x80) return this.#indexed(this.#integer(7));
    if (byte >= 0x40) {
      const field = this.#literal(6);
      this.#table.insert(field);
      return field;
    }
    if (byte < 0x20) return this.#literal(4);
    if (!first) throw spoilt("a table size inside a block");
    if (!this.#table.resize(this.#integer(5))) throw spoilt("a table size beyond the limit");
    return undefined;
  }

  #literal(prefixBits: number): HeaderField {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#indexed(index)[0];
    return [name, this.#string()];
  }

  #indexed(index: number): HeaderField {
    const field =
      index <= STATIC_TABLE.length
        ? STATIC_TABLE[index - 1]
        : this.#table.at(index - STATIC_TABLE.length - 1);
    if (field === undefined) throw spoilt("an index of nothing");
    return field;
  }

  #integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    const prefix = this.#byte() & most;
    if (prefix < most) return prefix;
    let value = most;
    for (let shift = 0; shift <= INTEGER_SHIFT_MAX; shift += 7) {
      const byte = this.#byte();
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw spoilt("an integer without end");
  }

  #string(): string {
    if (this.#at >= this.#end) throw spoilt("an early end");
    const huffman = (this.#array[this.#at] as number) >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    if (length > this.#end - start) throw spoilt("a string beyond its end");
    this.#at = start + length;
    return huffman
      ? decodeHuffman(this.#array, start, this.#at)
      : fromArray(this.#array, start, this.#at);
  }

  #byte(): number {
    if (this.#at >= this.#end) throw spoilt("an early end");
    return this.#array[this.#at++] as number;
  }
}

class DynamicTable {
  readonly #bytesLimit: number;
  #bytesMax: number;
  #bytes = 0;
  /** Oldest first; those before `#first` are gone. */
  #entries: HeaderField[] = [];
  #first = 0;
  version = 0;

  constructor(bytesLimit: number) {
    this.#bytesLimit = bytesLimit;
    this.#bytesMax = bytesLimit;
  }

  /** Counted from the newest, which is 0. */
  at(index: number): HeaderField | undefined {
    const at = this.#entries.length - 1 - index;
    return at >= this.#first ? this.#entries[at] : undefined;
  }

  /** An entry that is larger than the table empties it. */
  insert(field: HeaderField): void {
    this.version++;
    this.#entries.push(field);
    this.#bytes += sizeOf(field);
    this.#evict();
  }

  /** False: more than was declared. */
  resize(bytesMax: number): boolean {
    if (bytesMax > this.#bytesLimit) return false;
    this.version++;
    this.#bytesMax = bytesMax;
    this.#evict();
    return true;
  }

  #evict(): void {
    while (this.#bytes > this.#bytesMax) {
      this.#bytes -= sizeOf(this.#entries[this.#first++] as HeaderField);
    }
    assert(this.#bytes >= 0, "the table has what it counts");
    if (this.#first * 2 <= this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }
}

function sizeOf([name, value]: HeaderField): number {
  return name.length + value.length + FIELD_BYTES;
}

function spoilt(what: string): ConnectionError {
  return new ConnectionError(CODE.compressionError, `header block with ${what}`);
}
