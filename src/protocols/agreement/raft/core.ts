/**
 * The state of a Raft machine and what every part of it needs: roles, terms, sending.
 *
 * Invariants: I1 the term never decreases, and the vote changes within a term at most once, from nobody. I2 no message
 * of a term leaves before that term and the vote in it are on stable storage. I3 what belongs to a leadership
 * (progress, reads, transfer) is there only while it lasts.
 * The parts (election, replication, reads, …) are functions over this state; `raft.ts` says which runs when.
 */
import { assert } from "../../../base/assert.ts";
import type { Failure } from "../../../base/errors.ts";
import { failure } from "../../../base/errors.ts";
import { isQuorum, membersOf, quorumNumber } from "./configuration.ts";
import type { ChunkRead, ChunkWrite, ReadConfirmed, Role } from "./inputs.ts";
import { RaftLog } from "./log.ts";
import type {
  Configuration,
  Entry,
  HardState,
  MemberId,
  Message,
  MessageBody,
  SnapshotMeta,
} from "./messages.ts";
import { NOBODY } from "./messages.ts";
import type { ResolvedOptions } from "./options.ts";
import { Progress } from "./progress.ts";
import { ReadQueue } from "./read-queue.ts";
import type { LogEnd, Rules } from "./rules.ts";

/** Messages that wait for a term and a vote to be stable. */
const HELD_MAX = 1_024;

/** What a member finds on its stable storage. A new cluster's is a snapshot at 0 that names the voters. */
export interface Durable {
  readonly hardState: HardState;
  readonly snapshot: SnapshotMeta;
  readonly entries: readonly Entry[];
  /** The state that the host has read back holds the entries up to here, all of them committed; absent: the snapshot. */
  readonly applied?: number | undefined;
  /** The log ended here before part of it was lost. */
  readonly lost?: LogEnd | undefined;
}

/** A snapshot that is coming in. */
export interface Reception {
  readonly snapshot: SnapshotMeta;
  readonly next: number;
  /** The host is writing a chunk; `last` if it is the last one. */
  readonly writing: "no" | "yes" | "last";
}

export class Core {
  readonly options: ResolvedOptions;
  readonly rules: Rules;
  readonly id: MemberId;
  log: RaftLog;
  term: number;
  vote: MemberId;
  /** What is on stable storage of term and vote, and what the write under way brings there. */
  durable: HardState;
  writingState: HardState | undefined;
  /** Number of the write under way; 0: none. */
  writing = 0;
  /** Ticks since it began. */
  sinceWrite = 0;
  tickets = 0;

  role: Role = "follower";
  leader: MemberId = NOBODY;
  votes: Map<MemberId, boolean> = new Map();
  /** The election is the leader's wish: nobody who hears from that leader refuses. */
  byTransfer = false;
  /** The first term since a leader was heard in which the vote was split; 0: none. */
  splitIn = 0;
  /** Ticks since the start, since the leader was heard (a leader: since it counted), since the last heartbeat. */
  ticks = 0;
  sinceContact = 0;
  sinceHeartbeat = 0;
  electionTimeout = 0;
  /** Until this tick no vote is granted but by the leader's wish. */
  promisedUntil: number;

  /** Of a leader: index of the first entry of its term. */
  termStart: number = Infinity;
  progress: Map<MemberId, Progress> = new Map();
  reads: ReadQueue = new ReadQueue();
  transfer: { readonly to: MemberId; readonly until: number; readonly asked: boolean } | undefined;
  /** In this term another member was asked to stand: the lease holds no more. */
  leaseBroken = false;

  /**
   * Where the log ended of which part was lost: what was acknowledged counts as held, and the others have it. Until the
   * log is as far again this member votes as if it held all of it, and does not stand.
   */
  lost: LogEnd | undefined;

  /** Of a follower: up to here its log is the leader's. */
  verified = 0;
  acknowledged = 0;
  ackDue = false;
  reception: Reception | undefined;

  applied: number;
  handedToApply: number;
  messages: Message[] = [];
  /** Wait for the term and the vote to be stable. */
  held: Message[] = [];
  readsDone: ReadConfirmed[] = [];
  readsRefused: number[] = [];
  chunkReads: ChunkRead[] = [];
  chunkWrites: ChunkWrite[] = [];

  constructor(options: ResolvedOptions, durable: Durable, rules: Rules) {
    this.options = options;
    this.rules = rules;
    this.id = options.id;
    this.log = new RaftLog(durable.snapshot, durable.entries, rules.cutsConfiguration);
    this.durable = durable.hardState;
    this.term = durable.hardState.term;
    this.vote = durable.hardState.vote;
    this.applied = this.handedToApply = durable.applied ?? durable.snapshot.index;
    this.log.commitTo(this.applied);
    this.lost = durable.lost;
    // A promise to a leader may be older than this start.
    this.promisedUntil = options.leaseTicks > 0 ? options.electionTicks : 0;
    assert(this.term >= this.log.end.term, "start: no entry is of a later term");
    this.drawTimeout();
  }

  drawTimeout(): void {
    const { electionTicks, random } = this.options;
    this.electionTimeout = electionTicks + (this.rules.spreadsTimeouts ? random(electionTicks) : 0);
  }

  get isLearner(): boolean {
    return this.log.config.learners.includes(this.id);
  }
  /** Where this member's log ends for whoever asks for its vote. */
  get promisedEnd(): LogEnd {
    const { end } = this.log;
    return this.lost === undefined || this.rules.upToDate(end, this.lost) ? end : this.lost;
  }
  /** What was lost is there again, if what is on stable storage and as the leader has it is as up to date. */
  regain(): void {
    if (this.lost === undefined) return;
    const index = Math.min(this.log.written, this.verified);
    const term = this.log.term(index);
    if (term !== undefined && this.rules.upToDate({ index, term }, this.lost))
      this.lost = undefined;
  }

  get isStalled(): boolean {
    if (!this.rules.heedsStall) return false;
    return this.writing !== 0 && this.sinceWrite >= this.options.electionTicks;
  }
  /** Whether something is to be made stable before this term's messages may leave. */
  get isHeld(): boolean {
    const { term, vote } = this.durable;
    return this.rules.termAndVoteFirst && (term !== this.term || vote !== this.vote);
  }

  /** Whether this member decides by itself: nobody else has a vote. */
  get isAlone(): boolean {
    const { voters, outgoing } = this.log.config;
    return outgoing.length === 0 && voters.length === 1 && voters[0] === this.id;
  }

  /** The configuration whose majorities decide. */
  get deciding(): Configuration {
    return this.rules.deciding(this.log, this.id);
  }
  isQuorum(says: (member: MemberId) => boolean): boolean {
    return isQuorum(this.deciding, says);
  }
  quorumNumber(of: (member: MemberId) => number): number {
    return quorumNumber(this.deciding, of);
  }

  send(to: MemberId, body: MessageBody, term: number = this.term): void {
    assert(to !== this.id, "send: not to itself");
    const message = { from: this.id, to, term, ...body } as Message;
    if (!this.isHeld) this.messages.push(message);
    // A disk that stands still: what is beyond the limit is as good as lost on the way.
    else if (this.held.length < HELD_MAX) this.held.push(message);
  }

  /** Takes a later term, in which nobody has its vote yet. */
  enterTerm(term: number, vote: MemberId): void {
    assert(term > this.term, "I1: the term grows");
    this.term = term;
    this.vote = vote;
    // What was to be said in the term before is of no use any more.
    this.held = [];
  }

  becomeFollower(term: number, leader: MemberId): void {
    const anew = term > this.term || leader !== this.leader || this.role === "leader";
    if (term > this.term) this.enterTerm(term, NOBODY);
    this.role = "follower";
    if (anew) {
      this.verified = this.acknowledged = this.log.commit;
      this.ackDue = false;
      if (this.options.leaseTicks === 0) this.promisedUntil = this.ticks;
    }
    this.leader = leader;
    this.votes.clear();
    this.byTransfer = false;
    this.sinceContact = 0;
    this.drawTimeout();
    this.endLeadership();
  }

  endLeadership(): void {
    this.termStart = Infinity;
    this.progress.clear();
    this.transfer = undefined;
    this.leaseBroken = false;
    this.readsRefused.push(...this.reads.clear());
    this.chunkReads = [];
  }

  /** Sees to it that there is a progress for every other member, and for nobody else. */
  trackMembers(): void {
    const members = membersOf(this.log.config);
    for (const member of this.progress.keys())
      if (!members.includes(member)) this.progress.delete(member);
    for (const member of members) {
      if (member === this.id || this.progress.has(member)) continue;
      this.progress.set(member, new Progress(this.log.last + 1, this.ticks));
    }
  }

  notLeader(): Failure {
    return failure("NOT_LEADER", {
      object: `raft member ${this.id}`,
      what: this.leader === NOBODY ? "does not lead, and knows no leader" : "does not lead",
      remedy: "Ask the leader.",
      details: { leader: this.leader, term: this.term },
    });
  }

  copy(): Core {
    // A spread takes a seventh of the time of assigning to an empty object; the prototype is put back.
    // oxlint-disable-next-line typescript/no-misused-spread
    const copied = Object.setPrototypeOf({ ...this }, Core.prototype) as Core;
    copied.log = this.log.copy();
    copied.votes = new Map(this.votes);
    copied.progress = new Map(
      [...this.progress].map(([member, progress]) => [member, progress.copy()]),
    );
    copied.reads = this.reads.copy();
    copied.messages = this.messages.slice();
    copied.held = this.held.slice();
    copied.readsDone = this.readsDone.slice();
    copied.readsRefused = this.readsRefused.slice();
    copied.chunkReads = this.chunkReads.slice();
    copied.chunkWrites = this.chunkWrites.slice();
    return copied;
  }
}
