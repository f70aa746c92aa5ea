/**
 * The range of keys that `get`, `del` and `watch` name, the same way in each.
 *
 * Invariants: I1 `--prefix` of the empty key means every key. I2 the end of a prefix is its byte
 * successor.
 */
import { type Bytes, EMPTY } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import { OPEN_END } from "../contract/requests.ts";
import type { Flags } from "./flags.ts";
import { argumentBytes } from "./output.ts";

/** What a range request takes. */
export interface KeyRange {
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
}

/**
 * The range that `operand` and the flags name. Errors: INVALID for flags that exclude each other.
 */
export function keyRange(operand: string, flags: Flags): KeyRange {
  const escapes = flags.on("escapes");
  const key = argumentBytes(operand, escapes);
  const end = flags.text("range-end");
  if (end !== undefined && flags.on("prefix")) {
    throw fail("INVALID", {
      object: "flags --prefix and --range-end",
      what: "exclude each other",
      remedy: "Give one of them.",
    });
  }
  if (flags.on("prefix"))
    return key === EMPTY ? { key: OPEN_END, end: OPEN_END } : { key, end: successor(key) };
  if (end === undefined) return { key };
  return { key, end: argumentBytes(end, escapes) };
}

/** The least key above every key that begins with `prefix`. */
function successor(prefix: Bytes): Bytes {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const code = prefix.charCodeAt(at);
    if (code < 0xff) return (prefix.slice(0, at) + String.fromCharCode(code + 1)) as Bytes;
  }
  return OPEN_END;
}
