/**
 * Mistakes that are known to be made in systems like this one, each planted where it would be made: what the swarms must
 * find. One that no swarm can find, or that none has found, says why.
 *
 * The letters are those of the table of faults in docs/TRACK-RECORD.md: elections E, log G, members M, snapshots N, reads and
 * clocks R, leases and locks K, watches W, storage D.
 */
import type { Rules } from "../../protocols/agreement/raft/rules.ts";
import type { Plant } from "../cluster/plant.ts";
import { stopsWhenPaused } from "./clocks.ts";
import * as disks from "./disks.ts";
import * as drivers from "./drivers.ts";
import * as networks from "./networks.ts";

interface Named {
  readonly id: string;
  /** What is done wrong. */
  readonly title: string;
  /** Where the short test begins to look, of what takes many seeds; absent: at 1. */
  readonly from?: number;
}

/** How a row is found, or why no swarm finds it. */
export type Row = Named &
  (
    | { readonly swarm: "clusters"; readonly plant: Plant }
    /** Simulated Raft machines: for what no order to a server asks of them. */
    | { readonly swarm: "raft"; readonly rules: Partial<Rules> }
    | { readonly swarm: "none"; readonly why: string }
  );

/** Where the short test begins to look for what takes more than a few clusters. */
const FROM: Readonly<Record<string, number>> = {
  E3: 245,
  E6: 15,
  E7: 365,
  M5: 35,
  M7: 30,
  N3: 25,
  N5: 45,
  R1: 70,
  K1: 25,
  K2: 180,
  D1: 30,
  D2: 40,
  D3: 50,
  D4: 50,
  D5: 45,
  D6: 115,
  D11: 45,
};

const planted = (id: string, title: string, plant: Plant): Row => ({
  id,
  title,
  swarm: "clusters",
  plant,
  from: FROM[id] ?? 1,
});

const machines = (id: string, title: string, rules: Partial<Rules>, from = 1): Row => ({
  id,
  title,
  swarm: "raft",
  rules,
  from,
});

export const TABLE: readonly Row[] = [
  planted("E1", "a second vote is given in a term", { raft: { freeToVote: () => true } }),
  machines("E2", "answers leave before term and vote are stable", { termAndVoteFirst: false }, 70),
  planted("E3", "a member that is cut off raises the term instead of asking first", {
    raft: { asksFirst: false },
  }),
  planted("E4", "a leader that hears no majority leads on", { raft: { checksQuorum: false } }),
  planted(
    "E5",
    "whoever leads a term that is over is not told, so that a later term that few know stays apart",
    {
      peers: networks.tellsNobodyOutdated,
    },
  ),
  planted(
    "E6",
    "votes are granted, without asking first, while a leader is heard: a removed server deposes it",
    {
      raft: { staysWithLeader: false, asksFirst: false },
    },
  ),
  planted("E7", "a transfer that cannot come about is never given up", {
    raft: { transferEnds: false },
  }),
  machines(
    "E8",
    "a longer log counts for newer, whatever its terms",
    {
      upToDate: (candidate, own) => candidate.index >= own.index,
    },
    185,
  ),
  machines("E9", "election time-outs are equal", { spreadsTimeouts: false }, 1965),
  machines(
    "G1",
    "entries of earlier terms are committed by counting",
    { countsTowardsCommit: () => true },
    5115,
  ),
  planted("G2", "a late message cuts the log at its end", { raft: { cutsAtConflictOnly: false } }),
  planted("G3", "a late message that overlaps a snapshot is acknowledged to its end", {
    peers: networks.acknowledgesLate,
  }),
  machines(
    "G4",
    "a follower commits what the message has not verified",
    { followerCommit: (commit, _verified, last) => Math.min(commit, last) },
    4505,
  ),
  planted("G5", "the leader's place in a follower's log does not move on a refusal", {
    peers: networks.refusesElsewhere,
  }),
  planted(
    "G6",
    "state and the index that it stands at are not written together: an entry is applied twice after a crash",
    {
      disk: disks.lowersInSnapshots("index"),
    },
  ),
  planted("G7", "a leader counts its own log before it is stable", {
    raft: { ownEntriesFirst: false },
  }),
  planted("G8", "a follower acknowledges before what it acknowledges is stable", {
    raft: { entriesFirst: false },
  }),
  machines(
    "M1",
    "members change before the leader has committed in its term",
    { changeNeedsOwnTerm: false },
    5945,
  ),
  machines(
    "M2",
    "a configuration counts once it is committed, not once it is in the log",
    {
      deciding: (log) => log.configAt(log.commit),
    },
    145,
  ),
  machines(
    "M3",
    "one majority of a joint configuration decides",
    { deciding: ({ config }) => ({ ...config, outgoing: [] }) },
    615,
  ),
  planted("M4", "a learner that lags is promoted", { raft: { promotesCaughtUp: false } }),
  planted("M5", "a member that comes back under its id without its disk is let in", {
    peers: networks.hidesIdentities,
  }),
  planted("M6", "of two members one is a majority", {
    raft: {
      deciding: ({ config }, self) =>
        config.voters.length === 2 ? { ...config, voters: [self] } : config,
    },
  }),
  planted("M7", "a snapshot goes with the members of an earlier time", {
    peers: networks.sendsFirstConfiguration,
  }),
  machines(
    "N1",
    "a snapshot that comes late replaces the log that has come meanwhile",
    {
      keepsLogThatHoldsSnapshot: false,
    },
    1085,
  ),
  planted("N2", "a snapshot that comes in does not wait for the one before it", {
    raft: { oneChunkAtATime: false },
  }),
  planted("N3", "the old snapshot is removed before the new one is whole", {
    disk: disks.removesTooEarly,
  }),
  planted("N4", "a snapshot is cut short on its way", { peers: networks.endsSnapshotsEarly }),
  planted("N5", "a snapshot older than what is committed is installed", {
    raft: { snapshotsGoForward: false, keepsLogThatHoldsSnapshot: false },
  }),
  planted("N6", "a snapshot knows a lower revision than was told", {
    disk: disks.lowersInSnapshots("revision"),
  }),
  planted("R1", "reads by lease on a clock that stands still with the machine", {
    options: (options) => ({ ...options, lease: { marginTicks: 2 } }),
    clock: stopsWhenPaused,
  }),
  planted("R2", "reads and evaluation before the first entry of the own term", {
    raft: { readNeedsOwnTerm: false },
    replica: { waitsForOwnTerm: false },
  }),
  machines("R3", "reads are answered without asking a majority", { readNeedsQuorum: false }, 60),
  planted("R4", "a member that does not lead answers reads as if it did", {
    driver: drivers.readsAnywhere,
  }),
  planted(
    "K1",
    "whoever has waited takes the lock for its own without looking whether it is still in the queue",
    {
      clients: { looksAgain: false },
    },
  ),
  planted("K2", "a lease's time counts from the answer to its renewal", {
    clients: { countsFromAsking: false },
  }),
  planted("K3", "a new leader ends leases by the times that it knows", {
    replica: { extendsLeases: false },
  }),
  planted("K4", "the resource takes whatever token comes", { clients: { resourceChecks: false } }),
  planted("K5", "a key is attached to a lease that was revoked meanwhile", {
    parts: drivers.findsDeadLeases,
  }),
  {
    id: "K6",
    title: "a restored store gives tokens that were given before",
    swarm: "none",
    why: "a store is restored from a file while nothing runs, by the command line, above this floor; CLI-12 holds the rule, and was seen to fail with it taken out",
  },
  planted("W1", "a watch from a compacted revision leaves out in silence what is gone", {
    driver: drivers.skipsCompacted,
  }),
  planted("W2", "a watch on a member whose state was replaced tells again what it has told", {
    driver: drivers.startsAnew,
  }),
  planted("W3", "events are lost while a stream is not read", { driver: drivers.losesWhenSlow }),
  planted("W4", "a watch of a future revision begins at once", {
    driver: drivers.watchesFutureNow,
  }),
  planted("W5", "progress is told in front of the events that it is about", {
    driver: drivers.tellsProgressFirst,
  }),
  planted("W6", "the events of a transaction come in two batches", {
    driver: drivers.splitsTransactions,
  }),
  planted("W7", "a resumed watch tells its last revision again", { driver: drivers.startsEarly }),
  planted("D1", "a torn last batch is taken for damage", {
    disk: (disk) => disks.readingSegments(disk, disks.refusesTorn),
  }),
  planted("D2", "damage in the log is taken for its end", {
    disk: (disk) => disks.readingSegments(disk, disks.cutsDamage),
  }),
  planted("D3", "a failed flush is tried again, and believed", { disk: disks.retriesFlush }),
  planted("D4", "what a full disk has not taken is taken for written", {
    disk: disks.ignoresFailures,
  }),
  planted("D5", "the checksums of a snapshot are not looked at", { disk: disks.believesSnapshots }),
  planted("D6", "a block that landed where another belongs is taken for the end of the log", {
    disk: (disk) => disks.readingSegments(disk, disks.endsAtMisplaced),
  }),
  planted("D7", "names are not synced", { disk: disks.withoutDirectorySync }),
  planted("D8", "a leader whose disk stands still leads on", { raft: { heedsStall: false } }),
  planted("D9", "the log is not flushed", { disk: disks.notDurable }),
  {
    id: "D10",
    title: "a disk that was put back to an earlier state is believed",
    swarm: "none",
    why: "what is on it is whole, and says nothing of what it lacks; that a member keeps its disk is a premise of Raft. It comes back under another id (REP-13, REP-14)",
  },
  planted("D11", "a block of zeros within the log is taken for its end", {
    disk: (disk) => disks.readingSegments(disk, disks.endsAtZeros),
  }),
  planted("D12", "a write that stopped short is taken for whole", { disk: disks.shortWrites }),
];
