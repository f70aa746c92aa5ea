/**
 * Binary codecs: a growing writer, a checking reader, and combinators that build the codec of a shape from those of
 * its fields. What `decode` returns has the shape, whatever the bytes were; anything else throws `Malformed`.
 *
 * Format: unsigned integers as LEB128 up to 2^53; signed 64-bit as eight bytes, big-endian; byte strings and texts
 * with a length before them; optional fields by one bitmap per struct. Leaves out: versioning (the frame's business).
 */
import type { Bytes } from "./bytes.ts";
import { fromArray, text, utf8, writeBytes } from "./bytes.ts";

/** The bytes are not what the codec writes. */
export class Malformed extends Error {
  override readonly name = "Malformed";
}

/** The last 64-bit integer and its halves: one caller's id goes by many times in a row, and big integers are dear. */
let memo = { value: 0n, high: 0, low: 0 };

/** Four bytes of `array` at `at`, big-endian. */
export function u32At(array: Uint8Array, at: number): number {
  const high = ((array[at] as number) << 24) | ((array[at + 1] as number) << 16);
  return (high | ((array[at + 2] as number) << 8) | (array[at + 3] as number)) >>> 0;
}

export class ByteWriter {
  #array: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#array = new Uint8Array(capacity);
  }
  get length(): number {
    return this.#length;
  }
  /** What has been written; valid until the next write or `reset`. */
  view(): Uint8Array {
    return this.#array.subarray(0, this.#length);
  }
  /** A copy of what has been written. */
  take(): Uint8Array {
    return this.#array.slice(0, this.#length);
  }
  /** A copy of what has been written from `start` on. */
  since(start: number): Uint8Array {
    return this.#array.slice(start, this.#length);
  }
  reset(): void {
    this.#length = 0;
  }
  /** Forgets what was written after the first `length` bytes. */
  truncate(length: number): void {
    this.#length = length;
  }
  u8(value: number): void {
    this.#room(1);
    this.#array[this.#length++] = value;
  }
  u32(value: number): void {
    this.#room(4);
    this.#length += 4;
    this.patchU32(this.#length - 4, value);
  }
  /** Overwrites four bytes at `at`, big-endian. */
  patchU32(at: number, value: number): void {
    this.#array[at] = value >>> 24;
    this.#array[at + 1] = value >>> 16;
    this.#array[at + 2] = value >>> 8;
    this.#array[at + 3] = value;
  }
  /** A non-negative safe integer; throws RangeError for what is below or above. */
  uint(value: number): void {
    if (value < 0 || value > Number.MAX_SAFE_INTEGER)
      throw new RangeError(`${value} is not from 0 to 2^53`);
    this.#room(8);
    let rest = value;
    while (rest >= 0x80) {
      this.#array[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#array[this.#length++] = rest;
  }
  int64(value: bigint): void {
    if (value !== memo.value) {
      const bits = BigInt.asUintN(64, value);
      const [high, low] = [Number(bits >> 32n), Number(bits & 0xffff_ffffn)];
      memo = { value: BigInt.asIntN(64, bits), high, low };
    }
    this.u32(memo.high);
    this.u32(memo.low);
  }
  bytes(value: Bytes): void {
    this.uint(value.length);
    this.#room(value.length);
    this.#length = writeBytes(value, this.#array, this.#length);
  }
  array(value: Uint8Array): void {
    this.#room(value.length);
    this.#array.set(value, this.#length);
    this.#length += value.length;
  }
  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#array.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#array.length * 2));
    larger.set(this.#array.subarray(0, this.#length));
    this.#array = larger;
  }
}

export class ByteReader {
  readonly #array: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(array: Uint8Array, start = 0, end: number = array.length) {
    this.#array = array;
    this.#at = start;
    this.#end = end;
  }
  get done(): boolean {
    return this.#at === this.#end;
  }
  get at(): number {
    return this.#at;
  }
  u8(): number {
    if (this.#at >= this.#end) throw new Malformed("ends early");
    return this.#array[this.#at++] as number;
  }
  u32(): number {
    const at = this.#at;
    if (this.#end - at < 4) throw new Malformed("ends early");
    this.#at = at + 4;
    return u32At(this.#array, at);
  }
  uint(): number {
    let value = this.u8();
    if (value < 0x80) return value;
    value &= 0x7f;
    for (let scale = 0x80; ; scale *= 0x80) {
      const next = this.u8();
      value += (next & 0x7f) * scale;
      if (value > Number.MAX_SAFE_INTEGER) throw new Malformed("an integer beyond 2^53");
      if (next < 0x80) return value;
    }
  }
  int64(): bigint {
    const high = this.u32();
    const low = this.u32();
    if (high !== memo.high || low !== memo.low) {
      const value = BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
      memo = { value, high, low };
    }
    return memo.value;
  }
  bytes(): Bytes {
    const length = this.uint();
    if (length > this.#end - this.#at) throw new Malformed("a byte string that ends early");
    this.#at += length;
    return fromArray(this.#array, this.#at - length, this.#at);
  }
  /** The next `length` bytes where they lie: valid as long as what is read. */
  view(length: number): Uint8Array {
    if (length > this.#end - this.#at) throw new Malformed("bytes that end early");
    this.#at += length;
    return this.#array.subarray(this.#at - length, this.#at);
  }
  /** A copy of the next `length` bytes. */
  array(length: number): Uint8Array {
    if (length > this.#end - this.#at) throw new Malformed("bytes that end early");
    this.#at += length;
    return this.#array.slice(this.#at - length, this.#at);
  }
}

/** How values of one shape are written and read. */
export interface Codec<T> {
  encode(writer: ByteWriter, value: T): void;
  decode(reader: ByteReader): T;
}

export const uintCodec: Codec<number> = {
  encode: (writer, value) => writer.uint(value),
  decode: (reader) => reader.uint(),
};
/** Any safe integer; zigzag, so that small negative ones are short. */
export const intCodec: Codec<number> = {
  encode: (writer, value) => {
    writer.u8(value < 0 ? 1 : 0);
    writer.uint(Math.abs(value));
  },
  decode: (reader) => {
    const negative = reader.u8() === 1;
    const size = reader.uint();
    return negative && size !== 0 ? -size : size;
  },
};
/** Any finite number, by way of its shortest decimal text. */
export const numberCodec: Codec<number> = {
  encode: (writer, value) => writer.bytes(String(value) as Bytes),
  decode: (reader) => {
    const value = Number(reader.bytes());
    if (!Number.isFinite(value)) throw new Malformed("not a number");
    return value;
  },
};
export const int64Codec: Codec<bigint> = {
  encode: (writer, value) => writer.int64(value),
  decode: (reader) => reader.int64(),
};
export const bytesCodec: Codec<Bytes> = {
  encode: (writer, value) => writer.bytes(value),
  decode: (reader) => reader.bytes(),
};
/** Bytes as an array; what is read is a copy. */
export const arrayCodec: Codec<Uint8Array> = {
  encode: (writer, value) => {
    writer.uint(value.length);
    writer.array(value);
  },
  decode: (reader) => reader.array(reader.uint()),
};
export const textCodec: Codec<string> = {
  encode: (writer, value) => writer.bytes(utf8(value)),
  decode: (reader) => text(reader.bytes()),
};
export const booleanCodec: Codec<boolean> = {
  encode: (writer, value) => writer.u8(value ? 1 : 0),
  decode: (reader) => reader.u8() === 1,
};
/** JSON data. */
export const jsonCodec: Codec<unknown> = {
  encode: (writer, value) =>
    writer.bytes(value === undefined ? ("" as Bytes) : utf8(JSON.stringify(value))),
  decode: (reader) => {
    const read = reader.bytes();
    if (read === "") return undefined;
    try {
      return JSON.parse(text(read)) as unknown;
    } catch {
      throw new Malformed("not JSON");
    }
  },
};

/**
 * As `codec`, for objects that are written again and again, to many: from the second time on the same object is copied
 * from the bytes that it had.
 */
export function shared<T extends object>(codec: Codec<T>): Codec<T> {
  let last: T | undefined;
  let bytes: Uint8Array | undefined;
  return {
    encode: (writer, value) => {
      if (value === last && bytes !== undefined) return writer.array(bytes);
      const start = writer.length;
      codec.encode(writer, value);
      bytes = value === last ? writer.since(start) : undefined;
      last = value;
    },
    decode: (reader) => codec.decode(reader),
  };
}

export function listOf<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    encode: (writer, values) => {
      writer.uint(values.length);
      for (const value of values) item.encode(writer, value);
    },
    decode: (reader) => {
      const length = reader.uint();
      const values: T[] = [];
      for (let at = 0; at < length; at++) values.push(item.decode(reader));
      return values;
    },
  };
}

/** One of a closed set of strings; the order of `values` is the format. */
export function oneOf<T extends string>(values: readonly T[]): Codec<T> {
  const codes = new Map(values.map((value, code) => [value, code]));
  return {
    encode: (writer, value) => writer.u8(codes.get(value) ?? 255),
    decode: (reader) => {
      const value = values[reader.u8()];
      if (value === undefined) throw new Malformed("a value outside its set");
      return value;
    },
  };
}

/** Fields by name; the order is the format. A field whose codec came from `optional` may be absent. */
export type Fields<T> = {
  readonly [K in keyof Required<T>]:
    | Codec<Exclude<T[K], undefined>>
    | Optional<Exclude<T[K], undefined>>;
};
export interface Optional<T> {
  readonly optional: Codec<T>;
}
export function optional<T>(codec: Codec<T>): Optional<T> {
  return { optional: codec };
}

/** The codec of an object with `fields`. At most 31 of them may be optional. */
export function struct<T extends object>(fields: Fields<T>): Codec<T> {
  const all = Object.entries(fields) as [string, Codec<unknown> | Optional<unknown>][];
  const required = all.flatMap(([name, codec]) => ("optional" in codec ? [] : [{ name, codec }]));
  const absent = all.flatMap(([name, codec]) =>
    "optional" in codec ? [{ name, codec: codec.optional }] : [],
  );
  return {
    encode: (writer, value) => {
      const record = value as Record<string, unknown>;
      for (const { name, codec } of required) codec.encode(writer, record[name]);
      if (absent.length === 0) return;
      let present = 0;
      for (let at = 0; at < absent.length; at++) {
        if (record[(absent[at] as { name: string }).name] !== undefined) present |= 1 << at;
      }
      writer.uint(present);
      for (let at = 0; at < absent.length; at++) {
        const { name, codec } = absent[at] as { name: string; codec: Codec<unknown> };
        if ((present & (1 << at)) !== 0) codec.encode(writer, record[name]);
      }
    },
    decode: (reader) => {
      const record: Record<string, unknown> = {};
      for (const { name, codec } of required) record[name] = codec.decode(reader);
      const present = absent.length === 0 ? 0 : reader.uint();
      for (let at = 0; at < absent.length; at++) {
        const { name, codec } = absent[at] as { name: string; codec: Codec<unknown> };
        if ((present & (1 << at)) !== 0) record[name] = codec.decode(reader);
      }
      return record as T;
    },
  };
}

/** A union told apart by `kind`; the order of the cases is the format. What a case decodes is a fresh object. */
export function union<T extends { readonly kind: string }>(cases: {
  readonly [K in T["kind"]]: Codec<Omit<Extract<T, { readonly kind: K }>, "kind">>;
}): Codec<T> {
  const names = Object.keys(cases) as T["kind"][];
  const codes = new Map(names.map((name, code) => [name, code]));
  const codecs = names.map((name) => cases[name] as Codec<object>);
  return {
    encode: (writer, value) => {
      const code = codes.get(value.kind as T["kind"]) as number;
      writer.u8(code);
      (codecs[code] as Codec<object>).encode(writer, value);
    },
    decode: (reader) => {
      const code = reader.u8();
      const codec = codecs[code];
      if (codec === undefined) throw new Malformed("an unknown kind");
      const fields = codec.decode(reader) as { kind?: T["kind"] | undefined };
      fields.kind = names[code];
      return fields as T;
    },
  };
}

/** A codec that refers to itself. */
export function lazily<T>(make: () => Codec<T>): Codec<T> {
  let made: Codec<T> | undefined;
  const codec = (): Codec<T> => (made ??= make());
  let depth = 0;
  return {
    encode: (writer, value) => codec().encode(writer, value),
    decode: (reader) => {
      if (depth > 128) throw new Malformed("nested too deeply");
      depth++;
      try {
        return codec().decode(reader);
      } finally {
        depth--;
      }
    },
  };
}
