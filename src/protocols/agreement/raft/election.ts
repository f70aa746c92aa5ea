/**
 * Elections: pre-votes, votes, what a candidate makes of them, and how a leader is heard.
 *
 * Invariants: I1 a candidate counts its own vote once it is on stable storage, unless it decides alone. I2 whoever hears from a leader grants
 * nobody a vote, but when that leader itself asked for the election. I3 a pre-vote changes no term and no vote. I4 whoever
 * lost part of its log votes by where it ended, and does not stand until it is as far again.
 * Source: Raft §5.2, §5.4.1; Ongaro's dissertation §4.2.3, §9.6. Deviation: a follower whose connection to the leader
 * broke asks for pre-votes within half an election time-out, and grants them, unless leases are in use. Members take turns
 * there by id, and again after a first split vote: drawn at random, two of three survivors' turns fall together once in six times,
 * and the split costs an election time-out more.
 */
import { assert } from "../../../base/assert.ts";
import { votersOf } from "./configuration.ts";
import type { Core } from "./core.ts";
import type { RaftLog } from "./log.ts";
import type { MemberId, MessageOf } from "./messages.ts";
import { NOBODY } from "./messages.ts";

/**
 * Those who may stand, in turn: who votes, then who did before a change that is not known to be committed (a member whose
 * removal is not committed may be the only one that can be elected; dissertation §4.2.2).
 */
function standing({ config, previousConfig, configIndex, commit }: RaftLog): readonly MemberId[] {
  const isCommitted = configIndex <= commit || previousConfig === undefined;
  return isCommitted
    ? votersOf(config)
    : [...new Set([...votersOf(config), ...votersOf(previousConfig)])];
}

/** Whether this member may stand. */
export function mayStand(core: Core): boolean {
  return core.lost === undefined && standing(core.log).includes(core.id);
}

/** Asks whether an election could be won, and leaves term and votes as they are until it could. */
export function askForPreVotes(core: Core): void {
  if (core.role === "leader" || !mayStand(core) || core.isStalled) return;
  if (!core.rules.asksFirst) {
    stand(core, false);
    return;
  }
  core.becomeFollower(core.term, NOBODY);
  core.role = "preCandidate";
  core.votes.set(core.id, true);
  const { index: lastIndex, term: lastTerm } = core.log.end;
  for (const member of votersOf(core.log.config)) {
    if (member === core.id) continue;
    core.send(member, { kind: "preVote", lastIndex, lastTerm }, core.term + 1);
  }
  tally(core);
}

/** Begins a term and asks for its votes. */
export function stand(core: Core, byTransfer: boolean): void {
  assert(core.role !== "leader", "a leader does not stand for election");
  core.becomeFollower(core.term + 1, NOBODY);
  core.role = "candidate";
  core.vote = core.id;
  core.byTransfer = byTransfer;
  const { index: lastIndex, term: lastTerm } = core.log.end;
  for (const member of votersOf(core.log.config)) {
    if (member === core.id) continue;
    core.send(member, { kind: "vote", lastIndex, lastTerm, transfer: byTransfer });
  }
  countOwnVote(core);
}

/**
 * Counts the candidate's own vote, if it is stable. Whoever decides alone need not wait: nothing is said or committed
 * before the write that brings the vote, and the first entry of the term is in the same write.
 */
export function countOwnVote(core: Core): void {
  if (core.role !== "candidate" || core.votes.has(core.id)) return;
  if (core.isHeld && !core.isAlone) return;
  core.votes.set(core.id, true);
  tally(core);
}

/** What the votes come to; a candidate that has won is made leader by `raft.ts`, which looks at `hasWon`. */
function tally(core: Core): void {
  if (core.isQuorum((member) => core.votes.get(member) === false)) {
    core.becomeFollower(core.term, NOBODY);
    return;
  }
  if (core.role === "preCandidate" && core.isQuorum((member) => core.votes.get(member) === true))
    stand(core, false);
}

export function hasWon(core: Core): boolean {
  return core.role === "candidate" && core.isQuorum((member) => core.votes.get(member) === true);
}

/** A vote or pre-vote is asked for while a leader is heard: as if nobody had asked (I2). */
export function isRefusedUnheard(core: Core, request: MessageOf<"vote" | "preVote">): boolean {
  if (!core.rules.staysWithLeader) return false;
  if (request.kind === "vote" && request.transfer) return false;
  return core.role === "leader" || core.ticks < core.promisedUntil;
}

export function onPreVote(core: Core, request: MessageOf<"preVote">): void {
  const candidate = { index: request.lastIndex, term: request.lastTerm };
  const granted = request.term > core.term && core.rules.upToDate(candidate, core.promisedEnd);
  core.send(request.from, { kind: "preVoteReply", granted }, granted ? request.term : core.term);
}

export function onVote(core: Core, request: MessageOf<"vote">): void {
  assert(request.term === core.term, "a vote is given in the request's term");
  const candidate = { index: request.lastIndex, term: request.lastTerm };
  const granted =
    core.rules.freeToVote(core.vote, request.from) &&
    (core.leader === NOBODY || core.vote === request.from) &&
    core.rules.upToDate(candidate, core.promisedEnd);
  if (granted) {
    core.vote = request.from;
    core.sinceContact = 0;
  }
  core.send(request.from, { kind: "voteReply", granted });
}

export function onPreVoteReply(core: Core, reply: MessageOf<"preVoteReply">): void {
  if (core.role !== "preCandidate") return;
  if (reply.granted && reply.term !== core.term + 1) return;
  core.votes.set(reply.from, reply.granted);
  tally(core);
}

export function onVoteReply(core: Core, reply: MessageOf<"voteReply">): void {
  if (core.role !== "candidate") return;
  core.votes.set(reply.from, reply.granted);
  tally(core);
  if (!reply.granted) heedSplit(core);
}

/**
 * The vote is another's, who hears the same of this member's, or wins and is heard. Two who know different configurations may
 * have the same turn: from the second split on, time-outs are drawn.
 */
function heedSplit(core: Core): void {
  if (core.splitIn !== 0 && core.splitIn !== core.term) return;
  core.splitIn = core.term;
  hurry(core, NOBODY);
}

/** A message of this term's leader has come. */
export function heardFromLeader(core: Core, leader: MemberId): void {
  assert(core.role !== "leader", "election safety: one leader in a term");
  if (core.role !== "follower" || core.leader !== leader) core.becomeFollower(core.term, leader);
  core.sinceContact = 0;
  core.splitIn = 0;
  core.promisedUntil = core.ticks + core.options.electionTicks;
}

/** A follower's connection to its leader is gone: perhaps the leader is. */
export function onLeaderUnreachable(core: Core): void {
  if (core.options.leaseTicks > 0) return;
  core.promisedUntil = core.ticks;
  hurry(core, core.leader);
}

/** Stands, unless it hears of a leader, when its turn among all who may but `absent` comes. */
function hurry(core: Core, absent: MemberId): void {
  const line = standing(core.log).filter((member) => member !== absent);
  const place = line.indexOf(core.id);
  const gap = Math.max(1, Math.floor(core.options.electionTicks / 2 / line.length));
  const soon = 1 + gap * Math.max(0, place);
  core.sinceContact = Math.max(core.sinceContact, core.electionTimeout - soon);
}
