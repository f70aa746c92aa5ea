/**
 * Who a data directory is: the identity file, written before anything depends on it and never changed but to say that the
 * directory holds a later format now.
 *
 * Rules: FMT-1 a directory of a later format is refused, as is one of an earlier format that is not read any more; all of
 * them are named. A directory has an identity of its own, beside the id of the member that writes to it: a member that
 * comes back under its id with another directory is known by it.
 */
import { fromArray, text, toArray, utf8 } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { Formats } from "../contract/formats.ts";
import { FORMATS } from "../contract/formats.ts";
import type { Disk } from "../ports/disk.ts";
import type { Entropy } from "../ports/entropy.ts";
import { id63 } from "../ports/entropy.ts";
import type { MemberId } from "../protocols/agreement/raft/messages.ts";
import { unusable } from "./failures.ts";
import { segmentNumbers } from "./log.ts";
import { snapshotNames } from "./snapshot-files.ts";

const IDENTITY = "identity.json";

/** Who a data directory is. */
export interface DirectoryIdentity {
  /** Whoever reads less can no longer open it. Grows with that of the cluster. */
  readonly format: number;
  /** The format in which the log began, if it was another one. */
  readonly begun?: number | undefined;
  readonly clusterId: string;
  readonly memberId: string;
  /** Of the directory itself. */
  readonly directoryId: string;
  /** `alone`: a cluster of one from its making; `cluster`: one of several, or to become one. */
  readonly made: "alone" | "cluster";
  readonly logId: number;
  readonly segmentBytes: number;
}

/** As whom a directory is opened. */
export interface Belonging {
  readonly id: MemberId;
  readonly clusterId: bigint;
}

/** A member's id that nobody else has. */
export function freshMemberId(entropy: Entropy): MemberId {
  return (entropy.u32() & 0xf_ffff) * 2 ** 32 + entropy.u32() || 1;
}

/**
 * Whose directory that exists is, before it is opened; undefined if it is nobody's. Throws as opening it would: DAMAGED, LAYOUT, DISK
 * (all definite).
 */
export async function identityIn(disk: Disk): Promise<DirectoryIdentity | undefined> {
  try {
    return (await disk.list()).includes(IDENTITY) ? await kept(disk) : undefined;
  } catch (error) {
    throw unusable(disk, error);
  }
}

/** The identity file; on a fresh directory a new one, on stable storage before anything depends on it. */
export async function readIdentity(
  disk: Disk,
  entropy: Entropy,
  segmentBytes: number,
  belonging?: Belonging,
  formats: Formats = FORMATS,
): Promise<DirectoryIdentity> {
  const names = await disk.list();
  if (names.includes(IDENTITY)) {
    const found = await kept(disk, formats);
    return belonging === undefined ? found : joined(disk, found, belonging);
  }
  if (segmentNumbers(names).length > 0 || snapshotNames(names).length > 0) {
    throw fail("DAMAGED", {
      object: `data directory ${disk.label}`,
      what: `holds a log or a snapshot but no ${IDENTITY}`,
      remedy:
        "Put the file back, or restore a snapshot into an empty directory; nothing here was changed.",
    });
  }
  const fresh: DirectoryIdentity = {
    // What a member writes follows its cluster, and is known when it has heard of it.
    format: belonging === undefined ? formats.newest : formats.oldest,
    clusterId: String(belonging?.clusterId ?? id63(entropy)),
    memberId: String(belonging?.id ?? freshMemberId(entropy)),
    directoryId: id63(entropy).toString(),
    made: belonging === undefined ? "alone" : "cluster",
    logId: entropy.u32(),
    segmentBytes,
  };
  await writeIdentity(disk, fresh);
  return fresh;
}

/** The identity as that of a member: another member's is refused. */
function joined(disk: Disk, found: DirectoryIdentity, as: Belonging): DirectoryIdentity {
  const isOurs = found.clusterId === String(as.clusterId) && found.memberId === String(as.id);
  if (isOurs) return found;
  throw fail("CONFIG", {
    object: `data directory ${disk.label}`,
    what: `belongs to member ${found.memberId} of cluster ${found.clusterId}, not to member ${as.id} of cluster ${as.clusterId}`,
    remedy: "Open it as that member, or give another directory.",
  });
}

/** The identity that says that the directory holds what only readers of `format` can read. */
export async function raisedIdentity(
  disk: Disk,
  identity: DirectoryIdentity,
  format: number,
): Promise<DirectoryIdentity> {
  if (format <= identity.format) return identity;
  const { begun = identity.format } = identity;
  const raised = { ...identity, format, begun };
  await writeIdentity(disk, raised);
  return raised;
}

async function writeIdentity(disk: Disk, identity: DirectoryIdentity): Promise<void> {
  if ((await disk.list()).includes(`${IDENTITY}.new`)) await disk.remove(`${IDENTITY}.new`);
  const file = await disk.open(`${IDENTITY}.new`, { mode: "create" });
  await file.write(0, toArray(utf8(`${JSON.stringify(identity, undefined, 2)}\n`)));
  await file.sync();
  await file.close();
  await disk.rename(`${IDENTITY}.new`, IDENTITY);
  await disk.syncDirectory();
}

async function kept(disk: Disk, formats: Formats = FORMATS): Promise<DirectoryIdentity> {
  const file = await disk.open(IDENTITY, { mode: "read" });
  const bytes = await file.read(0, await file.size());
  await file.close();
  return parseIdentity(disk, text(fromArray(bytes)), formats);
}

function parseIdentity(disk: Disk, content: string, formats: Formats): DirectoryIdentity {
  let read: Partial<DirectoryIdentity> = {};
  try {
    read = JSON.parse(content) as Partial<DirectoryIdentity>;
  } catch {
    // Reported below, with the place.
  }
  const format: unknown = read.format;
  const isRead = Number(format) >= formats.oldest && Number(format) <= formats.newest;
  if (Number.isSafeInteger(format) && !isRead) throw otherFormat(disk, Number(format), formats);
  const sound =
    Number.isSafeInteger(format) &&
    typeof read.clusterId === "string" &&
    typeof read.directoryId === "string" &&
    Number.isSafeInteger(Number(read.memberId)) &&
    (read.made === "alone" || read.made === "cluster") &&
    Number.isSafeInteger(read.logId) &&
    Number.isSafeInteger(read.segmentBytes);
  if (sound) return read as DirectoryIdentity;
  throw fail("DAMAGED", {
    object: `${IDENTITY} of ${disk.label}`,
    what: "cannot be read",
    remedy: "Put the file back from a copy; nothing here was changed.",
  });
}

function otherFormat(disk: Disk, format: number, { oldest, newest }: Formats): Error {
  return fail("LAYOUT", {
    object: `${IDENTITY} of ${disk.label}`,
    what: `is of format ${format}, and this version reads formats ${oldest} to ${newest}`,
    remedy:
      format > newest
        ? "Run the version that wrote it, or a newer one; nothing here was changed."
        : "Save a snapshot with the version that wrote it, and restore that into an empty directory.",
    details: { found: format, oldest, newest },
  });
}
