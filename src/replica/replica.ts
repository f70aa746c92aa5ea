/**
 * A replica: the Raft machine and the keyspace joined into one deterministic machine, `step(input, now) → outputs`. A
 * replica of one is a cluster of one.
 *
 * Invariants (the reply rule): I1 an answer is released when the newest entry that its evaluation could have read is
 * committed. I2 if it wrote nothing, leadership was also confirmed by a check begun after the evaluation. I3 a leader
 * evaluates nothing before the first entry of its own term is applied. I4 when leadership is lost, what was not
 * committed is rolled back and its commands are answered LEADER_CHANGED (they may yet commit) or NOT_LEADER.
 * And: I5 an evaluated entry is never refused by the log: it is closed before a change of members or a transfer is asked
 * for, and while leadership is being handed over nothing is evaluated. I6 what is committed is applied by the same code
 * everywhere; only who evaluated it need not read it back.
 * Source: Ongaro's dissertation §3, §6.3–6.4. Leaves out: I/O and time (the driver), who votes (the Raft machine).
 */
import { assert, must } from "../base/assert.ts";
import { ByteWriter } from "../base/codec.ts";
import type { Identity } from "../contract/auth.ts";
import { NOBODY } from "../contract/auth.ts";
import { TELLS_CLOCKS } from "../contract/formats.ts";
import type { CallerStamp, Command, Query, Reply, Request } from "../contract/requests.ts";
import type { Base } from "../keyspace/base.ts";
import type { Entry, MetaChange } from "../keyspace/effects.ts";
import { encodeEntry, loggedTime } from "../keyspace/entry-codec.ts";
import { Head } from "../keyspace/head.ts";
import type { RaftInput, Ready, Standing } from "../protocols/agreement/raft/inputs.ts";
import type {
  Entry as RaftEntry,
  MemberId,
  Message,
} from "../protocols/agreement/raft/messages.ts";
import { NOBODY as NO_MEMBER } from "../protocols/agreement/raft/messages.ts";
import type { Raft } from "../protocols/agreement/raft/raft.ts";
import { Answers } from "./answers.ts";
import { Clocks } from "./clocks.ts";
import { keyspaceEntry } from "./entries.ts";
import type { LeaderHint } from "./failures.ts";
import { leaderChanged, notLeader } from "./failures.ts";
import type { Now, ReplicaInput, ReplicaOutput, ReplicaParts } from "./inputs.ts";
import { LogTail } from "./log-tail.ts";
import { maintain } from "./maintenance.ts";
import type { Shown } from "./members.ts";
import { changeOf, commonFormat, unrecorded } from "./members.ts";
import { carryOutOrder, Orders } from "./orders.ts";
import { Promises } from "./promises.ts";
import { isLocal, isQuery } from "./queries.ts";
import type { ReplicaRules } from "./rules.ts";
import { REPLICA_RULES } from "./rules.ts";

const NO_DATA = new Uint8Array(0);

export class Replica {
  readonly #parts: ReplicaParts;
  readonly #rules: ReplicaRules;
  readonly #raft: Raft;
  readonly #tail: LogTail;
  #base: Base;
  #head: Head;
  #now: Now = { monotonicMs: 0, wallMs: 0 };
  #outputs: ReplicaOutput[] = [];
  readonly #answers = new Answers();
  readonly #orders = new Orders();
  readonly #promises = new Promises();
  readonly #clocks = new Clocks();
  /** No other member has led since this one was started: perhaps nobody has counted the time. */
  #isCold = true;
  readonly #writer = new ByteWriter(64 << 10);
  /** Evaluated here, sealed and not yet applied, oldest first. */
  #sealed: Entry[] = [];
  /** Index of the newest entry that was sealed here or applied. */
  #newest: number;
  /** Committed and handed over by the Raft machine, to be applied. */
  #committed: readonly RaftEntry[] = [];
  #standing: Standing;
  /** State that came as a snapshot and waits for the machine to put it in the log's place. */
  #incoming: { readonly index: number; readonly base: Base } | undefined;
  readonly #shown = new Map<MemberId, Shown>();
  #toldMembers = -1;
  #reads = 0;
  #time = 0;

  constructor(parts: ReplicaParts, rules: ReplicaRules = REPLICA_RULES) {
    this.#parts = parts;
    this.#rules = rules;
    this.#raft = parts.raft;
    this.#base = parts.base;
    this.#head = new Head(parts.base, parts.head);
    this.#newest = parts.base.appliedIndex;
    this.#tail = new LogTail(parts.raft, parts.tailBytes);
    this.#standing = { role: "follower", term: parts.raft.term, leader: 0 };
  }

  get base(): Base {
    return this.#base;
  }
  get raft(): Raft {
    return this.#raft;
  }
  get procedureNames(): readonly string[] {
    return this.#head.procedureNames;
  }
  /** It leads, and the first entry of its term is applied. */
  get leading(): boolean {
    if (this.#standing.role !== "leader") return false;
    return this.#base.appliedIndex >= this.#raft.termStart || !this.#rules.waitsForOwnTerm;
  }
  /** Whether sealing would give an entry. */
  get open(): boolean {
    return this.#head.openCount > 0 && this.#standing.role === "leader";
  }
  /** Committed entries wait to be applied: the input `apply` goes on with them. */
  get behind(): boolean {
    return this.#committed.length > 0;
  }
  /** Of a leader: the voter that has most of the log. */
  get successor(): MemberId | undefined {
    const { id, config, progress } = this.#raft;
    let best: { readonly id: MemberId; readonly match: number } | undefined;
    for (const [member, { match, active }] of progress) {
      if (member === id || !active || !config.voters.includes(member)) continue;
      if (best === undefined || match > best.match) best = { id: member, match };
    }
    return best?.id;
  }
  /** Some member gets a snapshot from here. */
  get isFeeding(): boolean {
    return this.#tail.isFeeding;
  }
  /** Who leads, as far as this member knows. */
  get leader(): LeaderHint {
    const { leader: id, term } = this.#standing;
    return { id, term, record: this.#base.members.record(id) };
  }

  step(input: ReplicaInput, now: Now): readonly ReplicaOutput[] {
    assert(now.monotonicMs >= this.#now.monotonicMs, "step: monotonic time never decreases");
    this.#now = now;
    this.#outputs = [];
    this.#act(input);
    return this.#outputs;
  }

  #act(input: ReplicaInput): void {
    switch (input.kind) {
      case "start":
        return this.#drive({ kind: "campaign" });
      case "request":
        return this.#request(input.id, input.request, input.caller, input.identity ?? NOBODY);
      case "order":
        return this.#order(input);
      case "seal":
        return this.#seal();
      case "apply":
        return this.#apply();
      case "written":
        // What is open goes into the write that can begin now.
        this.#seal(false);
        return this.#drive(input);
      case "maintain":
        return this.#maintain();
      case "message":
        if (input.message.wallMs !== undefined)
          this.#clocks.note(input.message.from, input.message.wallMs, this.#now);
        return this.#drive(input);
      case "shown":
        this.#shown.set(input.member, input.shown);
        return;
      case "chunkWritten":
        return this.#arrived(input);
      case "snapshotTaken":
        return this.#drive({ ...input, dropTo: this.#tail.kept(input.index) });
      default:
        return this.#drive(input);
    }
  }

  /** A part of a snapshot is on the disk; after the last one the machine says whether it is wanted. */
  #arrived(input: Extract<ReplicaInput, { readonly kind: "chunkWritten" }>): void {
    const { index, base } = input;
    const before = this.#incoming;
    if (base !== undefined) this.#incoming = { index, base };
    this.#drive(input);
    const { log } = this.#raft;
    const isWanted = log.awaitsInstall && log.snapshot.index === index;
    if (base !== undefined && this.#incoming?.base === base && !isWanted) this.#incoming = before;
  }

  /** Gives the Raft machine an input, and takes what is to be done. */
  #drive(input: RaftInput): void {
    this.#raft.step(input);
    this.#take(this.#raft.ready());
  }

  /** What is to leave or to be written comes first: it need not wait for what is computed here. */
  #take(ready: Ready): void {
    const { write } = ready;
    if (write !== undefined) {
      const { ticket, hardState, install, entries } = write;
      const { term, vote, log } = this.#raft;
      // The last thing that this write brings, or what was there before it.
      const end = entries.at(-1)?.index ?? install?.index ?? log.written;
      this.#outputs.push({
        kind: "write",
        ticket,
        record: {
          hardState: hardState ?? { term, vote },
          commit: Math.min(ready.commit, end),
          install,
          entries,
          end,
        },
      });
      if (install !== undefined) this.#install(install.index);
    }
    if (ready.messages.length > 0)
      this.#outputs.push({ kind: "send", messages: this.#stamped(ready.messages) });
    for (const chunk of ready.chunkReads) this.#outputs.push({ kind: "chunkRead", ...chunk });
    for (const chunk of ready.chunkWrites) this.#outputs.push({ kind: "chunkWrite", ...chunk });
    if (ready.reads.length > 0) this.#answers.confirmed(ready.reads);
    if (ready.apply.length > 0) this.#committed = ready.apply;
    if (ready.standing !== undefined) {
      // What was committed under the old standing is answered under it; a later term may have replaced it meanwhile.
      const isOwn = ready.standing.term === this.#standing.term || !this.#rules.answersOwnTerm;
      if (this.behind && isOwn) this.#apply();
      this.#stand(ready.standing);
    }
    if (ready.reads.length > 0) this.#release();
  }

  /** Votes and answers to heartbeats say what this member's wall clock does, once all can read that. */
  #stamped(messages: readonly Message[]): readonly Message[] {
    if (this.#base.members.format < TELLS_CLOCKS) return messages;
    const { wallMs } = this.#now;
    return messages.map((each) =>
      each.kind === "voteReply" || each.kind === "heartbeatReply" ? { ...each, wallMs } : each,
    );
  }

  #stand(standing: Standing): void {
    const before = this.#standing;
    this.#standing = standing;
    if (standing.leader !== NO_MEMBER && standing.leader !== this.#raft.id) this.#isCold = false;
    if (before.role === "leader") this.#depose();
    this.#outputs.push({ kind: "standing", standing });
  }

  #depose(): void {
    if (this.#rules.rollsBack) this.#head.rollback();
    this.#sealed = [];
    this.#newest = this.#base.appliedIndex;
    this.#answers.abandon(leaderChanged(this.leader), notLeader(this.leader), this.#told);
    this.#orders.deposed(this.leader, this.#told);
    this.#promises.clear();
    this.#parts.time.lean(0);
  }

  #request(
    id: number,
    request: Request,
    caller: CallerStamp | undefined,
    identity: Identity,
  ): void {
    const admits = this.#admits();
    if (isQuery(request) && isLocal(request, admits)) {
      this.#told.query(id, request, identity);
      return;
    }
    if (!admits) {
      this.#told.reply(id, { ok: false, failure: notLeader(this.leader) });
      return;
    }
    if (!isQuery(request)) {
      this.#evaluate(id, request, caller, identity);
      return;
    }
    const read = this.#confirm();
    if (typeof read !== "number") return this.#told.reply(id, read);
    if (read === 0) return this.#told.query(id, request, identity);
    this.#answers.addQuery(id, request, identity, read);
    this.#release();
  }

  /** Whether commands are evaluated: what is evaluated now must fit the log later. */
  #admits(): boolean {
    if (!this.leading) return false;
    const { config, id } = this.#raft;
    return config.voters.includes(id) && this.#raft.refusal === undefined;
  }

  #evaluate(
    id: number,
    command: Command,
    caller: CallerStamp | undefined,
    identity: Identity,
  ): void {
    const head = this.#head;
    const evaluation = head.evaluate(command, caller, this.#advance(), identity);
    const { reply, wrote, recalled } = evaluation;
    if (!this.#rules.waitsForCommit) return this.#told.reply(id, reply);
    // What is in the open entry may have been read even if nothing was written.
    const index = head.openCount > 0 ? this.#openIndex() : this.#newest;
    if (wrote) return this.#answers.add(id, reply, index, 0, true);
    const read = this.#rules.confirmsLeadership ? this.#confirm() : 0;
    if (typeof read !== "number") {
      // What it repeats may yet happen, or has.
      const outcome = recalled === true ? "indefinite" : read.failure.outcome;
      return this.#told.reply(id, { ok: false, failure: { ...read.failure, outcome } });
    }
    this.#answers.add(id, reply, index, read, recalled === true);
    this.#release();
  }

  /** Undefined until the entry is sealed: the Raft machine may put a configuration before it. */
  #openIndex(): number | undefined {
    return this.#rules.indexWhenSealed ? undefined : this.#raft.log.last + 1;
  }

  /**
   * Begins a check of leadership; returns the id by which its confirmation will be known, 0 if it is known already, or why
   * there is none.
   */
  #confirm(): number | (Reply & { readonly ok: false }) {
    if (this.#raft.leadsAlone) return 0;
    const id = ++this.#reads;
    const admitted = this.#raft.step({ kind: "read", id });
    if (admitted?.ok === false) return { ok: false, failure: admitted.failure };
    this.#take(this.#raft.ready());
    return id;
  }

  #order(input: Extract<ReplicaInput, { readonly kind: "order" }>): void {
    if (!this.#admits()) {
      this.#told.reply(input.id, { ok: false, failure: notLeader(this.leader) });
      return;
    }
    // What is open gets its place before the members change.
    if (this.#rules.sealsFirst) this.#seal(false);
    const { order } = input;
    if (order.kind === "add" && order.toVote === true) this.#promises.give(order.member.id);
    carryOutOrder(input, {
      raft: this.#raft,
      base: this.#base,
      orders: this.#orders,
      tell: this.#told,
      propose: (meta, reply) => {
        this.#head.propose(meta);
        this.#answers.add(input.id, reply, this.#openIndex(), 0, true);
      },
    });
    this.#take(this.#raft.ready());
  }

  #advance(): number {
    const { monotonicMs, wallMs } = this.#now;
    const time = loggedTime(this.#parts.time.advance(monotonicMs, wallMs));
    this.#time = Math.max(this.#base.time, time);
    return this.#time;
  }

  /** Closes the open entry, if there is anything in it, and proposes it. `flush`: a write may begin with it. */
  #seal(flush = true): void {
    if (!this.open) return;
    const index = this.#raft.log.last + 1;
    const transactions = this.#head.seal(index);
    const entry: Entry = { index, term: this.#raft.term, time: this.#advance(), transactions };
    const admitted = this.#raft.step({ kind: "propose", data: this.#bytesOf(entry) });
    assert(admitted?.ok === true && admitted.index === index, "I5: what was evaluated is taken");
    this.#sealed.push(entry);
    this.#newest = index;
    this.#answers.sealed(index);
    if (flush) this.#take(this.#raft.ready());
  }

  /** Of an entry that is neither written nor sent nobody needs the bytes. */
  #bytesOf(entry: Entry): Uint8Array {
    if (!this.#parts.logged) return NO_DATA;
    this.#writer.reset();
    encodeEntry(this.#writer, entry);
    return this.#writer.take();
  }

  /** Applies what has been committed, and asks for more. */
  #apply(): void {
    const entries = this.#committed;
    this.#committed = [];
    for (const entry of entries) this.#applyOne(entry);
    const index = this.#base.appliedIndex;
    this.#newest = Math.max(this.#newest, index);
    this.#outputs.push({ kind: "applied", index });
    this.#tellMembers();
    this.#release();
    this.#orders.applied(index, this.#raft, this.#told);
    this.#tail.applied(entries);
    this.#drive({ kind: "applied", index });
    const drop = this.#tail.surplus(index);
    // The machine is told of a snapshot that is made when somebody asks for it.
    if (drop !== undefined) this.#raft.step({ kind: "snapshotTaken", index: drop, dropTo: drop });
  }

  #applyOne(raw: RaftEntry): void {
    const own = this.#sealed[0];
    const isOwn = own !== undefined && own.index === raw.index && own.term === raw.term;
    if (isOwn) this.#sealed.shift();
    const entry = isOwn ? own : keyspaceEntry(raw, this.#base);
    const { monotonicMs, wallMs } = this.#now;
    this.#base.apply(entry, monotonicMs);
    this.#head.committed(entry.index);
    if (!isOwn && raw.kind === "data") this.#parts.time.follow(entry.time, monotonicMs);
    if (this.#standing.role !== "leader" || raw.index !== this.#raft.termStart) return;
    // From here on this leader evaluates, on what others wrote.
    if (this.#rules.startsFromBase) this.#head.rollback();
    if (this.#rules.extendsLeases) this.#base.leases.extendAll(monotonicMs);
    if (this.#base.time === 0) this.#parts.time.begin(wallMs);
    this.#stepTime();
    this.#outputs.push({ kind: "ready" });
  }

  /** Once, after all members were off: time goes on from what a majority of their clocks says, when one has told it. */
  #stepTime(): void {
    if (!this.#isCold) return;
    const { membership } = this.#base.members;
    const agreed = this.#clocks.agreed(membership, this.#raft.id, this.#now);
    if (agreed === undefined && !this.#clocks.areTold(membership, this.#raft.id, this.#now)) return;
    this.#isCold = false;
    this.#advance();
    if (agreed !== undefined) this.#parts.time.step(agreed);
  }

  /** The state that has come as a snapshot takes the place of what is here. */
  #install(index: number): void {
    const { base, index: at } = must(this.#incoming, "what is installed has come");
    assert(at === index && base.appliedIndex === index, "what is installed is what has come");
    this.#incoming = undefined;
    this.#committed = [];
    this.#base = base;
    this.#head = new Head(base, this.#parts.head);
    this.#newest = index;
    // It counts its changes anew: an equal number says nothing.
    this.#toldMembers = -1;
    this.#tail.installed();
    this.#parts.time.follow(base.time, this.#now.monotonicMs);
    this.#outputs.push({ kind: "replaced", base });
    this.#tellMembers();
  }

  #tellMembers(): void {
    const { version } = this.#base.members;
    if (version === this.#toldMembers) return;
    this.#toldMembers = version;
    this.#outputs.push({ kind: "members" });
  }

  #maintain(): void {
    this.#orders.overdue(this.#raft, this.#told);
    if (!this.#admits()) return;
    this.#stepTime();
    const { time, retention } = this.#parts;
    time.lean(this.#clocks.aheadMs(this.#base.members.membership, this.#raft.id, this.#now));
    const parts = { base: this.#base, head: this.#head, time, retention };
    maintain(parts, this.#advance(), this.#now.monotonicMs);
    const news = [...unrecorded(this.#base, this.#shown), ...this.#raised()];
    if (news.length > 0 && !this.#head.full) this.#head.propose(news);
    this.#promote();
  }

  /** The next format, once every member reads it. */
  #raised(): readonly MetaChange[] {
    const { newest } = this.#parts;
    if (newest === undefined) return [];
    const format = commonFormat(this.#base, newest, this.#raft.id, this.#shown);
    return format > this.#base.members.format ? [{ kind: "formatRaised", format }] : [];
  }

  /** Has a learner vote to whom that was promised. */
  #promote(): void {
    const id = this.#promises.due(this.#base.members, this.#raft);
    if (id === undefined) return;
    this.#seal(false);
    this.#raft.step({ kind: "change", changes: [changeOf({ kind: "promote", id })] });
    this.#take(this.#raft.ready());
  }

  #release(): void {
    this.#answers.release(this.#base.appliedIndex, this.#told);
  }

  readonly #told = {
    reply: (id: number, reply: Reply): void => {
      this.#outputs.push({ kind: "reply", id, reply });
    },
    query: (id: number, request: Query, identity: Identity): void => {
      this.#outputs.push({ kind: "query", id, request, identity });
    },
  };
}
