/**
 * A replica: consensus, keyspace and log joined into one deterministic machine, `step(input, now) → outputs`.
 *
 * Invariants (the reply rule): I1 an answer is released when the newest entry that its evaluation could have read is
 * committed. I2 if it wrote nothing, leadership was also confirmed by a check begun after the evaluation. I3 a leader
 * evaluates nothing before the first entry of its own term is applied. I4 when leadership is lost, what was not
 * committed is rolled back and its commands are answered LEADER_CHANGED (they may yet commit) or NOT_LEADER.
 * Source: Ongaro's dissertation §3, §6.3–6.4. Leaves out: I/O and time (the driver), who votes (`consensus.ts`).
 */
import { assert } from "../base/assert.ts";
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import type { CallerStamp, Command, Query, Reply, Request } from "../contract/requests.ts";
import type { Base } from "../keyspace/base.ts";
import type { Entry } from "../keyspace/effects.ts";
import { loggedTime } from "../keyspace/entry-codec.ts";
import type { Head } from "../keyspace/head.ts";
import type { KeyspaceTime } from "../keyspace/keyspace-time.ts";
import type { Consensus, ConsensusOutput } from "./consensus.ts";
import { maintain } from "./maintenance.ts";
import { isQuery } from "./queries.ts";

/** The instant of a step, by this process's clocks. */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export type ReplicaInput =
  | { readonly kind: "start" }
  | {
      readonly kind: "request";
      readonly id: number;
      readonly request: Request;
      readonly caller: CallerStamp | undefined;
    }
  /** The log is free: close the open entry, if there is anything in it. */
  | { readonly kind: "seal" }
  | { readonly kind: "flushed"; readonly index: number }
  | { readonly kind: "consensus"; readonly output: ConsensusOutput }
  | { readonly kind: "tick" };

export type ReplicaOutput =
  /** Write this entry to the log; say `flushed` when it is stable. */
  | { readonly kind: "append"; readonly entry: Entry }
  | { readonly kind: "reply"; readonly id: number; readonly reply: Reply }
  /** Answer this query from the base, in slices. */
  | { readonly kind: "query"; readonly id: number; readonly request: Query }
  /** Committed state moved on: watches have something to read. */
  | { readonly kind: "applied"; readonly index: number }
  | { readonly kind: "ready" };

/** How long what the replica keeps by itself is kept. */
export interface Retention {
  readonly historyMs: number;
  readonly historyBytes: number;
  readonly callerIdleMs: number;
}

interface Waiting {
  readonly id: number;
  readonly reply: Reply;
  /** Released once this entry is committed. */
  readonly index: number;
  /** And once this read is confirmed; 0: it wrote, so its own commit proves leadership. */
  readonly read: number;
  readonly wrote: boolean;
}

export interface ReplicaParts {
  readonly base: Base;
  readonly head: Head;
  readonly consensus: Consensus;
  readonly time: KeyspaceTime;
  readonly retention: Retention;
}

export class Replica {
  readonly #parts: ReplicaParts;
  #now: Now = { monotonicMs: 0, wallMs: 0 };
  #outputs: ReplicaOutput[] = [];
  #waiting: Waiting[] = [];
  readonly #queries: { readonly id: number; readonly request: Query; readonly read: number }[] = [];
  /** Sealed and not yet applied, oldest first. */
  #sealed: Entry[] = [];
  #lastIndex: number;
  #term: number;
  #leading = false;
  /** Index of the first entry of the own term; nothing is evaluated before it is applied. */
  #firstOfTerm = Infinity;
  #reads = 0;
  #confirmed = 0;
  #time = 0;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    this.#lastIndex = parts.base.appliedIndex;
    this.#term = parts.base.term;
  }

  get leading(): boolean {
    return this.#leading && this.#parts.base.appliedIndex >= this.#firstOfTerm;
  }
  get term(): number {
    return this.#term;
  }
  /** Whether sealing would give an entry. */
  get open(): boolean {
    return this.#leading && this.#parts.head.openCount > 0;
  }

  step(input: ReplicaInput, now: Now): readonly ReplicaOutput[] {
    assert(now.monotonicMs >= this.#now.monotonicMs, "step: monotonic time never decreases");
    this.#now = now;
    this.#outputs = [];
    switch (input.kind) {
      case "start":
        this.#heed(this.#parts.consensus.start(this.#lastIndex, this.#term));
        break;
      case "request":
        this.#request(input.id, input.request, input.caller);
        break;
      case "seal":
        if (this.open) this.#seal();
        break;
      case "flushed":
        this.#heed(this.#parts.consensus.flushed(input.index));
        break;
      case "consensus":
        this.#heed([input.output]);
        break;
      case "tick":
        if (this.leading) maintain(this.#parts, this.#advance(), now.monotonicMs);
        break;
    }
    return this.#outputs;
  }

  #heed(outputs: readonly ConsensusOutput[]): void {
    for (const output of outputs) {
      switch (output.kind) {
        case "elected":
          this.#elected(output.term);
          break;
        case "deposed":
          this.#deposed();
          break;
        case "committed":
          this.#committed(output.index);
          break;
        case "readConfirmed":
          this.#confirmed = Math.max(this.#confirmed, output.id);
          break;
      }
    }
    this.#release();
  }

  #elected(term: number): void {
    assert(term > this.#term, "an election begins a new term");
    this.#term = term;
    this.#leading = true;
    this.#parts.base.leases.extendAll(this.#now.monotonicMs);
    this.#firstOfTerm = this.#lastIndex + 1;
    this.#seal();
  }

  #deposed(): void {
    this.#leading = false;
    this.#firstOfTerm = Infinity;
    this.#parts.head.rollback();
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const each of waiting) {
      const reason = each.wrote ? leaderChanged() : notLeader();
      this.#outputs.push({ kind: "reply", id: each.id, reply: { ok: false, failure: reason } });
    }
    for (const { id } of this.#queries.splice(0)) {
      this.#outputs.push({ kind: "reply", id, reply: { ok: false, failure: notLeader() } });
    }
  }

  #request(id: number, request: Request, caller: CallerStamp | undefined): void {
    if (!this.leading) {
      this.#outputs.push({ kind: "reply", id, reply: { ok: false, failure: notLeader() } });
      return;
    }
    if (isQuery(request)) {
      this.#queries.push({ id, request, read: this.#confirm() });
      this.#release();
      return;
    }
    this.#evaluate(id, request, caller);
  }

  #evaluate(id: number, command: Command, caller: CallerStamp | undefined): void {
    const { head } = this.#parts;
    const { reply, wrote } = head.evaluate(command, caller, this.#advance());
    // What is in the open entry will have the next index; evaluation may have read it even if it wrote nothing.
    const index = head.openCount > 0 ? this.#lastIndex + 1 : this.#lastIndex;
    const waiting = { id, reply, index, read: wrote ? 0 : this.#reads + 1, wrote };
    this.#waiting.push(waiting);
    if (wrote) return;
    this.#confirm();
    this.#release();
  }

  /** Begins a check of leadership; returns the id by which its confirmation will be known. */
  #confirm(): number {
    const id = ++this.#reads;
    for (const output of this.#parts.consensus.read(id)) {
      if (output.kind === "readConfirmed") this.#confirmed = Math.max(this.#confirmed, output.id);
    }
    return id;
  }

  #advance(): number {
    this.#time = Math.max(
      this.#parts.base.time,
      loggedTime(this.#parts.time.advance(this.#now.monotonicMs, this.#now.wallMs)),
    );
    return this.#time;
  }

  #seal(): void {
    const index = this.#lastIndex + 1;
    const transactions = this.#parts.head.seal(index);
    const entry: Entry = { index, term: this.#term, time: this.#advance(), transactions };
    this.#lastIndex = index;
    this.#sealed.push(entry);
    this.#outputs.push({ kind: "append", entry });
    this.#heed(this.#parts.consensus.appended(index));
  }

  #committed(index: number): void {
    const { base, head } = this.#parts;
    for (
      let entry = this.#sealed[0];
      entry !== undefined && entry.index <= index;
      entry = this.#sealed[0]
    ) {
      this.#sealed.shift();
      base.apply(entry, this.#now.monotonicMs);
      head.committed(entry.index);
      this.#outputs.push({ kind: "applied", index: entry.index });
      if (entry.index === this.#firstOfTerm) this.#outputs.push({ kind: "ready" });
    }
  }

  /** Lets go of every answer whose conditions hold. Answers leave in the order of evaluation. */
  #release(): void {
    const applied = this.#parts.base.appliedIndex;
    let kept = 0;
    for (const each of this.#waiting) {
      if (each.index > applied || each.read > this.#confirmed) this.#waiting[kept++] = each;
      else this.#outputs.push({ kind: "reply", id: each.id, reply: each.reply });
    }
    this.#waiting.length = kept;
    while (this.#queries[0] !== undefined && this.#queries[0].read <= this.#confirmed) {
      const { id, request } = this.#queries.shift() as { id: number; request: Query };
      this.#outputs.push({ kind: "query", id, request });
    }
  }
}

function notLeader(): Failure {
  return failure("NOT_LEADER", {
    object: "replica",
    what: "does not lead, or has only begun to",
    remedy: "Ask again; the connection finds the leader.",
  });
}

function leaderChanged(): Failure {
  return failure("LEADER_CHANGED", {
    object: "replica",
    what: "lost leadership while the command was being committed, so it may or may not happen",
    remedy: "Repeat it through the same caller, which has it happen once, or read the state first.",
  });
}
