/**
 * Tables of fields that read and write JSON: one table, both directions, so that what is written can be read.
 *
 * Invariants: I1 what is read has exactly the fields of the table; an unknown one is refused by name. I2 a byte string is
 * text if it is UTF-8, else `{"base64": …}`; a 64-bit id is hexadecimal. I3 what equals its default is not written.
 */
import { type Bytes, text, utf8 } from "../../base/bytes.ts";
import { fail, type QuorateError } from "../../base/errors.ts";
import { fromBase64, toBase64 } from "../../wire/base64.ts";

export interface Field<T> {
  read(json: unknown, where: string): T;
  write(value: T): unknown;
}

/** A field of whatever type. */
export interface AnyField {
  read(json: unknown, where: string): unknown;
  write(value: never): unknown;
}

/** What a history is refused for. */
export function refusal(where: string, what: string): QuorateError {
  const remedy = "See docs/spec/history.md for what a line may hold.";
  return fail("INVALID", { object: where, what, remedy });
}

function plain<T>(is: (json: unknown) => boolean, wanted: string): Field<T> {
  return {
    read: (json, where) => {
      if (is(json)) return json as T;
      throw refusal(where, `is ${brief(json)} and must be ${wanted}`);
    },
    write: (value) => value,
  };
}

/** What is there instead, in a few words; what has parts may have any number and depth of them. */
export function brief(json: unknown): string {
  if (json === undefined) return "missing";
  if (typeof json === "object" && json !== null)
    return Array.isArray(json) ? "a list" : "an object";
  const written = JSON.stringify(json);
  return written.length > 40 ? `${written.slice(0, 40)}…` : written;
}

export const string: Field<string> = plain((json) => typeof json === "string", "text");
export const flag: Field<boolean> = plain((json) => typeof json === "boolean", "true or false");
export const whole: Field<number> = plain((json) => Number.isSafeInteger(json), "a whole number");
export const number: Field<number> = plain(
  (json) => typeof json === "number" && Number.isFinite(json),
  "a number",
);
export const notNegative: Field<number> = plain(
  (json) => typeof json === "number" && Number.isFinite(json) && json >= 0,
  "a number from 0 on",
);

export const bytes: Field<Bytes> = {
  read: (json, where) => {
    if (typeof json === "string") return utf8(json);
    const encoded = (json as { readonly base64?: unknown } | null | undefined)?.base64;
    if (typeof encoded !== "string")
      throw refusal(where, `is ${brief(json)} and must be text or {"base64": …}`);
    const decoded = fromBase64(encoded);
    if (decoded === undefined) throw refusal(where, "is not base64");
    return decoded;
  },
  write: (value) => {
    const read = text(value);
    return utf8(read) === value ? read : { base64: toBase64(value) };
  },
};

export const id: Field<bigint> = {
  read: (json, where) => {
    if (typeof json === "string" && /^[0-9a-fA-F]{1,16}$/.test(json))
      return BigInt.asIntN(64, BigInt(`0x${json}`));
    throw refusal(where, `is ${brief(json)} and must be hexadecimal, at most 16 digits`);
  },
  write: (value) => BigInt.asUintN(64, value).toString(16),
};

export function oneOf<T extends string>(...words: readonly T[]): Field<T> {
  return plain((json) => words.includes(json as T), words.map((word) => `"${word}"`).join(" or "));
}

export function nullable<T>(field: Field<T>): Field<T | null> {
  return {
    read: (json, where) => (json === null ? null : field.read(json, where)),
    write: (value) => (value === null ? null : field.write(value)),
  };
}

export function optional<T>(field: Field<T>): Field<T | undefined> {
  return {
    read: (json, where) => (json === undefined ? undefined : field.read(json, where)),
    write: (value) => (value === undefined ? undefined : field.write(value)),
  };
}

export function defaulted<T>(field: Field<T>, usual: T): Field<T> {
  return {
    read: (json, where) => (json === undefined ? usual : field.read(json, where)),
    write: (value) => (value === usual ? undefined : field.write(value)),
  };
}

export function list<T>(field: Field<T>): Field<readonly T[]> {
  return {
    read: (json, where) => {
      if (!Array.isArray(json)) throw refusal(where, `is ${brief(json)} and must be a list`);
      return json.map((each, at) => field.read(each, `${where}[${at}]`));
    },
    write: (value) => value.map((each) => field.write(each)),
  };
}

/** Deeper than anything that the native protocol carries. */
export const NESTED_MAX = 128;

/** For what refers to itself. */
export function later<T>(field: () => Field<T>): Field<T> {
  let depth = 0;
  return {
    read: (json, where) => {
      if (depth > NESTED_MAX) throw refusal(where, `is nested more than ${NESTED_MAX} deep`);
      depth++;
      try {
        return field().read(json, where);
      } finally {
        depth--;
      }
    },
    write: (value) => field().write(value),
  };
}

export type Fields<T> = { readonly [K in keyof T]-?: Field<T[K]> };

/** An object with exactly these fields. */
export function record<T extends object>(fields: Fields<T>): Field<T> {
  const entries = Object.entries(fields) as [string, Field<unknown>][];
  const known = new Set(Object.keys(fields));
  return {
    read: (json, where) => {
      const given = objectOf(json, where);
      const out: Record<string, unknown> = {};
      for (const name in given)
        if (!known.has(name)) throw refusal(where, `has a field "${name}" that is not known`);
      for (const [name, field] of entries) {
        const value = field.read(given[name], `${where}.${name}`);
        if (value !== undefined) out[name] = value;
      }
      return out as T;
    },
    write: (value) => {
      const out: Record<string, unknown> = {};
      for (const [name, field] of entries) {
        const written = field.write((value as Record<string, unknown>)[name]);
        if (written !== undefined) out[name] = written;
      }
      return out;
    },
  };
}

export function objectOf(json: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof json === "object" && json !== null && !Array.isArray(json))
    return json as Readonly<Record<string, unknown>>;
  throw refusal(where, `is ${brief(json)} and must be an object`);
}

/** Objects of several tables, told apart by the word in their field `by`. */
export function union<T extends object>(
  by: string,
  tables: Readonly<Record<string, AnyField>>,
): Field<T> {
  const found = (word: unknown, where: string): Field<T> => {
    const table =
      typeof word === "string" && Object.hasOwn(tables, word) ? tables[word] : undefined;
    if (table === undefined)
      throw refusal(
        `${where}.${by}`,
        `is ${brief(word)}, not one of ${Object.keys(tables).join(", ")}`,
      );
    return table as unknown as Field<T>;
  };
  return {
    read: (json, where) => found(objectOf(json, where)[by], where).read(json, where),
    write: (value) => found((value as Record<string, unknown>)[by], by).write(value),
  };
}
