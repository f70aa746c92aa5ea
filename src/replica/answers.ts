/**
 * Answers that wait until they may be told, and queries that wait until they may be answered.
 *
 * Invariants: I1 an answer leaves when the entry that it waits for is applied and, if it wrote nothing, leadership was
 * confirmed after its evaluation. I2 what was evaluated into the open entry waits for the index under which that entry is
 * sealed. I3 answers leave in the order of evaluation, as far as they may leave. I4 lost leadership answers all: what
 * wrote may happen yet, the rest did not.
 */
import type { Failure } from "../base/errors.ts";
import type { Identity } from "../contract/auth.ts";
import type { Query, Reply } from "../contract/requests.ts";
import type { ReadConfirmed } from "../protocols/agreement/raft/inputs.ts";

/** Stands where the index is not known yet. */
const OPEN = Infinity;

interface Waiting {
  readonly id: number;
  readonly reply: Reply;
  /** Released once this entry is applied. */
  index: number;
  /** And once this read is confirmed; 0: it wrote, so its own commit proves leadership. */
  readonly read: number;
  /** It wrote, or repeats what did: without leadership it can no longer be told whether that happens. */
  readonly mayHappen: boolean;
}

interface WaitingQuery {
  readonly id: number;
  readonly request: Query;
  readonly identity: Identity;
  readonly read: number;
}

export interface Released {
  reply(id: number, reply: Reply): void;
  query(id: number, request: Query, identity: Identity): void;
}

export class Answers {
  #waiting: Waiting[] = [];
  /** Of those, what waits for the open entry to be sealed. */
  #open: Waiting[] = [];
  readonly #queries: WaitingQuery[] = [];
  /** Confirmed reads whose index is not applied yet. */
  readonly #confirmations: ReadConfirmed[] = [];
  #confirmed = 0;

  /** `index` undefined: that of the open entry. */
  add(id: number, reply: Reply, index: number | undefined, read: number, mayHappen: boolean): void {
    const waiting = { id, reply, index: index ?? OPEN, read, mayHappen };
    this.#waiting.push(waiting);
    if (index === undefined) this.#open.push(waiting);
  }

  addQuery(id: number, request: Query, identity: Identity, read: number): void {
    this.#queries.push({ id, request, identity, read });
  }

  /** The open entry has become the one at `index`. */
  sealed(index: number): void {
    for (const waiting of this.#open) waiting.index = index;
    this.#open = [];
  }

  confirmed(reads: readonly ReadConfirmed[]): void {
    this.#confirmations.push(...reads);
  }

  /** Lets go of everything whose conditions hold. */
  release(applied: number, to: Released): void {
    for (let next = this.#confirmations[0]; next !== undefined; next = this.#confirmations[0]) {
      if (next.index > applied) break;
      this.#confirmations.shift();
      this.#confirmed = Math.max(this.#confirmed, next.id);
    }
    let kept = 0;
    for (const each of this.#waiting) {
      if (each.index > applied || each.read > this.#confirmed) this.#waiting[kept++] = each;
      else to.reply(each.id, each.reply);
    }
    this.#waiting.length = kept;
    while (this.#queries[0] !== undefined && this.#queries[0].read <= this.#confirmed) {
      const { id, request, identity } = this.#queries[0];
      this.#queries.shift();
      to.query(id, request, identity);
    }
  }

  /** Leadership is lost. */
  abandon(perhaps: Failure, not: Failure, to: Released): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#open = [];
    this.#confirmations.length = 0;
    for (const each of waiting)
      to.reply(each.id, { ok: false, failure: each.mayHappen ? perhaps : not });
    for (const { id } of this.#queries.splice(0)) to.reply(id, { ok: false, failure: not });
  }
}
