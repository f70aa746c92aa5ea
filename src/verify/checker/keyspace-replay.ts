/**
 * Replays a history of the keyspace in the order of its revisions, and explains revisions that no answer claims.
 *
 * A revision without a recorded writer is one of an operation that never got its answer, the end of a lease, or, where the
 * history declares a scope, a change outside of it. Candidates are tried in turn; what is known of the revision leaves few.
 * A contradiction goes back to the nearest guess that can have to do with its keys.
 *
 * Invariants: I1 an operation explains one revision at most. I2 it explains none that was told before it was invoked.
 * I3 every answer is compared with the model's at its revision. I4 the steps are bounded; beyond it is unknown.
 */
import type { TxnOperation } from "../../contract/requests.ts";
import type { KeyspaceCall } from "../history/calls.ts";
import type { History, Operation } from "../history/history.ts";
import { difference, shownValue } from "./difference.ts";
import { KeyGroups } from "./key-groups.ts";
import { type Candidate, Candidates, OUTSIDE, type ReplayOptions } from "./keyspace-candidates.ts";
import type { Evidence } from "./keyspace-evidence.ts";
import { evaluate, evaluateAt } from "./keyspace-model.ts";
import { type RevisionOrder, toldBy } from "./keyspace-order.ts";
import { type Change, KeyspaceState } from "./keyspace-state.ts";
import { named, type Violation } from "./verdict.ts";

interface Guess {
  readonly slot: number;
  readonly candidates: readonly Candidate[];
  taken: number;
  /** Groups of keys of the contradictions below; undefined: any. */
  groups: Set<unknown> | undefined;
}
interface Contradiction {
  readonly violation: Violation;
  readonly revision: number;
  readonly groups: ReadonlySet<unknown> | undefined;
}

/** The end of a lease as the replay explains it. */
export interface LeaseEnd {
  readonly lease: bigint;
  readonly revision: number;
  readonly keys: number;
}
export interface Replay {
  readonly result: "valid" | "invalid" | "unknown";
  readonly state: KeyspaceState;
  readonly ends: readonly LeaseEnd[];
  /** Revisions explained by operations without an answer. */
  readonly guessed: number;
  readonly steps: number;
  readonly violation?: Violation | undefined;
}

export class Replayer {
  readonly #history: History;
  readonly #order: RevisionOrder;
  readonly #evidence: Evidence;
  readonly #options: ReplayOptions;
  readonly #groups: KeyGroups;
  readonly #candidates: Candidates;
  readonly #state = new KeyspaceState();
  readonly #used = new Set<Operation>();
  readonly #guesses: Guess[] = [];
  readonly #ended = new Map<bigint, number>();
  readonly #slots: readonly number[];
  #read = 0;
  #steps = 0;
  #worst: Contradiction | undefined;

  constructor(history: History, order: RevisionOrder, evidence: Evidence, options: ReplayOptions) {
    this.#history = history;
    this.#order = order;
    this.#evidence = evidence;
    this.#options = options;
    this.#groups = new KeyGroups(order.guesses.map(({ call }) => call as KeyspaceCall));
    this.#candidates = new Candidates(history, order, evidence, options, this.#state);
    this.#slots = this.#revisions();
  }

  /** Every revision that has to be explained or of which something was told, ascending. */
  #revisions(): readonly number[] {
    const { since, others } = this.#options;
    const marks = new Set<number>([since, ...this.#order.writers.keys()]);
    for (const { revision } of this.#order.reads) marks.add(revision);
    for (const revision of this.#order.revokes.keys()) marks.add(revision);
    for (const revision of this.#order.told.revisions) marks.add(revision);
    for (const revision of this.#evidence.revisions()) marks.add(revision);
    const sorted = Float64Array.from(marks).sort();
    const slots: number[] = [];
    // Of a run that nobody saw, only as many can be guessed as there is to guess with.
    const { operations } = this.#history;
    const leases = operations.filter(({ call }) => call.kind === "leaseGrant").length;
    const guesses = this.#order.guesses.length + leases;
    const most = others ? guesses : guesses + operations.length + 1;
    for (const revision of sorted) {
      const before = slots.at(-1) ?? revision - 1;
      const run = Math.min(revision - before - 1, most);
      for (let each = 1; each <= run; each++) slots.push(before + each);
      slots.push(revision);
    }
    return slots;
  }

  run(): Replay {
    let at = 0;
    let result: Replay["result"] = "valid";
    while (at < this.#slots.length) {
      const found = this.#slot(at);
      if (found === undefined) {
        at++;
        continue;
      }
      if (this.#worst === undefined || found.revision > this.#worst.revision) this.#worst = found;
      const back = this.#retreat(found);
      if (back === undefined || this.#taken > this.#options.stepsMax) {
        result = back === undefined ? "invalid" : "unknown";
        break;
      }
      at = back;
    }
    const violation = result === "valid" ? undefined : this.#worst?.violation;
    return {
      result,
      violation,
      state: this.#state,
      ends: this.#ends(),
      guessed: this.#used.size,
      steps: this.#taken,
    };
  }

  get #taken(): number {
    return this.#steps + this.#candidates.steps;
  }

  #ends(): readonly LeaseEnd[] {
    return this.#guesses.flatMap(({ slot, candidates, taken }) => {
      const candidate = candidates[taken];
      const revision = this.#slots[slot] as number;
      return candidate?.lease === undefined
        ? []
        : [{ lease: candidate.lease, revision, keys: candidate.changes.length }];
    });
  }

  /** Carries out one revision; gives what contradicts it. */
  #slot(at: number): Contradiction | undefined {
    this.#steps++;
    const revision = this.#slots[at] as number;
    const writer = this.#order.writers.get(revision);
    const found = writer === undefined ? this.#open(at, revision) : this.#written(writer, revision);
    return found ?? this.#told(revision) ?? this.#revoked(revision) ?? this.#answers(revision);
  }

  /** An explanation must agree with what watches told of the revision, and of the values before it. */
  #told(revision: number): Contradiction | undefined {
    for (const { kind, kv, prevKv } of this.#evidence.told(revision)) {
      const { key } = kv;
      const after = difference(kind === "put" ? kv : undefined, this.#state.get(key, revision));
      const before = prevKv && difference(prevKv, this.#state.get(key, revision - 1));
      const wrong = after ?? before;
      if (wrong === undefined) continue;
      const what = `a watch told ${shownValue(key)} of revision ${revision} otherwise: ${wrong}`;
      const found = this.#contradiction("HIST-GAP", what, revision, undefined);
      return { ...found, groups: this.#groups.of({ kind: "deleteRange", key }) };
    }
    return undefined;
  }

  #written(writer: Operation, revision: number): Contradiction | undefined {
    if (revision <= this.#options.since) return this.#early(revision, writer);
    const call = writer.call as TxnOperation;
    const { response, changes } = evaluate(this.#state, call, revision);
    const wrong =
      this.#compare(writer, response, revision) ?? this.#dead(writer, changes, revision);
    this.#state.apply(revision, changes);
    return wrong;
  }

  #early(revision: number, operation: Operation): Contradiction {
    const what = `${named(operation)} wrote at revision ${revision}, where the history begins`;
    return this.#contradiction("HIST-WRITE", what, revision, operation);
  }

  /** A key cannot be attached to a lease that has ended. */
  #dead(
    writer: Operation,
    changes: readonly Change[],
    revision: number,
  ): Contradiction | undefined {
    for (const { kv } of changes) {
      const lease = kv?.lease ?? 0n;
      const end = this.#ended.get(lease) ?? Number.POSITIVE_INFINITY;
      if (lease === 0n || end >= revision || this.#options.times?.reused(lease) === true) continue;
      const what = `${named(writer)} attached a key to lease ${shownValue(lease)}, which had ended at revision ${end}`;
      return this.#contradiction("HIST-LEASE-DEAD", what, revision, writer);
    }
    return undefined;
  }

  #compare(operation: Operation, wanted: object, revision: number): Contradiction | undefined {
    const { answer } = operation.outcome as { readonly answer: object };
    const wrong = difference(answer, wanted);
    if (wrong === undefined) return undefined;
    const what = `${named(operation)} cannot have been answered so at revision ${revision}: ${wrong}`;
    const rule = this.#order.writers.get(revision) === operation ? "HIST-WRITE" : "HIST-READ";
    return this.#contradiction(rule, what, revision, operation);
  }

  #contradiction(
    rule: string,
    what: string,
    revision: number,
    operation: Operation | undefined,
  ): Contradiction {
    const place =
      operation === undefined || !Number.isFinite(operation.returned)
        ? Math.min(toldBy(this.#order.told, revision), Math.max(0, this.#history.events - 1))
        : operation.returned;
    const neighbours = [revision - 1, revision, revision + 1].flatMap(
      (each) => this.#order.writers.get(each)?.id ?? [],
    );
    const operations = [
      ...new Set([...(operation === undefined ? [] : [operation.id]), ...neighbours]),
    ];
    const groups =
      operation === undefined ? undefined : this.#groups.of(operation.call as KeyspaceCall);
    return { violation: { rule, what, place, operations }, revision, groups };
  }

  /** The reads of a revision. They are by revision, so that going back is a matter of an index. */
  #answers(revision: number): Contradiction | undefined {
    const { reads } = this.#order;
    this.#read = firstRead(reads, revision, this.#read);
    for (; reads[this.#read]?.revision === revision; this.#read++) {
      const operation = (reads[this.#read] as (typeof reads)[number]).operation;
      this.#steps++;
      const wanted = evaluateAt(this.#state, operation.call as TxnOperation, revision);
      const wrong = this.#compare(operation, wanted.response, revision);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  }

  /** After a revocation that was answered at this revision no key is left to the lease. */
  #revoked(revision: number): Contradiction | undefined {
    for (const operation of this.#order.revokes.get(revision) ?? []) {
      const { id } = operation.call as { readonly id: bigint };
      this.#ended.set(id, revision);
      const left = this.#state.attached(id);
      if (left.length === 0) continue;
      const what = `${named(operation)} left ${shownValue(left[0])} to lease ${shownValue(id)} at revision ${revision}`;
      return this.#contradiction("HIST-LEASE-ATOMIC", what, revision, operation);
    }
    return undefined;
  }

  /** A revision that no answer claims. */
  #open(at: number, revision: number): Contradiction | undefined {
    if (revision <= this.#options.since) return undefined;
    let guess = this.#guesses.at(-1);
    if (guess?.slot !== at) {
      guess = {
        slot: at,
        candidates: this.#candidates.of(revision, this.#used),
        taken: 0,
        groups: new Set(),
      };
      this.#guesses.push(guess);
    }
    const candidate = guess.candidates[guess.taken];
    if (candidate === undefined) return this.#unexplained(revision);
    if (candidate.operation !== undefined) this.#used.add(candidate.operation);
    if (candidate.lease !== undefined) this.#ended.set(candidate.lease, revision);
    if (candidate.changes.length > 0) this.#state.apply(revision, candidate.changes);
    return undefined;
  }

  #unexplained(revision: number): Contradiction {
    const [seen] = this.#evidence.at(revision) ?? [];
    if (seen === undefined) {
      const what = `revision ${revision} was made by no operation that can have made it, and nobody saw what it changed`;
      return this.#contradiction("HIST-GAP", what, revision, undefined);
    }
    const [key, kv] = seen;
    const lease = kv === undefined ? (this.#state.get(key)?.lease ?? 0n) : 0n;
    const left = this.#state
      .attached(lease)
      .find((each) => !this.#evidence.at(revision)?.has(each));
    const split = lease !== 0n && left !== undefined;
    const what = split
      ? `revision ${revision} deleted ${shownValue(key)} of lease ${shownValue(lease)} and left ${shownValue(left)}`
      : `revision ${revision}, which ${kv === undefined ? "deleted" : "wrote"} ${shownValue(key)}, was made by no operation that can have made it`;
    const rule = split ? "HIST-LEASE-ATOMIC" : "HIST-GAP";
    const found = this.#contradiction(rule, what, revision, undefined);
    return { ...found, groups: this.#groups.of({ kind: "deleteRange", key }) };
  }

  /** Goes back to the nearest guess that can have to do with the contradiction; its slot, or undefined if there is none. */
  #retreat({ groups }: Contradiction): number | undefined {
    let concerned = groups === undefined ? undefined : new Set(groups);
    for (let guess = this.#guesses.at(-1); guess !== undefined; guess = this.#guesses.at(-1)) {
      const revision = this.#slots[guess.slot] as number;
      this.#state.takeBack(revision);
      this.#forget(guess, revision);
      if (this.#concerns(guess, concerned)) {
        guess.groups = union(guess.groups, concerned);
        guess.taken++;
        if (guess.taken < guess.candidates.length) return guess.slot;
        concerned = this.#all(guess, guess.groups);
      }
      this.#guesses.pop();
    }
    return undefined;
  }

  #forget(guess: Guess, revision: number): void {
    const { operation } = guess.candidates[guess.taken] ?? OUTSIDE;
    if (operation !== undefined) this.#used.delete(operation);
    for (const [lease, end] of this.#ended) if (end >= revision) this.#ended.delete(lease);
    this.#read = 0;
  }

  #concerns(guess: Guess, groups: ReadonlySet<unknown> | undefined): boolean {
    if (groups === undefined) return true;
    return guess.candidates.some((candidate) => {
      const own = this.#groupsOf(candidate);
      return own === undefined || [...own].some((group) => groups.has(group));
    });
  }

  /** The groups of a guess that is used up: those below it and those of its candidates. */
  #all(guess: Guess, groups: Set<unknown> | undefined): Set<unknown> | undefined {
    let out = groups;
    for (const candidate of guess.candidates) out = union(out, this.#groupsOf(candidate));
    return out;
  }

  /** The end of a lease can have to do with any key. */
  #groupsOf({ operation, changes }: Candidate): ReadonlySet<unknown> | undefined {
    if (operation !== undefined) return this.#groups.of(operation.call as KeyspaceCall);
    return changes.length === 0 ? new Set() : undefined;
  }
}

function union(
  a: Set<unknown> | undefined,
  b: ReadonlySet<unknown> | undefined,
): Set<unknown> | undefined {
  return a === undefined || b === undefined ? undefined : new Set([...a, ...b]);
}

/** The first read at `revision` or later, looked for from `from` on if that is not behind it. */
function firstRead(reads: RevisionOrder["reads"], revision: number, from: number): number {
  if (
    (reads[from - 1]?.revision ?? -1) < revision &&
    (reads[from]?.revision ?? revision) >= revision
  )
    return from;
  let low = 0;
  let high = reads.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((reads[middle]?.revision ?? 0) < revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
