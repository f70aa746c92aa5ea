/**
 * Snapshots as files: records framed with length and checksum, written beside, synced, renamed, the directory synced.
 *
 * Invariant: a file under a snapshot's name is whole; what is half written has another name and is removed at start.
 *
 * A snapshot that was streamed to a client of etcd ends with a seal: zeros up to a page, then a SHA-256 of all before it,
 * which that client looks for. Here every record has been verified by then, so only the form of the seal is looked at.
 */
import { ByteReader, ByteWriter, Malformed } from "../base/codec.ts";
import { crc32cOf } from "../base/crc32c.ts";
import { fail } from "../base/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk, DiskFile } from "../ports/disk.ts";
import type { Base } from "../keyspace/base.ts";
import type { Membership } from "../keyspace/members.ts";
import { exportWork } from "../keyspace/snapshot/export.ts";
import { Importer } from "../keyspace/snapshot/import.ts";
import { RESTORE } from "./failures.ts";
import { giveWay, SLICE_MS } from "./slices.ts";

const NAME = /^snapshot-(\d{16})\.snap$/;
const FRAME_BYTES = 8;
/** A record longer than this is damage, not data. */
const RECORD_BYTES_MAX: number = 64 << 20;
/** Little, so that opening gives way to everything else in the process between two reads. */
const READ_BYTES: number = 256 << 10;

const PAGE_BYTES = 512;
/** Of SHA-256. */
const HASH_BYTES = 32;

/** The zeros between the last frame of a snapshot of `length` bytes and its hash. */
export function sealPadding(length: number): Uint8Array {
  const least = (PAGE_BYTES - (length % PAGE_BYTES)) % PAGE_BYTES;
  return new Uint8Array(least < FRAME_BYTES ? least + PAGE_BYTES : least);
}

/** Whether `rest` may follow the last record of a file of `size` bytes. */
function isSeal(rest: Uint8Array, size: number): boolean {
  const zeros = rest.length - HASH_BYTES;
  if (size % PAGE_BYTES !== HASH_BYTES) return false;
  if (zeros < FRAME_BYTES || zeros >= PAGE_BYTES + FRAME_BYTES) return false;
  return rest.subarray(0, zeros).every((byte) => byte === 0);
}

export function snapshotName(index: number): string {
  return `snapshot-${String(index).padStart(16, "0")}.snap`;
}

/** The index of the state that a snapshot of this name holds. */
export function snapshotIndex(name: string): number {
  return Number(NAME.exec(name)?.[1] ?? 0);
}

/** Removes the snapshots older than that at `index`, but for the one at `pinned`. */
export async function removeSnapshots(
  disk: Disk,
  index: number,
  pinned: number | undefined,
): Promise<void> {
  for (const name of snapshotNames(await disk.list())) {
    const at = snapshotIndex(name);
    if (at < index && at !== pinned) await disk.remove(name);
  }
}

/** The snapshots of a directory, newest first. */
export function snapshotNames(names: readonly string[]): readonly string[] {
  return names
    .filter((name) => NAME.test(name))
    .sort()
    .reverse();
}

/** Frames the records of the present state one by one; the caller writes them where it likes. */
export function* snapshotFrames(base: Base): Generator<Uint8Array, undefined> {
  const writer = new ByteWriter();
  for (const record of exportWork(base)) {
    writer.reset();
    writer.u32(record.length);
    writer.u32(crc32cOf(record, 0, record.length));
    writer.array(record);
    yield writer.take();
  }
  return undefined;
}

/** What a snapshot covers, and its length; 0 bytes: it was there already. */
export interface WrittenSnapshot {
  readonly index: number;
  readonly bytes: number;
}

/** Writes the present state. The base may be applied to meanwhile; older files stay. */
export async function writeSnapshot(
  disk: Disk,
  clock: Clock,
  base: Base,
): Promise<WrittenSnapshot> {
  const index = base.appliedIndex;
  const frames = snapshotFrames(base);
  // The first step pins the state: it must be taken before anything else is applied, so before any await.
  const first = frames.next();
  try {
    return { index, bytes: await writeFrames(disk, clock, snapshotName(index), first, frames) };
  } finally {
    frames.return(undefined);
  }
}

async function writeFrames(
  disk: Disk,
  clock: Clock,
  name: string,
  first: IteratorResult<Uint8Array>,
  frames: Generator<Uint8Array, undefined>,
): Promise<number> {
  const names = await disk.list();
  if (names.includes(name)) return 0;
  if (names.includes(`${name}.new`)) await disk.remove(`${name}.new`);
  const file = await disk.open(`${name}.new`, { mode: "create" });
  let at = 0;
  for (let step = first; step.done !== true;) {
    await file.write(at, step.value);
    at += step.value.length;
    const started = clock.monotonicMs();
    step = frames.next();
    if (clock.monotonicMs() - started > SLICE_MS) await giveWay(clock);
  }
  await file.sync();
  await file.close();
  await disk.rename(`${name}.new`, name);
  await disk.syncDirectory();
  return at;
}

/** Reads a snapshot file back into a base. A file that does not verify is refused with DAMAGED and `remedy`. */
export async function readSnapshot(
  disk: Disk,
  name: string,
  remedy: string = RESTORE,
): Promise<Base> {
  const file = await disk.open(name, { mode: "read" });
  try {
    return await readFrames(file);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    throw fail(
      "DAMAGED",
      {
        object: `snapshot ${name} of ${disk.label}`,
        what: `does not verify: ${error.message}`,
        remedy,
        details: { snapshot: name },
      },
      error,
    );
  } finally {
    await file.close();
  }
}

/** Who decided in the state of a snapshot of which the first record can be read. */
export async function readMembership(disk: Disk, name: string): Promise<Membership | undefined> {
  const file = await disk.open(name, { mode: "read" });
  try {
    const array = await file.read(0, READ_BYTES);
    const length = new ByteReader(array).u32();
    const importer = new Importer();
    addFrames(importer, array.subarray(0, FRAME_BYTES + length));
    return importer.meta.membership;
  } catch (error) {
    if (error instanceof Malformed) return undefined;
    throw error;
  } finally {
    await file.close();
  }
}

async function readFrames(file: DiskFile): Promise<Base> {
  const importer = new Importer();
  const size = await file.size();
  let pending = new Uint8Array(0);
  for (let at = 0; at < size;) {
    const read = await file.read(at, Math.min(READ_BYTES, size - at));
    if (read.length === 0) break;
    at += read.length;
    pending = joined(pending, read);
    pending = pending.subarray(addFrames(importer, pending));
    if (importer.ended && pending.length > PAGE_BYTES * 2)
      throw new Malformed("something follows its end");
  }
  if (pending.length > 0 && !importer.ended) throw new Malformed("it ends inside a record");
  if (pending.length > 0 && !isSeal(pending, size))
    throw new Malformed("something follows its end");
  return importer.take();
}

function joined(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(left.length + right.length);
  both.set(left);
  both.set(right, left.length);
  return both;
}

/** Takes the whole frames at the front of `array`; returns how many bytes they were. */
export function addFrames(importer: Importer, array: Uint8Array): number {
  let at = 0;
  while (!importer.ended && array.length - at >= FRAME_BYTES) {
    const header = new ByteReader(array, at, at + FRAME_BYTES);
    const [length, checksum] = [header.u32(), header.u32()];
    if (length > RECORD_BYTES_MAX) throw new Malformed("a record of an impossible length");
    const end = at + FRAME_BYTES + length;
    if (end > array.length) break;
    if (crc32cOf(array, at + FRAME_BYTES, end) !== checksum)
      throw new Malformed("a record whose checksum does not match");
    importer.add(array.subarray(at + FRAME_BYTES, end));
    at = end;
  }
  return at;
}
