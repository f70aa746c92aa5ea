/**
 * The decisions on which Raft's safety rests, in one place and by name. A simulation can replace one by a known mistake
 * to show that it would find it; nothing else passes any but `RULES`.
 *
 * Source: Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (2014) §5, Ongaro's dissertation §3,
 * §4, §6.4, and his note on single-server changes (raft-dev, 2015).
 */

import type { RaftLog } from "./log.ts";
import type { Configuration, MemberId } from "./messages.ts";

/** Where a log ends. */
export interface LogEnd {
  readonly index: number;
  readonly term: number;
}

export interface Rules {
  /** §5.4.1: a vote goes only to a candidate whose log is at least as up to date. */
  upToDate(candidate: LogEnd, own: LogEnd): boolean;
  /** §5.2: one vote in a term. */
  freeToVote(vote: number, candidate: number): boolean;
  /** §5.4.2: counting commits only entries of the leader's own term. */
  countsTowardsCommit(entryTerm: number, term: number): boolean;
  /** What is said follows from a term and a vote on stable storage. */
  readonly termAndVoteFirst: boolean;
  /** The leader counts its own log up to what is on stable storage. */
  readonly ownEntriesFirst: boolean;
  /** A follower acknowledges up to what is on stable storage. */
  readonly entriesFirst: boolean;
  /** §5.3: only a conflicting entry cuts the log; a late copy of a message cuts nothing. */
  readonly cutsAtConflictOnly: boolean;
  /** §5.3: a follower commits no further than the log that the message has verified. */
  followerCommit(leaderCommit: number, verified: number, last: number): number;
  /** §7: a snapshot replaces no log that holds what it is of; what follows may have been acknowledged. */
  readonly keepsLogThatHoldsSnapshot: boolean;
  /** A chunk is taken when the one before it has been kept. */
  readonly oneChunkAtATime: boolean;
  /** §7: nor one that is ahead of it in what is committed. */
  readonly snapshotsGoForward: boolean;
  /** Dissertation §6.4: a read is confirmed by a majority that answered after it began. */
  readonly readNeedsQuorum: boolean;
  /** Dissertation §6.4: and waits for an entry of the leader's own term to commit. */
  readonly readNeedsOwnTerm: boolean;
  /** The 2015 note: no change of members before an entry of the own term is committed. */
  readonly changeNeedsOwnTerm: boolean;
  /** Dissertation §4.1: no change before the one before it is committed. */
  readonly oneChangeAtATime: boolean;
  /** Dissertation §4.1, §4.3: the newest configuration of the log decides, a joint one by majorities of both sets. */
  deciding(log: RaftLog, self: MemberId): Configuration;
  /** Dissertation §4.1: an entry that is cut takes its configuration with it. */
  readonly cutsConfiguration: boolean;
  /** Dissertation §4.2.1: a learner votes when it has caught up. */
  readonly promotesCaughtUp: boolean;
  /** Dissertation §6.2: a leader that does not hear from a majority steps down. */
  readonly checksQuorum: boolean;
  /** §5.2: time-outs differ, so that votes are not split again and again. */
  readonly spreadsTimeouts: boolean;
  /** A leader whose disk stands still steps down, and does not stand. */
  readonly heedsStall: boolean;
  /** Dissertation §4.2.3: whoever hears from a leader grants no vote, unless that leader asked for the election. */
  readonly staysWithLeader: boolean;
  /** Dissertation §9.6: a member asks whether it could win before it begins a term. */
  readonly asksFirst: boolean;
  /** Dissertation §3.10: a leader that was to hand over and could not goes on after an election time-out. */
  readonly transferEnds: boolean;
  /** A lease ends when its leader has asked another to stand for election. */
  readonly transferEndsLease: boolean;
}

export const RULES: Rules = {
  upToDate: (candidate, own) =>
    candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index),
  freeToVote: (vote, candidate) => vote === 0 || vote === candidate,
  countsTowardsCommit: (entryTerm, term) => entryTerm === term,
  termAndVoteFirst: true,
  ownEntriesFirst: true,
  entriesFirst: true,
  cutsAtConflictOnly: true,
  followerCommit: (leaderCommit, verified) => Math.min(leaderCommit, verified),
  keepsLogThatHoldsSnapshot: true,
  oneChunkAtATime: true,
  snapshotsGoForward: true,
  readNeedsQuorum: true,
  readNeedsOwnTerm: true,
  changeNeedsOwnTerm: true,
  oneChangeAtATime: true,
  deciding: (log) => log.config,
  cutsConfiguration: true,
  promotesCaughtUp: true,
  checksQuorum: true,
  spreadsTimeouts: true,
  heedsStall: true,
  staysWithLeader: true,
  asksFirst: true,
  transferEnds: true,
  transferEndsLease: true,
};
