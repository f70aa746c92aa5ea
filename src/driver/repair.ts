/**
 * A member's directory whose log or snapshot is damaged: what is damaged is set aside, and what it held comes from the
 * other members.
 *
 * Invariants: I1 before anything is set aside, a mark says on stable storage the term, the vote and the end of the log that
 * was: by these the member votes until it holds as much again. I2 the mark goes when a record of the new log, which has term
 * and vote, is on stable storage and the log is as far as it was. I3 whoever decides alone is not repaired, nor one whose
 * last record is damaged: they could not know what they promised. I4 what is set aside is kept under another name.
 */
import { fromArray, text, toArray, utf8 } from "../base/bytes.ts";
import { Malformed } from "../base/codec.ts";
import { crc32cOf } from "../base/crc32c.ts";
import { fail, QuorateError } from "../base/errors.ts";
import type { Disk } from "../ports/disk.ts";
import type { Configuration, HardState, MemberId } from "../protocols/agreement/raft/messages.ts";
import { NOBODY } from "../protocols/agreement/raft/messages.ts";
import { RULES } from "../protocols/agreement/raft/rules.ts";
import type { Place } from "../replica/log-record.ts";
import type { Surveyed } from "../replica/log-survey.ts";
import { LogSurvey } from "../replica/log-survey.ts";
import type { DirectoryIdentity } from "./identity.ts";
import { segmentLength, segmentName, segmentNumbers } from "./log.ts";
import { readMembership, snapshotNames } from "./snapshot-files.ts";

const MARK = "repair.json";
/** What a file that is set aside has at the end of its name. */
const ASIDE = ".damaged";

/** What a member that is being repaired knows of the log that it had. */
export interface RepairMark {
  readonly hardState: HardState;
  /** Where that log ended. */
  readonly end: Place;
  /** Files that are still to be set aside. */
  readonly aside: readonly string[];
}

/** The mark of a directory, after what it says is set aside has been. */
export async function settledMark(disk: Disk): Promise<RepairMark | undefined> {
  const names = await disk.list();
  if (!names.includes(MARK)) return undefined;
  const mark = await readMark(disk);
  if (mark.aside.length === 0) return mark;
  for (const name of mark.aside)
    if (names.includes(name)) await disk.rename(name, `${name}${ASIDE}`);
  await disk.syncDirectory();
  const settled = { ...mark, aside: [] };
  await writeMark(disk, settled);
  return settled;
}

/** Marks the directory for repair after `damage`; false if it cannot be repaired. */
export async function beginRepair(
  disk: Disk,
  identity: DirectoryIdentity,
  before: RepairMark | undefined,
  damage: unknown,
): Promise<boolean> {
  if (!QuorateError.is(damage, "DAMAGED")) return false;
  const { segment, snapshot } = damage.failure.details ?? {};
  if (segment === undefined && snapshot === undefined) return false;
  const surveyed = await survey(disk, identity);
  if (surveyed === undefined) return false;
  const snapshots = snapshotNames(await disk.list());
  const config = surveyed.config ?? (await membershipIn(disk, snapshots));
  if (config === undefined || !hasOthers(config, Number(identity.memberId))) return false;
  const kept = snapshots.filter((name) => name !== snapshot);
  // A log stands on its snapshot.
  const from = kept.length === 0 || snapshot !== undefined ? 0 : Number(segment);
  const segments = segmentNumbers(await disk.list()).filter((number) => number >= from);
  const aside = [
    ...(snapshot === undefined ? [] : [String(snapshot)]),
    ...segments.map(segmentName),
  ];
  await writeMark(disk, { ...joined(before, surveyed), aside });
  return true;
}

/** The repair is over. */
export async function endRepair(disk: Disk): Promise<void> {
  await disk.remove(MARK);
  await disk.syncDirectory();
}

/** What was promised before this damage, and before an earlier one that is not repaired yet. */
function joined(
  before: RepairMark | undefined,
  { hardState, end }: Surveyed,
): Pick<RepairMark, "hardState" | "end"> {
  if (before === undefined) return { hardState, end };
  return {
    hardState: laterOf(before.hardState, hardState),
    end: RULES.upToDate(end, before.end) ? end : before.end,
  };
}

export function laterOf(one: HardState, other: HardState): HardState {
  if (one.term !== other.term) return one.term > other.term ? one : other;
  return one.vote === NOBODY ? other : one;
}

function hasOthers({ voters, outgoing }: Configuration, self: MemberId): boolean {
  return [...voters, ...outgoing].some((id) => id !== self);
}

async function survey(
  disk: Disk,
  { logId, segmentBytes }: DirectoryIdentity,
): Promise<Surveyed | undefined> {
  const found = new LogSurvey();
  try {
    for (const number of segmentNumbers(await disk.list())) {
      const length = segmentLength(number, segmentBytes);
      const file = await disk.open(segmentName(number), { mode: "read" });
      const bytes = new Uint8Array(length);
      const size = await file.size();
      bytes.set(await file.read(0, Math.min(size, length)));
      await file.close();
      found.segment(bytes, { logId, segment: number }, size === length);
    }
  } catch (error) {
    // A record that verifies and cannot be read is of another version.
    if (error instanceof Malformed) return undefined;
    throw error;
  }
  return found.result();
}

async function membershipIn(
  disk: Disk,
  snapshots: readonly string[],
): Promise<Configuration | undefined> {
  const [newest] = snapshots;
  return newest === undefined ? undefined : readMembership(disk, newest);
}

async function readMark(disk: Disk): Promise<RepairMark> {
  const file = await disk.open(MARK, { mode: "read" });
  const bytes = await file.read(0, await file.size());
  await file.close();
  try {
    const { checksum, mark } = JSON.parse(text(fromArray(bytes))) as {
      readonly checksum: number;
      readonly mark: RepairMark;
    };
    if (checksum === sumOf(mark)) return mark;
  } catch {
    // Reported below, with the place.
  }
  throw fail("DAMAGED", {
    object: `${MARK} of ${disk.label}`,
    what: "cannot be read, and without it the member does not know what it promised",
    remedy:
      "Remove this member from the cluster and add one with another id and an empty directory; nothing here was changed.",
  });
}

async function writeMark(disk: Disk, mark: RepairMark): Promise<void> {
  if ((await disk.list()).includes(`${MARK}.new`)) await disk.remove(`${MARK}.new`);
  const file = await disk.open(`${MARK}.new`, { mode: "create" });
  await file.write(0, toArray(utf8(JSON.stringify({ checksum: sumOf(mark), mark }))));
  await file.sync();
  await file.close();
  await disk.rename(`${MARK}.new`, MARK);
  await disk.syncDirectory();
}

function sumOf(mark: RepairMark): number {
  const bytes = toArray(utf8(JSON.stringify(mark)));
  return crc32cOf(bytes, 0, bytes.length);
}
