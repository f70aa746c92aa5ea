/**
 * What a disk does behind everybody's back: bits flip, blocks read as zeros, a write lands where another belongs.
 *
 * Only files that are sure to be read again are harmed. The last batch of a log, without which a member cannot tell how it
 * voted, is harmed by itself, and only by flipped bits: one that reads as zeros looks like one that was never written, which
 * is a declared limit.
 */
import { must } from "../../base/assert.ts";
import type { Prng } from "../../base/prng.ts";
import { segmentName, segmentNumbers } from "../../driver/log.ts";
import { snapshotNames } from "../../driver/snapshot-files.ts";
import { isZero, SECTOR_BYTES } from "../../replica/log-format.ts";
import type { SimDisk } from "../sim-disk.ts";

/** Damages the log before its last batches: what it held the others can tell. */
export function damageLog(disk: SimDisk, random: Prng): void {
  const older = withoutLast(disk, withoutLast(disk, writtenSectors(disk)));
  if (older.length < 2) return;
  const kind = random.pick(["flip", "flip", "zero", "misplace"] as const);
  const { name, sector } = random.pick(older);
  const at = sector * SECTOR_BYTES;
  if (kind === "zero") disk.damage(name, (bytes) => bytes.fill(0, at, at + SECTOR_BYTES));
  else if (kind === "misplace") {
    const from = random.pick(older.filter((each) => each.name === name)).sector * SECTOR_BYTES;
    disk.damage(name, (bytes) => bytes.copyWithin(at, from, from + SECTOR_BYTES));
  } else flip(disk, name, at, SECTOR_BYTES, random);
}

/** Damages the newest snapshot, which may be all that tells who the others are. */
export function damageSnapshot(disk: SimDisk, random: Prng): void {
  const [name] = snapshotNames(disk.names());
  if (name !== undefined) flip(disk, name, 0, disk.stable(name).length, random);
}

/** Damages the last batch of the log. */
export function damageEnd(disk: SimDisk, random: Prng): void {
  const last = writtenSectors(disk).at(-1);
  if (last !== undefined) flip(disk, last.name, last.sector * SECTOR_BYTES, SECTOR_BYTES, random);
}

interface Written {
  readonly name: string;
  readonly sector: number;
}

/** Without the last batch, as far as its last sector says how long it is. */
function withoutLast(disk: SimDisk, written: readonly Written[]): readonly Written[] {
  const last = written.at(-1);
  if (last === undefined) return written;
  const bytes = disk.stable(last.name);
  const at = bytes.byteOffset + last.sector * SECTOR_BYTES;
  const before = new DataView(bytes.buffer, at).getUint16(INDEX_AT);
  return written.slice(0, -before - 1);
}

/** Where a sector says which one of its batch it is. */
const INDEX_AT = 4;

function flip(disk: SimDisk, name: string, from: number, length: number, random: Prng): void {
  const at = from + random.below(length);
  disk.damage(name, (bytes) => {
    bytes[at] = must(bytes[at], "there is a byte") ^ (1 << random.below(8));
  });
}

/** Sectors of the log that hold something. */
function writtenSectors(disk: SimDisk): readonly Written[] {
  const found: Written[] = [];
  for (const name of segmentNumbers(disk.names()).map(segmentName)) {
    const bytes = disk.stable(name);
    for (let sector = 0; (sector + 1) * SECTOR_BYTES <= bytes.length; sector++) {
      const at = sector * SECTOR_BYTES;
      if (!isZero(bytes, at, at + SECTOR_BYTES)) found.push({ name, sector });
    }
  }
  return found;
}
