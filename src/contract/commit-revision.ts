/**
 * The stand-in for the revision that a transaction will have. It may be put into the result and nowhere else: not
 * compared, not added to, not stored; all of that throws, because the number is not known before the commit.
 */
import type { Bytes } from "../base/bytes.ts";
import { utf8 } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { CommitRevision } from "./procedure.ts";

class Placeholder {
  [Symbol.toPrimitive](): never {
    throw misuse("compared or calculated with");
  }
  toJSON(): never {
    throw misuse("stored");
  }
}

function misuse(how: string): Error {
  return fail("INVALID", {
    object: "tx.commitRevision",
    what: `was ${how} inside the transaction, where it is not known yet`,
    remedy: "Put it into the result only; a record can use its key's create or mod revision.",
  });
}

/** The one placeholder. */
export const COMMIT_REVISION: CommitRevision = new Placeholder() as unknown as CommitRevision;

/**
 * `result` as JSON text with each placeholder replaced by `revision`. Throws INVALID for what JSON cannot carry
 * (functions, bigints, cycles), so that an engine in process answers as one behind a wire.
 */
export function resultText(result: unknown, revision: number, name: string): Bytes {
  try {
    return utf8(write(result, revision, 0) ?? "");
  } catch (error) {
    if (!(error instanceof NotJson)) throw error;
    throw fail("INVALID", {
      object: `procedure ${name}`,
      what: `returned ${error.message}, which JSON cannot carry`,
      remedy: "Return plain objects, arrays, strings, finite numbers, booleans and null.",
    });
  }
}

class NotJson extends Error {}
const DEPTH_MAX = 64;

/** JSON text; undefined for undefined. */
function write(value: unknown, revision: number, depth: number): string | undefined {
  if ((value as unknown) === COMMIT_REVISION) return String(revision);
  if (depth > DEPTH_MAX) throw new NotJson("data nested too deeply or in a cycle");
  switch (typeof value) {
    case "string":
      return JSON.stringify(value);
    case "boolean":
      return value ? "true" : "false";
    case "undefined":
      return undefined;
    case "number":
      if (!Number.isFinite(value)) throw new NotJson(String(value));
      return String(value);
    case "object":
      if (value === null) return "null";
      if (!Array.isArray(value)) return writeObject(value, revision, depth);
      return `[${value.map((each) => write(each, revision, depth + 1) ?? "null").join(",")}]`;
    default:
      throw new NotJson(`a ${typeof value}`);
  }
}

function writeObject(value: object, revision: number, depth: number): string {
  let fields = "";
  for (const [key, each] of Object.entries(value)) {
    const text = write(each, revision, depth + 1);
    if (text === undefined) continue;
    fields += `${fields === "" ? "" : ","}${JSON.stringify(key)}:${text}`;
  }
  return `{${fields}}`;
}
