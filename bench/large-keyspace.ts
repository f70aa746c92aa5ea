/** The keys of the large keyspace: short names in order, small values. */
import type { Bytes } from "../src/base/bytes.ts";

export const SMALL_VALUE: Bytes = "v".repeat(64) as Bytes;

/** What every key begins with, and the end of their range. */
export const PREFIX: Bytes = "keys/" as Bytes;
export const END: Bytes = "keys0" as Bytes;

export function keyOf(number: number): Bytes {
  return `${PREFIX}${String(number).padStart(9, "0")}` as Bytes;
}
