/**
 * The stand-in for the revision that a transaction will have. It may be put into the result and nowhere else: not
 * compared, not added to, not stored; all of that throws, because the number is not known before the commit.
 */
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
 * A copy of `result` as JSON data with each placeholder replaced by `revision`. Throws INVALID for what JSON cannot
 * carry (functions, bigints, cycles), so that an engine in process answers as one behind a wire.
 */
export function settleResult(result: unknown, revision: number, name: string): unknown {
  try {
    return settle(result, revision, 0);
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

function settle(value: unknown, revision: number, depth: number): unknown {
  if ((value as unknown) === COMMIT_REVISION) return revision;
  if (depth > DEPTH_MAX) throw new NotJson("data nested too deeply or in a cycle");
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return value;
    case "number":
      if (!Number.isFinite(value)) throw new NotJson(String(value));
      return value;
    case "object":
      if (value === null) return null;
      if (Array.isArray(value)) return value.map((each) => settle(each, revision, depth + 1));
      return settleObject(value, revision, depth);
    default:
      throw new NotJson(`a ${typeof value}`);
  }
}

function settleObject(value: object, revision: number, depth: number): unknown {
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  // fromEntries defines, so a key named __proto__ stays data.
  return Object.fromEntries(entries.map(([key, each]) => [key, settle(each, revision, depth + 1)]));
}
