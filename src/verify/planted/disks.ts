/**
 * Mistakes that are made where a disk is used, as disks that do it wrong: what is not flushed, what is read without being
 * looked at, failures that are taken for successes.
 */
import { crc32cOf } from "../../base/crc32c.ts";
import type { Bytes } from "../../base/bytes.ts";
import { fromArray, text, toArray } from "../../base/bytes.ts";
import type { Prng } from "../../base/prng.ts";
import type { Disk, DiskFile } from "../../ports/disk.ts";
import { isZero, readBatch, readSector, SECTOR_BYTES } from "../../replica/log-format.ts";
import type { Place, Position } from "../../replica/log-format.ts";

type Change = (file: DiskFile, name: string) => DiskFile;
const FRAME_BYTES = 8;
const isSegment = (name: string): boolean => name.endsWith(".seg");

/** A disk whose open files are other ones. */
export function withFiles(disk: Disk, change: Change): Disk {
  return {
    ...disk,
    open: async (name, options) => change(await disk.open(name, options), name),
  };
}

/** It opens nothing so that writes are stable when they resolve. */
export function notDurable(disk: Disk): Disk {
  return { ...disk, open: (name, options) => disk.open(name, { ...options, durable: false }) };
}

/** Names are left to themselves. */
export function withoutDirectorySync(disk: Disk): Disk {
  return { ...disk, syncDirectory: () => Promise.resolve() };
}

/** A failed flush is tried again by flushing. */
export function retriesFlush(disk: Disk): Disk {
  return withFiles(disk, (file) => ({
    ...file,
    write: (offset, data) => file.write(offset, data).catch(() => file.sync()),
    sync: () => file.sync().catch(() => file.sync()),
  }));
}

/** What a full disk has not taken is taken for written. */
export function ignoresFailures(disk: Disk): Disk {
  return withFiles(disk, (file) => ({
    ...file,
    write: (offset, data) => file.write(offset, data).catch(() => undefined),
  }));
}

/** A write that stops short is taken for whole. */
export function shortWrites(disk: Disk, random: Prng): Disk {
  return withFiles(disk, (file) => ({
    ...file,
    write: (offset, data) => {
      const sectors = Math.floor(data.length / SECTOR_BYTES);
      const isShort = sectors > 0 && random.chance(1, 40);
      const length = isShort ? random.below(sectors) * SECTOR_BYTES : data.length;
      return file.write(offset, data.subarray(0, length));
    },
  }));
}

/** What a reader makes of a segment, given where it is. */
type Reading = (bytes: Uint8Array, place: Place) => Uint8Array | "rest";

/** Segments are read in another way than they stand there. "rest": all that follows is taken for empty. */
export function readingSegments(disk: Disk, reading: Reading): Disk {
  let logId: number | undefined;
  let isOver = false;
  const read = async (file: DiskFile, name: string): Promise<Uint8Array> => {
    logId ??= await logIdOf(disk);
    const bytes = (await file.read(0, await file.size())).slice();
    const made = reading(bytes, { logId, segment: Number(name.slice(4, 14)) });
    if (isOver) bytes.fill(0);
    isOver ||= made === "rest";
    // What was cut is not there any more.
    if (isOver) await file.write(0, bytes);
    return made === "rest" ? bytes : made;
  };
  return withFiles(disk, (file, name) => {
    if (!isSegment(name)) return file;
    let content: Promise<Uint8Array> | undefined;
    return {
      ...file,
      read: async (offset, length) => {
        content ??= read(file, name);
        return (await content).slice(offset, offset + length);
      },
    };
  });
}

async function logIdOf(disk: Disk): Promise<number> {
  const file = await disk.open("identity.json", { mode: "read" });
  const { logId } = JSON.parse(text(fromArray(await file.read(0, await file.size())))) as {
    readonly logId: number;
  };
  await file.close();
  return logId;
}

/** The sector at which a segment stops making sense, and why; undefined: it makes sense up to its end. */
function wrongAt(
  bytes: Uint8Array,
  place: Place,
): { readonly sector: number; readonly isTorn: boolean } | undefined {
  let position: Position = { nextNumber: undefined, checksum: undefined };
  for (let sector = 0; ;) {
    const found = readBatch(bytes, sector, place, position);
    if (found.kind === "end") return undefined;
    if (found.kind !== "batch") return { sector, isTorn: found.kind === "torn" };
    position = { nextNumber: found.batch.number + 1, checksum: found.batch.checksum };
    sector += found.batch.sectors;
  }
}

function cut(bytes: Uint8Array, sector: number): "rest" {
  bytes.fill(0, sector * SECTOR_BYTES);
  return "rest";
}

/** A last batch that did not reach the disk whole is taken for damage. */
export const refusesTorn: Reading = (bytes, place) => {
  const wrong = wrongAt(bytes, place);
  if (wrong?.isTorn === true) bytes.fill(1, wrong.sector * SECTOR_BYTES, bytes.length);
  return bytes;
};

/** Whatever does not verify is taken for the end of the log. */
export const cutsDamage: Reading = (bytes, place) => {
  const wrong = wrongAt(bytes, place);
  return wrong === undefined || wrong.isTorn ? bytes : cut(bytes, wrong.sector);
};

/** Zeros within the log are taken for its end. */
export const endsAtZeros: Reading = (bytes, place) => {
  const wrong = wrongAt(bytes, place);
  if (wrong === undefined || wrong.isTorn) return bytes;
  for (let at = wrong.sector; (at + 1) * SECTOR_BYTES <= bytes.length; at++) {
    const start = at * SECTOR_BYTES;
    if (isZero(bytes, start, start + SECTOR_BYTES)) return cut(bytes, wrong.sector);
    if (readSector(bytes, at, place).kind !== "valid") return bytes;
  }
  return bytes;
};

/** A sector that verifies for another place is taken for an old one, and for the end of the log. */
export const endsAtMisplaced: Reading = (bytes, place) => {
  const wrong = wrongAt(bytes, place);
  if (wrong === undefined || wrong.isTorn) return bytes;
  const sectors = bytes.length / SECTOR_BYTES;
  for (let at = wrong.sector; at < sectors; at++) {
    const found = readSector(bytes, at, place);
    if (found.kind === "zero") return bytes;
    if (found.kind === "valid") continue;
    const sector = bytes.slice(at * SECTOR_BYTES, (at + 1) * SECTOR_BYTES);
    return isFromElsewhere(sector, place, sectors) ? cut(bytes, wrong.sector) : bytes;
  }
  return bytes;
};

function isFromElsewhere(sector: Uint8Array, place: Place, sectors: number): boolean {
  const elsewhere = new Uint8Array(sectors * SECTOR_BYTES);
  for (let at = 0; at < sectors; at++) {
    elsewhere.set(sector, at * SECTOR_BYTES);
    if (readSector(elsewhere, at, place).kind === "valid") return true;
  }
  return false;
}

/** Snapshots are read as if every record verified. */
export function believesSnapshots(disk: Disk): Disk {
  return withFiles(disk, (file, name) => {
    if (!name.endsWith(".snap")) return file;
    return {
      ...file,
      read: async (offset, length) => {
        const bytes = (await file.read(0, await file.size())).slice();
        for (let at = 0; at + FRAME_BYTES <= bytes.length;) {
          const end = at + FRAME_BYTES + new DataView(bytes.buffer).getUint32(at);
          if (end > bytes.length) break;
          seal(bytes, at, end);
          at = end;
        }
        return bytes.slice(offset, offset + length);
      },
    };
  });
}

/** Writes the checksum of the frame from `at` to `end`. */
function seal(bytes: Uint8Array, at: number, end: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(at + 4, crc32cOf(bytes, at + FRAME_BYTES, end));
}

/** A snapshot says of one of its numbers that it is one less. */
export function lowersInSnapshots(field: "index" | "revision"): (disk: Disk) => Disk {
  const pattern = new RegExp(`"${field}":(\\d+)`);
  return (disk) =>
    withFiles(disk, (file, name) => {
      if (!name.endsWith(".snap.new")) return file;
      return {
        ...file,
        write: (offset, data) => file.write(offset, offset === 0 ? lowered(data, pattern) : data),
      };
    });
}

function lowered(frame: Uint8Array, pattern: RegExp): Uint8Array {
  const content = fromArray(frame).replace(pattern, (all, digits: string) => {
    const less = String(Number(digits) - 1).padStart(digits.length, " ");
    return all.slice(0, -digits.length) + less;
  });
  const bytes = toArray(content as Bytes);
  seal(bytes, 0, bytes.length);
  return bytes;
}

/** As soon as a snapshot is begun, the one before it is removed. */
export function removesTooEarly(disk: Disk): Disk {
  return {
    ...disk,
    open: async (name, options) => {
      if (name.endsWith(".snap.new"))
        for (const other of await disk.list())
          if (other.endsWith(".snap")) await disk.remove(other);
      return disk.open(name, options);
    },
  };
}
