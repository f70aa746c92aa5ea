/**
 * Opens a replica: its data directory if it has one, its Raft machine, its pump.
 *
 * A replica of one is a cluster of one: without `cluster` it decides alone, needs no ticks and leads at once.
 */
import { fail, QuorateError } from "../base/errors.ts";
import type { Failure } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import type { Formats } from "../contract/formats.ts";
import { FORMATS } from "../contract/formats.ts";
import type { ProcedureSet } from "../contract/procedure.ts";
import { Base } from "../keyspace/base.ts";
import { KeyspaceTime } from "../keyspace/keyspace-time.ts";
import type { MemberRecord } from "../keyspace/members.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Entropy } from "../ports/entropy.ts";
import { id63 } from "../ports/entropy.ts";
import type { Meter } from "../ports/meter.ts";
import { NOBODY } from "../protocols/agreement/raft/messages.ts";
import type { ReplicaParts } from "../replica/inputs.ts";
import type { OpenedDirectory } from "./data-directory.ts";
import { foundAlone, openDirectory } from "./data-directory.ts";
import type { Driver } from "./face.ts";
import { freshMemberId } from "./identity.ts";
import type { Makers } from "./makers.ts";
import { MAKERS } from "./makers.ts";
import type { ClusterOptions, PeerAddress } from "./peers.ts";
import { Pump } from "./pump.ts";

export { VERSION } from "./version.ts";
const SEGMENT_BYTES: number = 16 << 20;
const QUOTA_BYTES: number = 1 << 30;
/** Applied entries that a member keeps for others that are a little behind. */
const TAIL_BYTES: number = 16 << 20;

/** How a driver is opened. Every field has a default but the ports and the procedures. */
export interface DriverOptions {
  /** Where it is durable; absent: in memory only, lost with the process. */
  readonly disk?: Disk | undefined;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly procedures: ProcedureSet;
  readonly label: string;
  /** Bytes that keys, values and history may occupy; default 1 GiB. */
  readonly quotaBytes?: number | undefined;
  /** Shortest time to live that is granted, ms; default 1,000. */
  readonly minLeaseTtlMs?: number | undefined;
  /** How long history can be read and watched, ms of keyspace time; default ten minutes. */
  readonly historyMs?: number | undefined;
  /** How many revisions can be read and watched; default all, within the other bounds. */
  readonly historyRevisions?: number | undefined;
  /** How long an unused caller is remembered, ms; default five minutes. */
  readonly callerIdleMs?: number | undefined;
  /** Accepts a step of more than a day at start. */
  readonly acceptClockJump?: boolean | undefined;
  /** Length of a log segment, bytes; a multiple of 512; default 16 MiB. Fixed when the directory is made. */
  readonly segmentBytes?: number | undefined;
  /** Log bytes after which a snapshot is written; default 256 MiB. More means slower recovery, less more writing. */
  readonly snapshotLogBytes?: number | undefined;
  /**
   * How much longer the log may be for a large state: this share of the last snapshot's bytes, if that is more than
   * `snapshotLogBytes`; default 0. With 1/2, snapshots cost no more than three bytes for one of the log, two once
   * the state grows no more; without, that grows with the state.
   */
  readonly snapshotLogShare?: number | undefined;
  /** Re-executes procedures at random to catch those that break the rules. */
  readonly strict?: Prng | undefined;
  readonly meter?: Meter | undefined;
  /** Absent: a cluster of one. Needs `disk`. */
  readonly cluster?: ClusterOptions | undefined;
  /** What it reads and writes; for tests that run it as the version before. */
  readonly formats?: Formats | undefined;
}

/** Errors: those of the data directory; CLOCK_JUMP; CONFIG if the directory belongs to another member, or needs the others. */
export function openDriver(options: DriverOptions): Promise<Driver> {
  return openDriverMadeBy(MAKERS, options);
}

/** The same with machines of `makers`: for simulations. */
export async function openDriverMadeBy(makers: Makers, options: DriverOptions): Promise<Driver> {
  const { disk, clock, entropy, cluster } = options;
  if (cluster !== undefined && disk === undefined) throw memberWithoutDisk(options.label);
  const opened =
    disk === undefined
      ? undefined
      : await openDirectory(disk, clock, entropy, {
          segmentBytes: options.segmentBytes ?? SEGMENT_BYTES,
          belonging: cluster,
          initial: cluster?.initial?.map(recordOf),
          tailBytes: cluster?.tailBytes ?? TAIL_BYTES,
          formats: options.formats,
        });
  try {
    return await start(makers, options, opened);
  } catch (error) {
    await opened?.log.close();
    await opened?.lock.release();
    throw error;
  }
}

async function start(
  makers: Makers,
  options: DriverOptions,
  opened: OpenedDirectory | undefined,
): Promise<Driver> {
  const { entropy, cluster } = options;
  const base = opened?.base ?? new Base();
  const id = opened === undefined ? freshMemberId(entropy) : Number(opened.identity.memberId);
  if (opened === undefined) foundAlone(base, id, (options.formats ?? FORMATS).newest);
  const { membership } = base.members;
  const time = startTime(options, base);
  if (!(time instanceof KeyspaceTime)) throw new QuorateError(time);
  const timing = timingOf(cluster);
  const raft = makers.raft(
    { id, random: (bound) => entropy.u32() % bound, ...timing },
    opened?.durable ?? {
      hardState: { term: 0, vote: NOBODY },
      snapshot: { index: 0, term: 0, source: id, config: membership },
      entries: [],
    },
  );
  const { config } = raft;
  const isAlone =
    config.voters.length === 1 && config.voters[0] === id && config.outgoing.length === 0;
  if (cluster === undefined && !isAlone)
    throw needsOthers(options.label, opened, config.voters.length);
  const clusterId = BigInt(opened?.identity.clusterId ?? id63(entropy));
  const { tickMs } = timing;
  const quotaBytes = options.quotaBytes ?? QUOTA_BYTES;
  const bounds = { ...boundsOf(options, quotaBytes), logged: opened !== undefined };
  const replica = makers.replica({ raft, base, time, ...bounds });
  const pump = new Pump(options, { replica, time, quotaBytes, opened, clusterId, tickMs });
  await pump.start(isAlone);
  return pump;
}

type Bounds = Pick<ReplicaParts, "head" | "retention" | "tailBytes" | "newest">;

/** What a replica takes, and how much of it it keeps. */
function boundsOf(options: DriverOptions, quotaBytes: number): Bounds {
  const { procedures, entropy, strict, cluster, historyMs = 600_000 } = options;
  return {
    head: {
      procedures,
      quotaBytes,
      minLeaseTtlMs: options.minLeaseTtlMs ?? 1_000,
      leaseId: () => id63(entropy),
      strict,
    },
    retention: {
      historyMs,
      // Who asked for all of it gets all of it, until the quota says stop.
      historyBytes: historyMs === Infinity ? Infinity : quotaBytes / 4,
      historyRevisions: options.historyRevisions ?? Infinity,
      callerIdleMs: options.callerIdleMs ?? 300_000,
    },
    tailBytes: cluster?.tailBytes ?? TAIL_BYTES,
    newest: (options.formats ?? FORMATS).newest,
  };
}

function startTime(options: DriverOptions, base: Base): KeyspaceTime | Failure {
  const { clock, label, acceptClockJump: accept = false } = options;
  const [monotonicMs, wallMs] = [clock.monotonicMs(), clock.wallMs()];
  // A member goes on from what was committed: its wall clock is one of several.
  if (options.cluster !== undefined && !accept)
    return KeyspaceTime.resume(base.time, monotonicMs, wallMs);
  return KeyspaceTime.start(base.time, monotonicMs, wallMs, accept, label);
}

interface Timing {
  readonly tickMs: number | undefined;
  readonly electionTicks?: number;
  readonly heartbeatTicks?: number;
}

/** Two ticks to a heartbeat: finer ones spread the members' time-outs better, coarser ones wake up less often. */
function timingOf(cluster: ClusterOptions | undefined): Timing {
  if (cluster === undefined) return { tickMs: undefined };
  const heartbeatMs = cluster.heartbeatMs ?? 50;
  const electionMs = cluster.electionMs ?? 500;
  const tickMs = heartbeatMs / 2;
  return { tickMs, heartbeatTicks: 2, electionTicks: Math.max(3, Math.round(electionMs / tickMs)) };
}

function recordOf({ id, name, peerUrls, clientUrls, identity }: PeerAddress): MemberRecord {
  return { id, name, peerUrls, clientUrls, identity };
}

function memberWithoutDisk(label: string): Error {
  return fail("CONFIG", {
    object: label,
    what: "is to be a member of a cluster without a data directory, and would forget how it voted",
    remedy: "Give it a data directory.",
  });
}

function needsOthers(label: string, opened: OpenedDirectory | undefined, voters: number): Error {
  return fail("CONFIG", {
    object: label,
    what: `is member ${opened?.identity.memberId} of a cluster that ${voters} members decide, and was opened by itself`,
    remedy:
      "Start it as a member of that cluster, or restore a snapshot of it into an empty directory.",
  });
}
