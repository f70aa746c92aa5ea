/**
 * Messages as JSON, as etcd's gateway reads and writes them.
 *
 * Invariants: I1 what has its zero value is left out, except a message that is there. I2 64-bit numbers are written as
 * strings and read as either; digits beyond 2^53 are not lost. I3 names are read in etcd's spelling and in camel case;
 * unknown ones are skipped. I4 what does not fit its type throws `RpcStatus` INVALID_ARGUMENT.
 * Source: proto3's JSON mapping with grpc-gateway v1's settings (original names, no zero values).
 */
import type { Bytes } from "../../base/bytes.ts";
import { fromBase64, toBase64 } from "../base64.ts";
import { GRPC, RpcStatus } from "../grpc/status.ts";
import type { LongList } from "../parts.ts";
import { pieces } from "../parts.ts";
import type { Field, Message } from "../protobuf.ts";
import type { FieldName } from "./names.ts";
import { fieldName, fieldNames } from "./names.ts";

const DEPTH_MAX = 64;
const INT64_MAX: bigint = (1n << 63n) - 1n;
const UINT64_MAX: bigint = (1n << 64n) - 1n;
const SAFE: bigint = BigInt(Number.MAX_SAFE_INTEGER);

interface Named extends FieldName {
  readonly key: string;
  readonly name: string;
  readonly field: Field<unknown>;
}
interface Shape {
  readonly fields: readonly Named[];
  /** By every spelling that is read. */
  readonly byName: ReadonlyMap<string, Named>;
}
const shapes = new WeakMap<Message<object>, Shape>();

function shapeOf(message: Message<object>): Shape {
  const known = shapes.get(message);
  if (known !== undefined) return known;
  const names = fieldNames(message);
  const fields = message.fields.map(([key, field]): Named => {
    return { ...names[key], key, field, name: fieldName(message, key) };
  });
  const byName = new Map(
    fields.flatMap((each) => [
      [camel(each.name), each],
      [each.name, each],
    ]),
  );
  const shape = { fields, byName };
  shapes.set(message, shape);
  return shape;
}

function camel(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `value`, a message, as what `JSON.stringify` takes. */
export function toJson(message: Message<object>, value: object): object {
  const given = value as Readonly<Record<string, unknown>>;
  const out: Record<string, unknown> = {};
  for (const named of shapeOf(message).fields) {
    const each = given[named.key];
    if (each === undefined) continue;
    const { field } = named;
    if (field.repeated) {
      const list = each as readonly unknown[];
      if (list.length > 0) out[named.name] = list.map((one) => scalarToJson(named, one));
    } else if (field.type === "message" || each !== ZEROS[field.type]) {
      out[named.name] = scalarToJson(named, each);
    }
  }
  return out;
}

/** The text of `value` in pieces. Names have no order in JSON: the long list goes to the end. */
export function* jsonPieces(
  message: Message<object>,
  value: object,
  long: LongList,
): Generator<string> {
  const { fields } = shapeOf(message);
  const { name } = fields.find(({ key }) => key === long.name) ?? long;
  const of = long.field.message as Message<object>;
  const rest = JSON.stringify(toJson(message, { ...value, [long.name]: undefined }));
  let before = `${rest.slice(0, -1)}${rest === "{}" ? "" : ","}"${name}":[`;
  for (const piece of pieces(long, value)) {
    const text = JSON.stringify(piece.map((each) => toJson(of, each as object)));
    yield before + text.slice(1, -1);
    before = ",";
  }
  yield "]}";
}

const ZEROS: Readonly<Record<Field<unknown>["type"], unknown>> = {
  bytes: "",
  string: "",
  bool: false,
  int64: 0,
  big64: 0n,
  int32: 0,
  message: undefined,
};

function scalarToJson({ field, unsigned, words }: Named, value: unknown): unknown {
  switch (field.type) {
    case "bytes":
      return toBase64(value as Bytes);
    case "int64":
      return String(value);
    case "big64":
      return String(unsigned === true ? BigInt.asUintN(64, value as bigint) : value);
    case "int32":
      return words?.[value as number] ?? value;
    case "message":
      return toJson(field.message as Message<object>, value as object);
    default:
      return value;
  }
}

function refused(what: string): RpcStatus {
  return new RpcStatus(GRPC.invalidArgument, `json: ${what}`);
}

/** The message that `text` holds. Throws `RpcStatus`. */
export function parseJson<T extends object>(message: Message<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(keepDigits(text));
  } catch (error) {
    throw refused(error instanceof Error ? error.message : "cannot be read");
  }
  return fromJson(message as unknown as Message<object>, value ?? {}, DEPTH_MAX) as T;
}

/** Integers that would lose digits become strings, which are read as well. */
function keepDigits(text: string): string {
  if (!/[[:,]\s*-?\d{16}/.test(text)) return text;
  return text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d{16,}/g, (token) =>
    token.startsWith('"') ? token : `"${token}"`,
  );
}

function fromJson(message: Message<object>, value: unknown, depth: number): object {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw refused(`${kindOf(value)} where an object is expected`);
  if (depth === 0) throw refused("objects nested too deeply");
  const shape = shapeOf(message);
  const out: Record<string, unknown> = {};
  for (const { key, field } of shape.fields) out[key] = field.zero;
  for (const [name, each] of Object.entries(value)) {
    const named = shape.byName.get(name);
    if (named === undefined || each === null) continue;
    if (!named.field.repeated) out[named.key] = scalarFromJson(named, each, depth);
    else if (Array.isArray(each))
      out[named.key] = each.map((one) => scalarFromJson(named, one, depth));
    else throw refused(`${kindOf(each)} where ${named.name} expects a list`);
  }
  return out;
}

function scalarFromJson(named: Named, value: unknown, depth: number): unknown {
  const { field, name } = named;
  const found = READ[field.type](value, named, depth);
  if (found === undefined) throw refused(`${kindOf(value)} that does not fit ${name}`);
  return found;
}

/** Undefined: does not fit. */
type Read = (value: unknown, named: Named, depth: number) => unknown;

const READ: Readonly<Record<Field<unknown>["type"], Read>> = {
  bytes: (value) => (typeof value === "string" ? fromBase64(value) : undefined),
  string: (value) => (typeof value === "string" ? value : undefined),
  bool: (value) => (typeof value === "boolean" ? value : undefined),
  int64: (value, named) => {
    const number = integer(value, named);
    if (number === undefined) return undefined;
    const nearest = number > SAFE ? SAFE : number < -SAFE ? -SAFE : number;
    return Number(nearest);
  },
  big64: (value, named) => {
    const number = integer(value, named);
    return number === undefined ? undefined : BigInt.asIntN(64, number);
  },
  int32: (value, { words }) => {
    if (typeof value !== "string" || words === undefined)
      return Number.isInteger(value) && Math.abs(value as number) < 2 ** 31 ? value : undefined;
    const at = words.indexOf(value);
    return at < 0 ? undefined : at;
  },
  message: (value, { field }, depth) =>
    fromJson(field.message as Message<object>, value, depth - 1),
};

function integer(value: unknown, { unsigned }: Named): bigint | undefined {
  const text = typeof value === "number" ? String(value) : value;
  if (typeof text !== "string" || !/^-?\d{1,20}$/.test(text)) return undefined;
  const number = BigInt(text);
  const [least, most] = unsigned === true ? [0n, UINT64_MAX] : [-INT64_MAX - 1n, INT64_MAX];
  return number >= least && number <= most ? number : undefined;
}

function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "a list";
  return `a ${typeof value}`;
}
