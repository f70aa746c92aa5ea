/**
 * Arguments and results of procedures as JSON text in UTF-8. They are written once, by whoever makes them, and travel and
 * are kept as text; every reader gets a copy of its own by reading it. "" stands for undefined.
 */
import type { Bytes } from "../base/bytes.ts";
import { EMPTY, text, utf8 } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";

/** The arguments of procedure `name` as text. Throws INVALID for what JSON cannot carry. */
export function argsText(args: unknown, name: string): Bytes {
  try {
    return args === undefined ? EMPTY : utf8(JSON.stringify(args) ?? "");
  } catch (error) {
    throw fail(
      "INVALID",
      {
        object: `procedure ${name}`,
        what: `was given arguments that JSON cannot carry`,
        remedy: "Pass plain objects, arrays, strings, finite numbers, booleans and null.",
      },
      error,
    );
  }
}

/** A fresh copy of the data. Throws SyntaxError if the text is not JSON. */
export function dataOf(json: Bytes): unknown {
  return json === EMPTY ? undefined : JSON.parse(text(json));
}
