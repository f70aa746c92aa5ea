/**
 * The first difference between what was answered and what the model answers.
 *
 * Revisions of answers are not compared here: the order of revisions does that, and inside of a transaction servers leave
 * them out or repeat the outer one.
 */
import { type Bytes, printable, utf8 } from "../../base/bytes.ts";

/** Undefined if there is none. */
export function difference(said: unknown, wanted: unknown, path = ""): string | undefined {
  if (said === wanted) return undefined;
  if (!isObject(said) || !isObject(wanted))
    return `${path === "" ? "it" : path.replace(/^\./, "")} is ${shownValue(said)} and must be ${shownValue(wanted)}`;
  const isList = Array.isArray(wanted);
  for (const name in wanted) {
    if (!counts(name) || said[name] === wanted[name]) continue;
    const found = difference(
      said[name],
      wanted[name],
      isList ? `${path}[${name}]` : `${path}.${name}`,
    );
    if (found !== undefined) return found;
  }
  for (const name in said) {
    if (!counts(name) || name in wanted || said[name] === undefined) continue;
    return difference(said[name], undefined, isList ? `${path}[${name}]` : `${path}.${name}`);
  }
  return undefined;
}

function counts(name: string): boolean {
  return name !== "kind" && name !== "revision";
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

/** A value as it reads in a message. */
export function shownValue(value: unknown): string {
  if (value === undefined) return "absent";
  if (typeof value === "string") return `"${printable(value as Bytes)}"`;
  if (typeof value === "bigint") return BigInt.asUintN(64, value).toString(16);
  if (!isObject(value)) return JSON.stringify(value);
  const { key, modRevision, value: held } = value;
  if (typeof key === "string")
    return `${shownValue(key)} = ${shownValue(held)} of revision ${String(modRevision)}`;
  return printable(
    utf8(
      JSON.stringify(value, (_, each: unknown) =>
        typeof each === "bigint" ? each.toString(16) : each,
      ),
    ),
  );
}
