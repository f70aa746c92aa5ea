/** Where members write what they did. */
import type { Bytes } from "../../src/base/bytes.ts";
import { utf8 } from "../../src/base/bytes.ts";

/** Sorts behind every number. */
export const END = "~";

export function listKey(name: string, number: number | string): Bytes {
  return utf8(`done/${name}/${number}`);
}
