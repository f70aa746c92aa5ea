/**
 * Protocol Buffers (proto3): the codec of a message from the codecs of its fields.
 *
 * Invariants: I1 a decoded message has every field: what is not in the bytes has its zero value. I2 fields that are not
 * known are skipped. I3 bytes that are no message throw `Malformed`. I4 zero values are not written, except in a
 * `present` field, which tells absent from zero (oneofs).
 * Source: the Protocol Buffers encoding specification. Leaves out: groups, maps, packed floats, extensions.
 */
import type { Bytes } from "../base/bytes.ts";
import { EMPTY, fromArray, text, utf8, writeBytes } from "../base/bytes.ts";
import { Malformed } from "../base/codec.ts";

const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
const TWO_32 = 0x1_0000_0000;
const DEPTH_MAX = 64;

/** What may be given to encode a `T`: any field may be left out. */
export type Init<T> = T extends string | number | bigint | boolean | undefined
  ? T
  : T extends readonly (infer U)[]
    ? readonly Init<U>[]
    : { readonly [K in keyof T]?: Init<T[K]> | undefined };

/** One field: its number, and how it is written and read. */
export interface Field<T> {
  readonly number: number;
  readonly zero: T;
  /** What to read it as: JSON gateways need to know. */
  readonly type: "bytes" | "string" | "bool" | "int64" | "big64" | "int32" | "message";
  readonly repeated: boolean;
  readonly message?: Message<object> | undefined;
  write(writer: ProtoWriter, value: T): void;
  read(reader: ProtoReader, wire: number, before: T): T;
}

type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/** The codec of a message. */
export interface Message<T extends object> {
  readonly fields: readonly (readonly [string, Field<unknown>])[];
  encode(value: Init<T>): Uint8Array;
  /** With `saturate` an integer beyond 2^53 reads as the nearest that is not, for what others have written. */
  decode(bytes: Uint8Array, saturate?: boolean): T;
  write(writer: ProtoWriter, value: Init<T>): void;
  read(reader: ProtoReader): T;
}

/** Of a writer's buffer, between messages. */
const KEPT_BYTES: number = 64 << 10;

export class ProtoWriter {
  #array = new Uint8Array(256);
  #length = 0;

  /** A copy of what has been written; the writer is empty afterwards. */
  take(): Uint8Array {
    const taken = this.#array.slice(0, this.#length);
    this.#length = 0;
    if (this.#array.length > KEPT_BYTES) this.#array = new Uint8Array(KEPT_BYTES);
    return taken;
  }
  clear(): void {
    this.#length = 0;
  }
  u8(value: number): void {
    this.#room(1);
    this.#array[this.#length++] = value;
  }
  /** Leaves four bytes open, to be filled in by `patchU32`. */
  openU32(): number {
    this.#room(4);
    this.#length += 4;
    return this.#length - 4;
  }
  /** Big-endian. */
  patchU32(at: number, value: number): void {
    new DataView(this.#array.buffer).setUint32(at, value);
  }
  get length(): number {
    return this.#length;
  }
  /** A copy of what has been written from `start` on. */
  since(start: number): Uint8Array {
    return this.#array.slice(start, this.#length);
  }
  /** Fields that have been written before. */
  raw(fields: Uint8Array): void {
    this.#room(fields.length);
    this.#array.set(fields, this.#length);
    this.#length += fields.length;
  }
  tag(number: number, wire: number): void {
    this.varint(number * 8 + wire);
  }
  /** A safe integer; a negative one takes ten bytes, as int64 does. */
  varint(value: number): void {
    if (value < 0) return this.big(BigInt(value));
    this.#room(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#array[this.#length++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    this.#array[this.#length++] = rest;
  }
  big(value: bigint): void {
    this.#room(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.#array[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#array[this.#length++] = Number(rest);
  }
  bytes(value: Bytes): void {
    this.varint(value.length);
    this.#room(value.length);
    this.#length = writeBytes(value, this.#array, this.#length);
  }
  /** Writes what `body` writes with its length before it. */
  delimited(body: () => void): void {
    this.#room(1);
    const start = ++this.#length;
    body();
    const size = this.#length - start;
    if (size < 0x80) {
      this.#array[start - 1] = size;
      return;
    }
    const more = size < 0x4000 ? 1 : size < 0x20_0000 ? 2 : size < 0x1000_0000 ? 3 : 4;
    this.#room(more);
    this.#array.copyWithin(start + more, start, this.#length);
    const end = this.#length + more;
    this.#length = start - 1;
    this.varint(size);
    this.#length = end;
  }
  #room(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#array.length) return;
    const larger = new Uint8Array(Math.max(needed, this.#array.length * 2));
    larger.set(this.#array.subarray(0, this.#length));
    this.#array = larger;
  }
}

export class ProtoReader {
  readonly #array: Uint8Array;
  readonly #saturate: boolean;
  #at: number;
  #end: number;
  #depth = 0;

  constructor(array: Uint8Array, saturate = false) {
    this.#array = array;
    this.#saturate = saturate;
    this.#at = 0;
    this.#end = array.length;
  }
  get done(): boolean {
    return this.#at >= this.#end;
  }
  /** An int64 as a number. Beyond 2^53: the nearest safe integer if that is allowed, else `Malformed`. */
  varint(): number {
    const first = this.#array[this.#at] as number;
    if (this.#at < this.#end && first < 0x80) {
      this.#at++;
      return first;
    }
    const [low, high] = this.#halves();
    const value = (high | 0) * TWO_32 + low;
    if (Number.isSafeInteger(value)) return value;
    if (this.#saturate) return Math.sign(value) * Number.MAX_SAFE_INTEGER;
    throw new Malformed("an integer beyond 2^53");
  }
  big(): bigint {
    const [low, high] = this.#halves();
    return BigInt.asIntN(64, (BigInt(high) << 32n) | BigInt(low));
  }
  bytes(): Bytes {
    const length = this.#size();
    this.#at += length;
    return fromArray(this.#array, this.#at - length, this.#at);
  }
  /** Reads with `body` what is delimited here. */
  delimited<T>(body: () => T): T {
    if (++this.#depth > DEPTH_MAX) throw new Malformed("messages nested too deeply");
    const outer = this.#end;
    this.#end = this.#size() + this.#at;
    const value = body();
    if (this.#at !== this.#end) throw new Malformed("a message that ends early");
    this.#end = outer;
    this.#depth--;
    return value;
  }
  skip(wire: number): void {
    if (wire === VARINT) this.#halves();
    else if (wire === FIXED64) this.#advance(8);
    else if (wire === DELIMITED) this.#advance(this.#size());
    else if (wire === FIXED32) this.#advance(4);
    else throw new Malformed(`wire type ${wire}`);
  }
  #size(): number {
    const length = this.varint();
    if (length < 0 || length > this.#end - this.#at) throw new Malformed("a length beyond the end");
    return length;
  }
  #advance(by: number): void {
    if (by > this.#end - this.#at) throw new Malformed("ends early");
    this.#at += by;
  }
  #halves(): readonly [low: number, high: number] {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.#at >= this.#end) throw new Malformed("ends early");
      const byte = this.#array[this.#at++] as number;
      const bits = byte & 0x7f;
      if (shift < 32) low |= bits << shift;
      if (shift === 28) high |= bits >>> 4;
      else if (shift > 28) high |= bits << (shift - 32);
      if (byte < 0x80) return [low >>> 0, high >>> 0];
    }
    throw new Malformed("an integer of more than ten bytes");
  }
}

/** Messages are written one after the other, so one buffer does for all. */
const whole = new ProtoWriter();

/** The codec of the message with these fields. */
export function message<T extends object>(fields: Fields<T>): Message<T> {
  const named = Object.entries(fields) as [string, Field<unknown>][];
  const byNumber = new Map(named.map(([name, field]) => [field.number, { name, field }]));
  const zeros = Object.fromEntries(named.map(([name, field]) => [name, field.zero]));
  const write = (writer: ProtoWriter, value: Init<T>): void => {
    const given = value as Record<string, unknown>;
    for (const [name, field] of named) {
      const each = given[name];
      if (each !== undefined) field.write(writer, each);
    }
  };
  const read = (reader: ProtoReader): T => {
    const out: Record<string, unknown> = { ...zeros };
    while (!reader.done) {
      const tag = reader.varint();
      const found = byNumber.get(Math.floor(tag / 8));
      if (found === undefined) reader.skip(tag & 7);
      else out[found.name] = found.field.read(reader, tag & 7, out[found.name]);
    }
    return out as T;
  };
  return {
    fields: named,
    write,
    read,
    encode: (value) => {
      whole.clear();
      write(whole, value);
      return whole.take();
    },
    decode: (bytes, saturate) => read(new ProtoReader(bytes, saturate)),
  };
}

interface Scalar<T> {
  readonly type: Field<T>["type"];
  readonly wire: number;
  readonly zero: T;
  write(writer: ProtoWriter, value: T): void;
  read(reader: ProtoReader): T;
}

const BYTES: Scalar<Bytes> = {
  type: "bytes",
  wire: DELIMITED,
  zero: EMPTY,
  write: (writer, value) => writer.bytes(value),
  read: (reader) => reader.bytes(),
};
const STRING: Scalar<string> = {
  type: "string",
  wire: DELIMITED,
  zero: "",
  write: (writer, value) => writer.bytes(utf8(value)),
  read: (reader) => text(reader.bytes()),
};
const BOOL: Scalar<boolean> = {
  type: "bool",
  wire: VARINT,
  zero: false,
  write: (writer, value) => writer.varint(value ? 1 : 0),
  read: (reader) => reader.big() !== 0n,
};
const INT64: Scalar<number> = {
  type: "int64",
  wire: VARINT,
  zero: 0,
  write: (writer, value) => writer.varint(value),
  read: (reader) => reader.varint(),
};
const INT32: Scalar<number> = { ...INT64, type: "int32" };
const BIG64: Scalar<bigint> = {
  type: "big64",
  wire: VARINT,
  zero: 0n,
  write: (writer, value) => writer.big(value),
  read: (reader) => reader.big(),
};

/** `value` after those `before`. The zero value is shared: the first element makes a list of its own. */
function added<T>(before: readonly T[], value: T): readonly T[] {
  if (before.length === 0) return [value];
  (before as T[]).push(value);
  return before;
}

function expected(wire: number, wanted: number): void {
  if (wire !== wanted) throw new Malformed("a field of another type");
}

function single<T>(scalar: Scalar<T>, number: number): Field<T> {
  return {
    number,
    zero: scalar.zero,
    type: scalar.type,
    repeated: false,
    write: (writer, value) => {
      if (value === scalar.zero) return;
      writer.tag(number, scalar.wire);
      scalar.write(writer, value);
    },
    read: (reader, wire) => {
      expected(wire, scalar.wire);
      return scalar.read(reader);
    },
  };
}

function many<T>(scalar: Scalar<T>, number: number): Field<readonly T[]> {
  return {
    number,
    zero: [],
    type: scalar.type,
    repeated: true,
    write: (writer, values) => {
      for (const value of values) {
        writer.tag(number, scalar.wire);
        scalar.write(writer, value);
      }
    },
    read: (reader, wire, before) => {
      if (wire !== DELIMITED || scalar.wire === DELIMITED) {
        expected(wire, scalar.wire);
        return added(before, scalar.read(reader));
      }
      const packed: T[] = [];
      reader.delimited(() => {
        while (!reader.done) packed.push(scalar.read(reader));
      });
      return before.length === 0 ? packed : [...before, ...packed];
    },
  };
}

export const bytes = (number: number): Field<Bytes> => single(BYTES, number);
export const string = (number: number): Field<string> => single(STRING, number);
export const bool = (number: number): Field<boolean> => single(BOOL, number);
/** An int64 or uint64 that stays below 2^53: revisions, counts, sizes. */
export const int64 = (number: number): Field<number> => single(INT64, number);
/** An int64 or uint64 that may not: ids. */
export const big64 = (number: number): Field<bigint> => single(BIG64, number);
/** An int32, uint32 or an enumeration. */
export const int32 = (number: number): Field<number> => single(INT32, number);
export const strings = (number: number): Field<readonly string[]> => many(STRING, number);
export const byteStrings = (number: number): Field<readonly Bytes[]> => many(BYTES, number);
export const enums = (number: number): Field<readonly number[]> => many(INT32, number);

/** A scalar that may be absent, which is not the same as zero: an arm of a oneof. */
export function present<T>(field: Field<T>): Field<T | undefined> {
  const { number, zero } = field;
  const wire = field.type === "bytes" || field.type === "string" ? DELIMITED : VARINT;
  return {
    ...field,
    zero: undefined,
    write: (writer, value) => {
      if (value === undefined) return;
      if (value !== zero) return field.write(writer, value);
      writer.tag(number, wire);
      writer.varint(0);
    },
    read: (reader, given) => field.read(reader, given, zero),
  };
}

/** A message that may be absent. */
export function nested<T extends object>(
  number: number,
  of: () => Message<T>,
): Field<T | undefined> {
  return {
    number,
    zero: undefined,
    type: "message",
    repeated: false,
    get message() {
      return of() as unknown as Message<object>;
    },
    write: (writer, value) => {
      if (value === undefined) return;
      writer.tag(number, DELIMITED);
      writer.delimited(() => of().write(writer, value as Init<T>));
    },
    read: (reader, wire) => {
      expected(wire, DELIMITED);
      return reader.delimited(() => of().read(reader));
    },
  };
}

/** As `field`, for values that are written again and again: from the second time on the same one is copied. */
export function shared<T>(field: Field<T>): Field<T> {
  let last: T | undefined;
  let bytes: Uint8Array | undefined;
  return {
    ...field,
    get message() {
      return field.message;
    },
    write: (writer, value) => {
      if (value === last && bytes !== undefined) return writer.raw(bytes);
      const start = writer.length;
      field.write(writer, value);
      bytes = value === last ? writer.since(start) : undefined;
      last = value;
    },
  };
}

/** Messages in a row. */
export function list<T extends object>(number: number, of: () => Message<T>): Field<readonly T[]> {
  return {
    number,
    zero: [],
    type: "message",
    repeated: true,
    get message() {
      return of() as unknown as Message<object>;
    },
    write: (writer, values) => {
      for (const value of values) {
        writer.tag(number, DELIMITED);
        writer.delimited(() => of().write(writer, value as Init<T>));
      }
    },
    read: (reader, wire, before) => {
      expected(wire, DELIMITED);
      return added(
        before,
        reader.delimited(() => of().read(reader)),
      );
    },
  };
}
