/**
 * Snapshots as files of their own: out of a data directory or a running server, checked, and into a new directory.
 *
 * Invariants: I1 a snapshot file under its name is whole: it is written beside, synced, renamed,
 * its directory synced. I2 nothing that exists is overwritten. I3 a restored store begins 2^40
 * revisions above the snapshot and has its history compacted, so that no token and no watch goes
 * back; it has an identity of its own.
 * A directory that a server has open is refused with DATA_DIR_IN_USE: that server is to be asked instead.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { EMPTY } from "../base/bytes.ts";
import { fail, QuorateError } from "../base/errors.ts";
import { openDirectory, takeDirectory } from "../driver/data-directory.ts";
import { readIdentity } from "../driver/identity.ts";
import { readSnapshot, snapshotFrames, writeSnapshot } from "../driver/snapshot-files.ts";
import { hostClock } from "../host/clock.ts";
import { hostDisk } from "../host/disk.ts";
import { hostEntropy } from "../host/entropy.ts";
import type { Base } from "../keyspace/base.ts";
import { type ReceiveOptions, receiveSnapshot } from "./snapshot-receiver.ts";

/**
 * How far a restore raises the revision: more than any store writes between snapshot and restore.
 */
export const RESTORE_STEP: number = 2 ** 40;
const SEGMENT_BYTES = 16 << 20;

/** What a snapshot holds. */
export interface SnapshotFacts {
  readonly revision: number;
  readonly compactRevision: number;
  readonly index: number;
  readonly term: number;
  /** Keyspace time, ms since 1970. */
  readonly time: number;
  readonly keys: number;
  readonly leases: number;
  readonly bytes: number;
}

/**
 * Writes the newest state of `directory` to `file`. Errors: INVALID, DATA_DIR_IN_USE, DAMAGED,
 * DISK.
 */
export async function saveSnapshot(directory: string, file: string): Promise<SnapshotFacts> {
  if (!existsSync(join(directory, "identity.json"))) {
    throw wrong(
      `directory ${directory}`,
      "is not a data directory",
      "Give the --data-dir of a server.",
    );
  }
  absent(file);
  const opened = await openDirectory(hostDisk(directory), hostClock, hostEntropy, {
    segmentBytes: SEGMENT_BYTES,
  });
  try {
    await writeWhole(file, async (write) => {
      for (const frame of snapshotFrames(opened.base)) await write(frame);
    });
    return factsOf(opened.base);
  } finally {
    await opened.log.close();
    await opened.lock.release();
  }
}

/**
 * Writes the present state of the server at `url` to `file`, and checks it. Errors: INVALID, those of the way to the
 * server, DAMAGED, DISK.
 */
export async function downloadSnapshot(
  url: string,
  file: string,
  options: ReceiveOptions,
): Promise<SnapshotFacts> {
  absent(file);
  await writeWhole(file, (write) => receiveSnapshot(url, write, options));
  return await inspectSnapshot(file);
}

/**
 * Reads and checks all of `file`. Errors: INVALID if it is not there, DAMAGED if it does not
 * verify.
 */
export async function inspectSnapshot(file: string): Promise<SnapshotFacts> {
  return factsOf(await stateOf(file));
}

/**
 * Makes `directory` from `file`. Errors: as `inspectSnapshot`; INVALID if the directory is not
 * empty.
 */
export async function restoreSnapshot(file: string, directory: string): Promise<SnapshotFacts> {
  const base = await stateOf(file);
  if (existsSync(directory) && readdirSync(directory).length > 0) {
    throw wrong(
      `directory ${directory}`,
      "is not empty",
      "Give a directory that does not exist yet.",
    );
  }
  const restored = { kind: "restored", revision: base.revision + RESTORE_STEP } as const;
  const transactions = [{ revision: 0, changes: [], meta: [restored] }];
  const disk = hostDisk(directory);
  const lock = await takeDirectory(disk);
  try {
    const { memberId } = await readIdentity(disk, hostEntropy, SEGMENT_BYTES);
    // Whoever decided before, the restored store is its own.
    const membership = { voters: [Number(memberId)], outgoing: [], learners: [] };
    const index = base.appliedIndex + 1;
    base.apply({ index, term: base.term, time: base.time, transactions, membership }, 0);
    await writeSnapshot(disk, hostClock, base);
    return factsOf(base);
  } finally {
    await lock.release();
  }
}

async function stateOf(file: string): Promise<Base> {
  if (!existsSync(file)) {
    throw wrong(`snapshot ${file}`, "does not exist", "quorate snapshot save FILE makes one.");
  }
  return await readSnapshot(hostDisk(dirname(resolve(file))), basename(file));
}

async function writeWhole(
  file: string,
  fill: (write: (bytes: Uint8Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  const disk = hostDisk(dirname(resolve(file)));
  const unfinished = `${basename(file)}.new`;
  absent(`${file}.new`);
  const out = await disk.open(unfinished, { mode: "create" });
  let at = 0;
  try {
    await fill(async (bytes) => {
      await out.write(at, bytes);
      at += bytes.length;
    });
    await out.sync();
  } catch (error) {
    await disk.remove(unfinished);
    if (QuorateError.is(error)) throw error;
    const what = `cannot be written: ${error instanceof Error ? error.message : String(error)}`;
    throw fail(
      "DISK",
      { object: `snapshot ${file}`, what, remedy: "Free space, or write it elsewhere." },
      error,
    );
  } finally {
    await out.close();
  }
  await disk.rename(unfinished, basename(file));
  await disk.syncDirectory();
}

function absent(file: string): void {
  if (existsSync(file))
    throw wrong(`file ${file}`, "exists already", "Give another name, or remove it.");
}

function factsOf(base: Base): SnapshotFacts {
  const { appliedIndex, bytes, compactRevision, leases, revision, term, time } = base;
  let keys = 0;
  base.scan(EMPTY, undefined, () => {
    keys++;
    return true;
  });
  return {
    revision,
    compactRevision,
    index: appliedIndex,
    term,
    time,
    keys,
    leases: leases.count,
    bytes,
  };
}

function wrong(object: string, what: string, remedy: string): QuorateError {
  return fail("INVALID", { object, what, remedy });
}
