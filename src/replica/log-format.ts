/**
 * How batches lie in the log's segments.
 *
 * A segment is a file of fixed length, zero where nothing was written. It is cut into sectors of 512 bytes; each
 * written sector starts with the number of its batch (never zero), its position in the batch, the batch's number of
 * sectors and a checksum bound to log, segment and sector. A batch starts at a sector and carries its length and the
 * checksum of the batch before it.
 *
 * Rules: LOG-1 the last batch is *torn* iff each of its sectors is valid or all zero and at least one is zero: it is
 * cut. LOG-2 anything else that is not valid, or a wrong file length, is *damage*: refused with the place, never cut.
 * Source: Alagappan et al., "Protocol-Aware Recovery" (FAST 2018) on telling a crash from corruption.
 * Declared limit: a last batch that reads as all zeros looks like one that was never written.
 */
import { assert } from "../base/assert.ts";
import { crc32cOf } from "../base/crc32c.ts";

export const SECTOR_BYTES = 512;
const HEADER_BYTES = 12;
/** What a sector holds of its batch. */
export const PAYLOAD_BYTES: number = SECTOR_BYTES - HEADER_BYTES;
/** Length and predecessor's checksum, at the start of a batch's payload. */
const BATCH_HEADER_BYTES = 8;
export const SECTORS_MAX = 0xffff;

/** Where a sector is: bound into its checksum, so that a write that landed elsewhere does not verify. */
export interface Place {
  readonly logId: number;
  readonly segment: number;
}

export function sectorsFor(entryBytes: number): number {
  return Math.ceil((entryBytes + BATCH_HEADER_BYTES) / PAYLOAD_BYTES);
}

/** A batch ready to be written at a sector. */
export interface EncodedBatch {
  readonly sectors: Uint8Array;
  readonly checksum: number;
}

/** Lays `entry` out as batch `number` from sector `first` of `place` on. */
export function encodeBatch(
  entry: Uint8Array,
  number: number,
  previousChecksum: number,
  place: Place,
  first: number,
): EncodedBatch {
  const count = sectorsFor(entry.length);
  assert(count <= SECTORS_MAX, "a batch fits its count");
  const sectors = new Uint8Array(count * SECTOR_BYTES);
  const view = new DataView(sectors.buffer);
  view.setUint32(HEADER_BYTES, entry.length);
  view.setUint32(HEADER_BYTES + 4, previousChecksum);
  let copied = Math.min(entry.length, PAYLOAD_BYTES - BATCH_HEADER_BYTES);
  sectors.set(entry.subarray(0, copied), HEADER_BYTES + BATCH_HEADER_BYTES);
  for (let sector = 1; sector < count; sector++) {
    const part = entry.subarray(copied, copied + PAYLOAD_BYTES);
    sectors.set(part, sector * SECTOR_BYTES + HEADER_BYTES);
    copied += part.length;
  }
  for (let sector = 0; sector < count; sector++) {
    const at = sector * SECTOR_BYTES;
    view.setUint32(at, stampOf(number));
    view.setUint16(at + 4, sector);
    view.setUint16(at + 6, count);
    view.setUint32(at + 8, sectorChecksum(sectors, at, place, first + sector));
  }
  return { sectors, checksum: batchChecksum(entry, previousChecksum) };
}

/** The stamp of a batch's sectors: its number, which wraps round without ever being zero. */
export function stampOf(number: number): number {
  return ((number - 1) % 0xffff_ffff) + 1;
}

function batchChecksum(entry: Uint8Array, previous: number): number {
  return crc32cOf(entry, 0, entry.length, previous);
}

function sectorChecksum(array: Uint8Array, at: number, place: Place, sector: number): number {
  const seed =
    (place.logId ^ Math.imul(place.segment + 1, 0x9e3779b1) ^ Math.imul(sector + 1, 0x85ebca6b)) >>>
    0;
  const head = crc32cOf(array, at, at + 8, seed);
  return crc32cOf(array, at + HEADER_BYTES, at + SECTOR_BYTES, head);
}

/** What a sector turns out to be. */
export type Sector =
  | { readonly kind: "zero" }
  | { readonly kind: "invalid" }
  | {
      readonly kind: "valid";
      readonly stamp: number;
      readonly index: number;
      readonly count: number;
    };

export function readSector(segment: Uint8Array, sector: number, place: Place): Sector {
  const at = sector * SECTOR_BYTES;
  if (isZero(segment, at, at + SECTOR_BYTES)) return { kind: "zero" };
  const view = new DataView(segment.buffer, segment.byteOffset + at, SECTOR_BYTES);
  const stamp = view.getUint32(0);
  const [index, count] = [view.getUint16(4), view.getUint16(6)];
  const sound =
    stamp !== 0 &&
    index < count &&
    view.getUint32(8) === sectorChecksum(segment, at, place, sector);
  return sound ? { kind: "valid", stamp, index, count } : { kind: "invalid" };
}

export function isZero(array: Uint8Array, start: number, end: number): boolean {
  if ((array.byteOffset + start) % 4 === 0 && (end - start) % 4 === 0) {
    const words = new Int32Array(array.buffer, array.byteOffset + start, (end - start) / 4);
    for (let at = 0; at < words.length; at++) if (words[at] !== 0) return false;
    return true;
  }
  for (let at = start; at < end; at++) if (array[at] !== 0) return false;
  return true;
}

/** Where reading a segment has come to. `checksum` undefined: not known, at the first segment that is kept. */
export interface Position {
  readonly nextNumber: number | undefined;
  readonly checksum: number | undefined;
}

export interface Batch {
  readonly number: number;
  readonly entry: Uint8Array;
  readonly checksum: number;
  readonly sector: number;
  readonly sectors: number;
}

/** What stands at a sector. */
export type Found =
  | { readonly kind: "batch"; readonly batch: Batch }
  /** Nothing but zeros up to the end of the segment. */
  | { readonly kind: "end" }
  /** A last batch that did not reach the disk whole: sectors [from, to) are to be zeroed. */
  | { readonly kind: "torn"; readonly from: number; readonly to: number }
  | { readonly kind: "damage"; readonly sector: number; readonly what: string };

/** Reads what stands at `sector` of a whole segment. Whether a torn batch is the last of the log is the caller's to check. */
export function readBatch(
  segment: Uint8Array,
  sector: number,
  place: Place,
  position: Position,
): Found {
  const sectors = segment.length / SECTOR_BYTES;
  if (sector >= sectors) return { kind: "end" };
  const first = readSector(segment, sector, place);
  if (first.kind === "invalid")
    return { kind: "damage", sector, what: "a sector whose checksum does not match" };
  const extent =
    first.kind === "valid" ? extentOf(first, sector) : hiddenExtent(segment, sector, place);
  if (extent === undefined) return { kind: "end" };
  if ("what" in extent) return { kind: "damage", ...extent };
  const expected = position.nextNumber === undefined ? extent.stamp : stampOf(position.nextNumber);
  if (extent.stamp !== expected)
    return { kind: "damage", sector, what: `batch ${extent.stamp} where ${expected} belongs` };
  if (sector + extent.count > sectors)
    return { kind: "damage", sector, what: "a batch longer than its segment" };
  return readExtent(segment, sector, extent, place, position);
}

interface Extent {
  readonly stamp: number;
  readonly count: number;
}

function extentOf(
  first: Sector & { readonly kind: "valid" },
  sector: number,
): Extent | { sector: number; what: string } {
  if (first.index === 0) return { stamp: first.stamp, count: first.count };
  return { sector, what: "the middle of a batch where one should begin" };
}

/** A zero sector: the end of the log, or the missing first sector of a torn batch whose later ones arrived. */
function hiddenExtent(
  segment: Uint8Array,
  sector: number,
  place: Place,
): Extent | undefined | { sector: number; what: string } {
  if (isZero(segment, sector * SECTOR_BYTES, segment.length)) return undefined;
  for (let at = sector + 1; at < segment.length / SECTOR_BYTES; at++) {
    const found = readSector(segment, at, place);
    if (found.kind === "zero") continue;
    const belongs = found.kind === "valid" && found.index === at - sector;
    if (!belongs) return { sector: at, what: "data after the end of the log" };
    return { stamp: found.stamp, count: found.count };
  }
  return undefined;
}

function readExtent(
  segment: Uint8Array,
  sector: number,
  extent: Extent,
  place: Place,
  position: Position,
): Found {
  let zeros = 0;
  for (let index = 0; index < extent.count; index++) {
    const found = readSector(segment, sector + index, place);
    if (found.kind === "zero") zeros++;
    else if (
      found.kind === "invalid" ||
      found.stamp !== extent.stamp ||
      found.index !== index ||
      found.count !== extent.count
    ) {
      return {
        kind: "damage",
        sector: sector + index,
        what: "a sector that is neither zero nor the one that belongs there",
      };
    }
  }
  const end = sector + extent.count;
  if (zeros > 0) return torn(segment, sector, end);
  return assemble(segment, sector, extent, position);
}

function torn(segment: Uint8Array, from: number, to: number): Found {
  if (isZero(segment, to * SECTOR_BYTES, segment.length)) return { kind: "torn", from, to };
  return {
    kind: "damage",
    sector: from,
    what: "a batch with missing sectors that is not the last one",
  };
}

function assemble(segment: Uint8Array, sector: number, extent: Extent, position: Position): Found {
  const payload = new Uint8Array(extent.count * PAYLOAD_BYTES);
  for (let index = 0; index < extent.count; index++) {
    const at = (sector + index) * SECTOR_BYTES + HEADER_BYTES;
    payload.set(segment.subarray(at, at + PAYLOAD_BYTES), index * PAYLOAD_BYTES);
  }
  const view = new DataView(payload.buffer);
  const length = view.getUint32(0);
  const previous = view.getUint32(4);
  if (sectorsFor(length) !== extent.count)
    return { kind: "damage", sector, what: "a batch whose length does not fit its sectors" };
  if (position.checksum !== undefined && previous !== position.checksum) {
    return { kind: "damage", sector, what: "a batch that does not follow the one before it" };
  }
  const entry = payload.subarray(BATCH_HEADER_BYTES, BATCH_HEADER_BYTES + length);
  const number = position.nextNumber ?? extent.stamp;
  const batch = {
    number,
    entry,
    checksum: batchChecksum(entry, previous),
    sector,
    sectors: extent.count,
  };
  return { kind: "batch", batch };
}
