/**
 * Opens a data directory: takes it exclusively, reads its identity, the newest snapshot and the log after it.
 *
 * Invariants: I1 one process at a time. I2 recovery applies each logged entry after the snapshot once, in order, with
 * the code that applied it first. I3 a gap between snapshot and log is damage, not an empty history.
 */
import { AssertionFailure } from "../base/assert.ts";
import { text, utf8, fromArray, toArray } from "../base/bytes.ts";
import { Malformed } from "../base/codec.ts";
import { fail, QuorateError } from "../base/errors.ts";
import { Base } from "../keyspace/base.ts";
import { decodeEntry } from "../keyspace/entry-codec.ts";
import type { Disk, DirectoryLock } from "../ports/disk.ts";
import type { Entropy } from "../ports/entropy.ts";
import { id63 } from "../ports/entropy.ts";
import type { LogReport } from "./log.ts";
import { Log, segmentNumbers } from "./log.ts";
import { readSnapshot, snapshotNames } from "./snapshot-files.ts";

const IDENTITY = "identity.json";
const FORMAT = 1;

/** Who a data directory is. */
export interface DirectoryIdentity {
  readonly format: 1;
  readonly clusterId: string;
  readonly memberId: string;
  readonly logId: number;
  readonly segmentBytes: number;
}

export interface OpenedDirectory {
  readonly lock: DirectoryLock;
  readonly identity: DirectoryIdentity;
  readonly base: Base;
  readonly log: Log;
  readonly report: LogReport & { readonly snapshot: string | undefined };
}

/** Takes the directory, or throws DATA_DIR_IN_USE with who has it, DISK if it cannot be used. */
export async function takeDirectory(disk: Disk): Promise<DirectoryLock> {
  const lock = await disk.lock().catch((error: unknown) => Promise.reject(unusable(disk, error)));
  if ("release" in lock) return lock;
  throw fail("DATA_DIR_IN_USE", {
    object: `data directory ${disk.label}`,
    what: "is open in another process",
    holder: `pid ${lock.pid} (${lock.program}) at ${lock.url === "" ? "no address" : lock.url}`,
    remedy:
      lock.url === ""
        ? "Stop that process, or use another directory."
        : `Connect to ${lock.url}, or use another directory.`,
    details: { pid: lock.pid, program: lock.program, url: lock.url },
  });
}

export async function openDirectory(
  disk: Disk,
  entropy: Entropy,
  segmentBytes: number,
): Promise<OpenedDirectory> {
  const lock = await takeDirectory(disk);
  try {
    const identity = await readIdentity(disk, entropy, segmentBytes);
    const names = await disk.list();
    for (const name of names) if (name.endsWith(".new")) await disk.remove(name);
    const snapshot = snapshotNames(names)[0];
    const base = snapshot === undefined ? new Base() : await readSnapshot(disk, snapshot);
    const options = { disk, logId: identity.logId, segmentBytes: identity.segmentBytes };
    const { log, report } = await Log.open(options, (entry) => replay(disk, base, entry));
    return { lock, identity, base, log, report: { ...report, snapshot } };
  } catch (error) {
    await lock.release();
    throw unusable(disk, error);
  }
}

/** What the operating system says of a directory while it is opened; nothing has been promised by then. */
function unusable(disk: Disk, error: unknown): unknown {
  if (QuorateError.is(error) || error instanceof AssertionFailure) return error;
  return fail(
    "DISK",
    {
      object: `data directory ${disk.label}`,
      what: `cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      remedy: "Look at its permissions, space and limits; quorate doctor checks them.",
      outcome: "definite",
    },
    error,
  );
}

function replay(disk: Disk, base: Base, bytes: Uint8Array): number {
  const entry = decoded(disk, bytes);
  if (entry.index <= base.appliedIndex) return entry.index;
  if (entry.index !== base.appliedIndex + 1) {
    throw fail("DAMAGED", {
      object: `log of ${disk.label}`,
      what: `goes on at entry ${entry.index}, the state before it ends at ${base.appliedIndex}`,
      remedy: "Restore the newest snapshot into an empty directory; nothing here was changed.",
    });
  }
  base.apply(entry, 0);
  return entry.index;
}

function decoded(disk: Disk, bytes: Uint8Array): ReturnType<typeof decodeEntry> {
  try {
    return decodeEntry(bytes);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    const what = `holds an entry that verifies but cannot be read: ${error.message}`;
    const remedy = "Run the version that wrote it, or a newer one.";
    throw fail("DAMAGED", { object: `log of ${disk.label}`, what, remedy }, error);
  }
}

/** The identity file; on a fresh directory a new one, on stable storage before anything depends on it. */
export async function readIdentity(
  disk: Disk,
  entropy: Entropy,
  segmentBytes: number,
): Promise<DirectoryIdentity> {
  const names = await disk.list();
  if (names.includes(IDENTITY)) return parseIdentity(disk, await readWhole(disk, IDENTITY));
  if (segmentNumbers(names).length > 0 || snapshotNames(names).length > 0) {
    throw fail("DAMAGED", {
      object: `data directory ${disk.label}`,
      what: `holds a log or a snapshot but no ${IDENTITY}`,
      remedy:
        "Put the file back, or restore a snapshot into an empty directory; nothing here was changed.",
    });
  }
  const fresh: DirectoryIdentity = {
    format: FORMAT,
    clusterId: id63(entropy).toString(),
    memberId: id63(entropy).toString(),
    logId: entropy.u32(),
    segmentBytes,
  };
  if (names.includes(`${IDENTITY}.new`)) await disk.remove(`${IDENTITY}.new`);
  const file = await disk.open(`${IDENTITY}.new`, { mode: "create" });
  await file.write(0, toArray(utf8(`${JSON.stringify(fresh, undefined, 2)}\n`)));
  await file.sync();
  await file.close();
  await disk.rename(`${IDENTITY}.new`, IDENTITY);
  await disk.syncDirectory();
  return fresh;
}

async function readWhole(disk: Disk, name: string): Promise<string> {
  const file = await disk.open(name, { mode: "read" });
  const bytes = await file.read(0, await file.size());
  await file.close();
  return text(fromArray(bytes));
}

function parseIdentity(disk: Disk, content: string): DirectoryIdentity {
  let read: Partial<DirectoryIdentity> = {};
  try {
    read = JSON.parse(content) as Partial<DirectoryIdentity>;
  } catch {
    // Reported below, with the place.
  }
  const sound =
    typeof read.clusterId === "string" &&
    typeof read.memberId === "string" &&
    Number.isSafeInteger(read.logId) &&
    Number.isSafeInteger(read.segmentBytes);
  if (read.format === FORMAT && sound) return read as DirectoryIdentity;
  const newer = typeof read.format === "number" && read.format > FORMAT;
  throw fail(newer ? "LAYOUT" : "DAMAGED", {
    object: `${IDENTITY} of ${disk.label}`,
    what: newer ? "was written by a newer version" : "cannot be read",
    remedy: newer
      ? "Run that version."
      : "Put the file back from a copy; nothing here was changed.",
  });
}
