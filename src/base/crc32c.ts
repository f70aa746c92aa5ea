/**
 * CRC-32C (Castagnoli), table-driven, eight bytes a step over arrays.
 * Source: Kounavis and Berry, "A Systematic Approach to Building High Performance Software-Based CRC Generators" (2005).
 */
import type { Bytes } from "./bytes.ts";

const POLYNOMIAL = 0x82f63b78;
const TABLES: readonly Int32Array[] = makeTables();
const [T0, T1, T2, T3, T4, T5, T6, T7] = TABLES as unknown as readonly [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 8 }, () => new Int32Array(256));
  const first = tables[0] as Int32Array;
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    first[byte] = crc;
  }
  for (let table = 1; table < 8; table++) {
    for (let byte = 0; byte < 256; byte++) {
      const before = (tables[table - 1] as Int32Array)[byte] as number;
      (tables[table] as Int32Array)[byte] = (before >>> 8) ^ (first[before & 255] as number);
    }
  }
  return tables;
}

/** The checksum of a byte string, continued from `seed`; unsigned. */
export function crc32c(bytes: Bytes, seed = 0): number {
  let crc = ~seed;
  for (let at = 0; at < bytes.length; at++) {
    crc = (T0[(crc ^ bytes.charCodeAt(at)) & 255] as number) ^ (crc >>> 8);
  }
  return ~crc >>> 0;
}

/** The checksum of `array[start, end)`, continued from `seed`; unsigned. */
export function crc32cOf(array: Uint8Array, start: number, end: number, seed = 0): number {
  let crc = ~seed;
  let at = start;
  for (; at + 8 <= end; at += 8) {
    const low =
      crc ^
      ((array[at] as number) |
        ((array[at + 1] as number) << 8) |
        ((array[at + 2] as number) << 16) |
        ((array[at + 3] as number) << 24));
    crc =
      (T7[low & 255] as number) ^
      (T6[(low >>> 8) & 255] as number) ^
      (T5[(low >>> 16) & 255] as number) ^
      (T4[low >>> 24] as number) ^
      (T3[array[at + 4] as number] as number) ^
      (T2[array[at + 5] as number] as number) ^
      (T1[array[at + 6] as number] as number) ^
      (T0[array[at + 7] as number] as number);
  }
  for (; at < end; at++) crc = (T0[(crc ^ (array[at] as number)) & 255] as number) ^ (crc >>> 8);
  return ~crc >>> 0;
}
