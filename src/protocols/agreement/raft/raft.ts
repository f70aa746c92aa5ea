/**
 * A Raft machine without I/O: `step` takes an input, `ready` gives what is to be done.
 *
 * System model: members crash and come back with what was on stable storage; messages are lost, repeated, delayed and
 * reordered; no member lies. Clocks matter for liveness only, unless leases are in use.
 * Invariants: those of the parts (`core`, `log`, `election`, `replication`, `reads`, `membership`, `snapshot`); the
 * assertions are on in production, and a machine that fails one must not go on.
 * Source: Ongaro and Ousterhout 2014; Ongaro's dissertation (2014). Deviations: the leader's write runs beside the
 * followers' (§10.2.1); a member keeps back by itself what must follow its write; proposals to a member that does not lead are
 * refused with the leader's id and not forwarded, since a forwarded one may happen twice.
 * Leaves out: storage, network, time, the state machine; a member that comes back under its id without its storage must
 * be refused by whoever connects members.
 */
import { assert } from "../../../base/assert.ts";
import type { Failure } from "../../../base/errors.ts";
import type { Change } from "./configuration.ts";
import type { Durable } from "./core.ts";
import { Core } from "./core.ts";
import { acknowledge, replicate } from "./replication.ts";
import { fingerprint } from "./fingerprint.ts";
import type { Admitted, RaftInput, Ready, Role, Standing, Write } from "./inputs.ts";
import type { RaftLog } from "./log.ts";
import type { Configuration, Entry, MemberId } from "./messages.ts";
import { NOBODY } from "./messages.ts";
import type { RaftOptions } from "./options.ts";
import { resolveRaftOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import type { Rules } from "./rules.ts";
import { RULES } from "./rules.ts";
import { configAfter } from "./membership.ts";
import { transmitChunks } from "./snapshot.ts";
import { refusal, step } from "./step.ts";

/** Starts a member from its stable storage. `rules` is for simulations that plant a mistake; all else leaves it out. */
export function startRaft(options: RaftOptions, durable: Durable, rules: Rules = RULES): Raft {
  return new Raft(new Core(resolveRaftOptions(options), durable, rules));
}

const NONE: readonly never[] = [];

/** What is handed over is nobody else's: an empty list stays the machine's. */
function handed<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NONE : list;
}

export class Raft {
  readonly #core: Core;
  #told: Standing = { role: "follower", term: 0, leader: NOBODY };

  constructor(core: Core) {
    this.#core = core;
  }

  get id(): MemberId {
    return this.#core.id;
  }
  get role(): Role {
    return this.#core.role;
  }
  get term(): number {
    return this.#core.term;
  }
  get vote(): MemberId {
    return this.#core.vote;
  }
  get leader(): MemberId {
    return this.#core.leader;
  }
  /** The configuration in force, committed or not. */
  get config(): Configuration {
    return this.#core.log.config;
  }
  /** To be read only. */
  get log(): RaftLog {
    return this.#core.log;
  }
  /** Of a leader: the index of the first entry of its term; else Infinity. */
  get termStart(): number {
    return this.#core.termStart;
  }
  /** It leads, and nobody else could: every read is confirmed at once. */
  get leadsAlone(): boolean {
    const core = this.#core;
    return core.role === "leader" && core.isAlone && core.log.commit >= core.termStart;
  }
  /** Part of its log was lost, and it does not hold as much again yet. */
  get isRepairing(): boolean {
    return this.#core.lost !== undefined;
  }
  /** Number of the write under way; 0: none. */
  get writing(): number {
    return this.#core.writing;
  }
  /** A transfer of leadership is under way. */
  get isTransferring(): boolean {
    return this.#core.transfer !== undefined;
  }
  /** Why nothing is admitted now, if nothing is: the member does not lead, or hands leadership over. */
  get refusal(): Failure | undefined {
    return refusal(this.#core)?.failure;
  }
  /** The configuration that a change would begin, or why a leader would refuse it now. */
  configAfter(changes: readonly Change[]): Configuration | Failure {
    const config = configAfter(this.#core, changes);
    return "ok" in config ? config.failure : config;
  }
  /** What a leader knows of the others; to be read only. */
  get progress(): ReadonlyMap<MemberId, Progress> {
    return this.#core.progress;
  }

  /**
   * Takes an input. A proposal, change, read or transfer is answered at once: admitted, or refused with NOT_LEADER (whose
   * `details.leader` may be who leads), OVERLOADED, CONTENTION or INVALID, all definite.
   */
  step(input: RaftInput): Admitted | undefined {
    return step(this.#core, input);
  }

  /** Whether `ready` would have something. */
  ready(): Ready {
    const core = this.#core;
    if (core.role === "leader") {
      replicate(core);
      transmitChunks(core);
    } else if (core.role === "follower" && core.leader !== NOBODY) acknowledge(core);
    const ready: Ready = {
      write: this.#write(),
      messages: handed(core.messages),
      apply: this.#apply(),
      commit: core.log.commit,
      reads: handed(core.readsDone),
      readsRefused: handed(core.readsRefused),
      chunkReads: handed(core.chunkReads),
      chunkWrites: handed(core.chunkWrites),
      standing: this.#standing(),
    };
    // Most are empty, and a ready follows every input.
    if (core.messages.length > 0) core.messages = [];
    if (core.readsDone.length > 0) core.readsDone = [];
    if (core.readsRefused.length > 0) core.readsRefused = [];
    if (core.chunkReads.length > 0) core.chunkReads = [];
    if (core.chunkWrites.length > 0) core.chunkWrites = [];
    return ready;
  }

  #write(): Write | undefined {
    const core = this.#core;
    const { term, vote } = core;
    const isNew = term !== core.durable.term || vote !== core.durable.vote;
    if (core.writing !== 0 || !(isNew || core.log.hasUnwritten)) return undefined;
    core.writing = ++core.tickets;
    core.sinceWrite = 0;
    core.writingState = { term, vote };
    const hardState = isNew ? core.writingState : undefined;
    return { ticket: core.writing, hardState, ...core.log.takeUnwritten() };
  }

  /** The next committed entries, once those before are applied: what is handed over and not applied is bounded. */
  #apply(): readonly Entry[] {
    const { log, applied, handedToApply, options } = this.#core;
    if (applied !== handedToApply || handedToApply >= log.commit || log.awaitsInstall) return [];
    const entries = log.slice(handedToApply + 1, log.commit, options.applyBytesMax);
    assert(entries[0]?.index === handedToApply + 1, "entries are applied without a gap");
    this.#core.handedToApply += entries.length;
    return entries;
  }

  #standing(): Standing | undefined {
    const { role, term, leader } = this.#core;
    const told = this.#told;
    if (told.role === role && told.term === term && told.leader === leader) return undefined;
    this.#told = { role, term, leader };
    return this.#told;
  }

  /** A machine in the same state that goes its own way: for exploring. */
  copy(): Raft {
    const copied = new Raft(this.#core.copy());
    copied.#told = this.#told;
    return copied;
  }

  /** Equal texts for equal states, but for how often things happened: for exploring. */
  fingerprint(): string {
    return fingerprint(this.#core);
  }

  /** Throws `AssertionFailure` for a state that cannot be: for simulations, after every step. */
  invariants(): void {
    const { log, term, durable, role, leader, applied, progress, verified } = this.#core;
    log.invariants();
    assert(log.end.term <= term, "no entry is of a later term");
    assert(durable.term <= term, "what is stable is not ahead");
    assert(applied <= log.commit, "only what is committed is applied");
    assert(role === "leader" || progress.size === 0, "only a leader has progress");
    assert(role === "leader" || verified <= log.last, "what is verified is there");
    if (role === "leader") assert(leader === this.id, "a leader knows that it leads");
    for (const each of progress.values()) assert(each.match < each.next, "match < next");
  }
}
