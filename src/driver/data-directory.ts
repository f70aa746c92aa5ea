/**
 * Opens a data directory: takes it exclusively, reads its identity, the newest snapshot and the log after it.
 *
 * Invariants: I1 one process at a time. I2 recovery applies what was committed after the snapshot once, in order, with
 * the code that applied it first. I3 a gap between snapshot and log is damage, not an empty history. I4 damage is refused,
 * but for a member of several, which gets back from the others what it lost (`repair.ts`).
 */
import { Malformed } from "../base/codec.ts";
import { fail } from "../base/errors.ts";
import type { Formats } from "../contract/formats.ts";
import { FORMATS } from "../contract/formats.ts";
import { Base } from "../keyspace/base.ts";
import type { MemberRecord } from "../keyspace/members.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk, DirectoryLock } from "../ports/disk.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Durable } from "../protocols/agreement/raft/core.ts";
import { decodeRecord } from "../replica/log-record.ts";
import type { Recovered } from "../replica/recovery.ts";
import { Contradiction, Recovery } from "../replica/recovery.ts";
import { RESTORE, unusable } from "./failures.ts";
import type { Belonging, DirectoryIdentity } from "./identity.ts";
import { raisedIdentity, readIdentity } from "./identity.ts";
import type { LogReport } from "./log.ts";
import { Log } from "./log.ts";
import type { RepairMark } from "./repair.ts";
import { beginRepair, laterOf, settledMark } from "./repair.ts";
import { giveWay } from "./slices.ts";
import { readSnapshot, snapshotIndex, snapshotNames, writeSnapshot } from "./snapshot-files.ts";

/** The index at which a cluster begins, so that whoever joins it with nothing gets a snapshot of its members. */
const FOUNDED = 1;

/**
 * A member that cannot even tell how far its log went and how it voted does not start: it may have acknowledged what it can
 * no longer read. Under another id it begins with what the others have.
 */
const REPLACE =
  "Remove this member from the cluster and add one with another id and an empty directory; nothing here was changed.";

export interface DirectoryOptions {
  readonly segmentBytes: number;
  /** As which member of which cluster; absent: whoever the directory is. */
  readonly belonging?: Belonging | undefined;
  /** The voters that a new cluster begins with. */
  readonly initial?: readonly MemberRecord[] | undefined;
  /** Bytes of applied entries that stay for members that catch up; default 0. */
  readonly tailBytes?: number | undefined;
  /** What is read and written; default that of this version. */
  readonly formats?: Formats | undefined;
}

export interface OpenedDirectory extends Recovered {
  readonly lock: DirectoryLock;
  readonly identity: DirectoryIdentity;
  readonly base: Base;
  readonly log: Log;
  /** Of the newest snapshot; 0: none. */
  readonly snapshotIndex: number;
  /** What was lost of it is to come from the other members. */
  readonly repair: RepairMark | undefined;
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
  clock: Clock,
  entropy: Entropy,
  options: DirectoryOptions,
): Promise<OpenedDirectory> {
  const lock = await takeDirectory(disk);
  try {
    const { segmentBytes, belonging, formats } = options;
    // A process that was killed may have left names that are not yet on stable storage.
    await disk.syncDirectory();
    const identity = await readIdentity(disk, entropy, segmentBytes, belonging, formats);
    return { ...(await repaired(disk, clock, identity, options)), lock };
  } catch (error) {
    await lock.release();
    throw unusable(disk, error);
  }
}

/** What is read from the directory of a member, after what is damaged was set aside if others have what it held. */
async function repaired(
  disk: Disk,
  clock: Clock,
  identity: DirectoryIdentity,
  options: DirectoryOptions,
): Promise<Omit<OpenedDirectory, "lock">> {
  for (;;) {
    const mark = await settledMark(disk);
    try {
      return await readBack(disk, clock, { identity, mark, options });
    } catch (error) {
      const isMember = options.belonging !== undefined;
      if (!isMember || !(await beginRepair(disk, identity, mark, error))) throw error;
    }
  }
}

async function readBack(
  disk: Disk,
  clock: Clock,
  from: {
    readonly identity: DirectoryIdentity;
    readonly mark: RepairMark | undefined;
    readonly options: DirectoryOptions;
  },
): Promise<Omit<OpenedDirectory, "lock">> {
  const { mark } = from;
  const { initial, tailBytes = 0, formats = FORMATS } = from.options;
  let { identity } = from;
  const names = await disk.list();
  for (const name of names) if (name.endsWith(".new")) await disk.remove(name);
  const snapshot = snapshotNames(names)[0];
  const remedy = identity.made === "alone" ? RESTORE : REPLACE;
  const base = snapshot === undefined ? new Base() : await readSnapshot(disk, snapshot, remedy);
  const self = Number(identity.memberId);
  // One that is being repaired is told by the others who they are.
  if (base.members.membership.voters.length === 0 && mark === undefined) {
    if (identity.made === "alone") foundAlone(base, self, identity.begun ?? identity.format);
    else if (initial !== undefined && base.appliedIndex === 0) {
      identity = await raisedIdentity(disk, identity, formats.newest);
      found(base, initial, formats.newest);
      await writeSnapshot(disk, clock, base);
    }
  }
  const recovery = new Recovery(base, self, tailBytes);
  const { logId, segmentBytes } = identity;
  const logOptions = { disk, logId, segmentBytes, giveWay: () => giveWay(clock), remedy };
  const { log, report } = await Log.open(logOptions, (bytes) =>
    replay(disk, recovery, bytes, remedy),
  );
  const { durable, install } = recovery.end();
  return {
    install,
    durable: mark === undefined ? durable : owing(durable, mark),
    repair: mark,
    identity: await raisedIdentity(disk, identity, base.members.format),
    base,
    log,
    snapshotIndex: snapshot === undefined ? 0 : snapshotIndex(snapshot),
    report: { ...report, snapshot },
  };
}

/** What a member starts from that is to get back what it lost. */
function owing(durable: Durable, { hardState, end }: RepairMark): Durable {
  return { ...durable, hardState: laterOf(durable.hardState, hardState), lost: end };
}

/** A cluster of one has decided alone from its first entry on. */
export function foundAlone(base: Base, self: number, format: number): void {
  base.members.raise(format);
  base.members.configure({ voters: [self], outgoing: [], learners: [] });
}

/** The state with which a cluster begins, the same at each of its members. */
function found(base: Base, initial: readonly MemberRecord[], format: number): void {
  base.members.raise(format);
  const voters = initial.map(({ id }) => id).sort((a, b) => a - b);
  const meta = initial.map((member) => ({ kind: "memberSet" as const, member }));
  const transactions = [{ revision: 0, changes: [], meta }];
  const membership = { voters, outgoing: [], learners: [] };
  base.apply({ index: FOUNDED, term: 0, time: 0, transactions, membership }, 0);
}

function replay(disk: Disk, recovery: Recovery, bytes: Uint8Array, remedy: string): number {
  const object = `log of ${disk.label}`;
  try {
    return recovery.add(decodeRecord(bytes));
  } catch (error) {
    if (error instanceof Contradiction) {
      throw fail("DAMAGED", { object, what: error.message, remedy }, error);
    }
    if (!(error instanceof Malformed)) throw error;
    const what = `holds an entry that verifies but cannot be read: ${error.message}`;
    const newer = "Run the version that wrote it, or a newer one.";
    throw fail("DAMAGED", { object, what, remedy: newer }, error);
  }
}
