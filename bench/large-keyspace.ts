/** The keys of the large keyspace: short names in order, small values. */
import type { Bytes } from "../src/base/bytes.ts";

export const SMALL_VALUE: Bytes = "v".repeat(64) as Bytes;

export function keyOf(number: number): Bytes {
  return `keys/${String(number).padStart(9, "0")}` as Bytes;
}
