/** Which part of the machine an input concerns, and what follows from any of them. */
import { assert, must, unreachable } from "../../../base/assert.ts";
import { failure } from "../../../base/errors.ts";
import { isVoter } from "./configuration.ts";
import type { Core } from "./core.ts";
import { askForPreVotes, countOwnVote, hasWon, onLeaderUnreachable } from "./election.ts";
import type { Admitted, RaftInput } from "./inputs.ts";
import { afterCommit, proposeChange } from "./membership.ts";
import type { MemberId } from "./messages.ts";
import { NOBODY } from "./messages.ts";
import { advanceReads, renewLease, requestRead } from "./reads.ts";
import { receive } from "./receive.ts";
import { advanceCommit, appendOwn, heartbeat } from "./replication.ts";
import { onChunkRead, onChunkWritten, resendChunks } from "./snapshot.ts";
import { advanceTransfer, beginTransfer } from "./transfer.ts";

const NO_DATA = new Uint8Array(0);

export function step(core: Core, input: RaftInput): Admitted | undefined {
  const admitted = act(core, input);
  settle(core);
  return admitted;
}

function act(core: Core, input: RaftInput): Admitted | undefined {
  switch (input.kind) {
    case "tick":
      tick(core, input.count);
      return undefined;
    case "message":
      receive(core, input.message);
      return undefined;
    case "propose":
      return refusal(core) ?? propose(core, input.data);
    case "change":
      return refusal(core) ?? proposeChange(core, input.changes, input.context);
    case "read":
      return read(core, input.id);
    case "transfer":
      return refusal(core) ?? beginTransfer(core, input.to);
    case "written":
      written(core, input.ticket);
      return undefined;
    case "applied":
      assert(input.index <= core.handedToApply, "only what was handed over is applied");
      core.applied = Math.max(core.applied, input.index);
      return undefined;
    case "campaign":
      askForPreVotes(core);
      return undefined;
    case "connectionLost":
      connectionLost(core, input.member);
      return undefined;
    case "snapshotTaken":
      snapshotTaken(core, input.index, input.dropTo);
      return undefined;
    case "chunkRead":
      onChunkRead(core, input);
      return undefined;
    case "chunkWritten":
      onChunkWritten(core, input);
      return undefined;
    default:
      return unreachable(input);
  }
}

/** What every input may have made possible. */
function settle(core: Core): void {
  if (hasWon(core)) becomeLeader(core);
  core.regain();
  if (core.role !== "leader") return;
  advanceCommit(core);
  if (afterCommit(core)) return;
  advanceReads(core);
  advanceTransfer(core);
}

function becomeLeader(core: Core): void {
  core.role = "leader";
  core.leader = core.id;
  core.votes.clear();
  core.splitIn = 0;
  core.sinceContact = 0;
  core.sinceHeartbeat = 0;
  core.reception = undefined;
  core.trackMembers();
  core.termStart = appendOwn(core, "noop", NO_DATA);
}

/** How much of an election time-out a stall of this process counts for, however long it was. */
const STALL_MAX = 0.25;

function tick(core: Core, count: number): void {
  assert(count >= 0, "time does not go back");
  core.ticks += count;
  // Whoever stood still did not listen: what others said, and what the disk did meanwhile, is heard after this.
  const attended = Math.min(count, Math.ceil(core.options.electionTicks * STALL_MAX));
  core.sinceContact += attended;
  core.sinceWrite += attended;
  if (core.role !== "leader") {
    if (core.sinceContact < core.electionTimeout) return;
    core.sinceContact = 0;
    askForPreVotes(core);
    return;
  }
  if (core.isStalled || (core.sinceContact >= core.options.electionTicks && !isFollowed(core))) {
    core.becomeFollower(core.term, NOBODY);
    return;
  }
  resendChunks(core, undefined);
  core.sinceHeartbeat += count;
  if (core.sinceHeartbeat < core.options.heartbeatTicks) return;
  renewLease(core);
  heartbeat(core);
}

/** Whether a majority was heard since the last count; a new count begins. */
function isFollowed(core: Core): boolean {
  core.sinceContact = 0;
  const followed = core.isQuorum(
    (member) => member === core.id || core.progress.get(member)?.active === true,
  );
  for (const progress of core.progress.values()) progress.active = false;
  return followed || !core.rules.checksQuorum;
}

/** Why nothing is admitted, if nothing is. */
export function refusal(core: Core): (Admitted & { readonly ok: false }) | undefined {
  if (core.role !== "leader") return { ok: false, failure: core.notLeader() };
  const leaves = core.transfer !== undefined || !isVoter(core.log.config, core.id);
  if (!leaves) return undefined;
  const init = {
    object: `raft member ${core.id}`,
    what: "is handing leadership over",
    remedy: "Ask the leader.",
    details: { leader: core.transfer?.to ?? NOBODY, term: core.term },
  };
  return { ok: false, failure: failure("NOT_LEADER", init) };
}

function overloaded(core: Core, what: string): Admitted {
  const init = { object: `raft member ${core.id}`, what, remedy: "Try again later, or send less." };
  return { ok: false, failure: failure("OVERLOADED", init) };
}

function propose(core: Core, data: Uint8Array): Admitted {
  if (core.log.uncommittedBytes >= core.options.uncommittedBytesMax)
    return overloaded(core, "has too much that is not committed yet");
  return { ok: true, index: appendOwn(core, "data", data), term: core.term };
}

function read(core: Core, id: number): Admitted {
  if (core.role !== "leader") return { ok: false, failure: core.notLeader() };
  if (core.reads.size >= core.options.readsMax)
    return overloaded(core, "has too many reads that wait");
  requestRead(core, id);
  return { ok: true, index: core.log.commit, term: core.term };
}

function written(core: Core, ticket: number): void {
  assert(ticket === core.writing, "the write under way is the one that ends");
  core.durable = must(core.writingState, "a write brings a state with it");
  core.writing = 0;
  core.writingState = undefined;
  core.log.wrote();
  if (core.isHeld) return;
  core.messages.push(...core.held);
  core.held = [];
  countOwnVote(core);
}

function connectionLost(core: Core, member: MemberId): void {
  if (core.role !== "leader") {
    if (member === core.leader) onLeaderUnreachable(core);
    return;
  }
  const progress = core.progress.get(member);
  if (progress?.state === "replicate") progress.probe(progress.match + 1);
  if (progress !== undefined) progress.waiting = false;
  resendChunks(core, member);
}

function snapshotTaken(core: Core, index: number, dropTo: number): void {
  assert(index <= core.applied, "a snapshot is of applied state");
  const { log } = core;
  // What is dropped is in a newer one, too.
  if (index <= log.snapshot.index) return log.compact(log.snapshot, dropTo);
  const term = must(log.term(index), "the entry at a new snapshot is kept");
  log.compact({ index, term, source: core.id, config: log.configAt(index) }, dropTo);
}
