/** Reading JSON that others may have written: a field that is not what it should be is as good as absent. */
import type { Bytes } from "../../../base/bytes.ts";
import { text } from "../../../base/bytes.ts";

export type Fields = ReadonlyMap<string, unknown>;

/** The fields of a stored object; none of anything else. */
export function fieldsOf(value: Bytes): Map<string, unknown> {
  try {
    return fieldsIn(JSON.parse(text(value)));
  } catch {
    return new Map();
  }
}

/** The fields of an object within an object; none of anything else. */
export function fieldsIn(read: unknown): Map<string, unknown> {
  if (typeof read !== "object" || read === null || Array.isArray(read)) return new Map();
  return new Map(Object.entries(read));
}

export function stringIn(fields: Fields, name: string): string | undefined {
  const value = fields.get(name);
  return typeof value === "string" ? value : undefined;
}

export function numberIn(fields: Fields, name: string): number | undefined {
  const value = fields.get(name);
  return Number.isFinite(value) ? (value as number) : undefined;
}

export function integerIn(fields: Fields, name: string): number | undefined {
  const value = fields.get(name);
  return Number.isSafeInteger(value) ? (value as number) : undefined;
}

/** True, or absent. */
export function flagIn(fields: Fields, name: string): true | undefined {
  return fields.get(name) === true ? true : undefined;
}
