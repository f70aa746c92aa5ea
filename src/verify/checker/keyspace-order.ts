/**
 * What revisions say of the order of operations on the keyspace, and whether real time agrees.
 *
 * Every change has a revision of its own and every answer names the revision at which it was given. The order by
 * revision, a write in front of the reads at its revision, is therefore the only one that can explain the answers. It
 * keeps real time if and only if nobody is given a revision below one that anybody had been given before he asked.
 *
 * Invariants: I1 two writes have two revisions. I2 a write's revision is above, a read's at least, every revision that was
 * told before it was invoked. I3 serializable reads and renewals of leases may be behind.
 * Source: etcd's robustness tests for checking by revision; Gibbons and Korach, "Testing Shared Memories" (1997): with the
 * order of writes known, checking is polynomial.
 */
import type { TxnOperation, TxnOperationResponse } from "../../contract/requests.ts";
import { type Answer, type AnswerOf, isKeyspaceCall, type KeyspaceCall } from "../history/calls.ts";
import type { History, Operation } from "../history/history.ts";
import { named, type Violation } from "./verdict.ts";

/** An operation and the revision whose state it tells of. */
export interface Read {
  readonly revision: number;
  readonly operation: Operation;
}

export interface RevisionOrder {
  readonly writers: ReadonlyMap<number, Operation>;
  /** By revision. */
  readonly reads: readonly Read[];
  /** Answered revocations of leases by revision: whether they wrote depends on the state. */
  readonly revokes: ReadonlyMap<number, readonly Operation[]>;
  /** May have written, at a revision that nobody was told. */
  readonly guesses: readonly Operation[];
  /** For each operation the highest revision that was told before it was invoked. */
  readonly floors: Float64Array;
  /** Every revision that was told, ascending, with the first place at which it or a later one was. */
  readonly told: { readonly revisions: Float64Array; readonly places: Float64Array };
  readonly operations: number;
  readonly violations: readonly Violation[];
}

/** The revision of an empty store. */
export const SINCE = 1;

/** What an answered operation is in the order. */
function roleOf(
  call: KeyspaceCall,
  answer: Answer,
): "write" | "read" | "revoke" | "bound" | "behind" {
  switch (call.kind) {
    case "put":
      return "write";
    case "range":
      return call.consistency === "serializable" ? "behind" : "read";
    case "deleteRange":
      return (answer as AnswerOf["deleteRange"]).deleted > 0 ? "write" : "read";
    case "txn":
      if (wrote(answer as AnswerOf["txn"])) return "write";
      return isSerializable(call) ? "behind" : "read";
    case "leaseRevoke":
      return "revoke";
    case "leaseGrant":
    case "compact":
      return "bound";
    case "leaseKeepAlive":
      return "behind";
  }
}

function wrote({ responses }: { readonly responses: readonly TxnOperationResponse[] }): boolean {
  return responses.some(
    (each) =>
      each.kind === "put" ||
      (each.kind === "deleteRange" && each.deleted > 0) ||
      (each.kind === "txn" && wrote(each)),
  );
}

function isSerializable(operation: TxnOperation): boolean {
  if (operation.kind === "txn")
    return (
      operation.success.length + operation.failure.length > 0 &&
      [...operation.success, ...operation.failure].every(isSerializable)
    );
  return operation.kind === "range" && operation.consistency === "serializable";
}

/** Whether an operation without an answer may have changed keys. */
function mayWrite(call: KeyspaceCall): boolean {
  return ["put", "deleteRange", "txn", "leaseRevoke"].includes(call.kind);
}

export function revisionOrder(history: History): RevisionOrder {
  return new Sweep(history).run();
}

class Sweep {
  readonly #history: History;
  readonly #writers = new Map<number, Operation>();
  readonly #reads: Read[] = [];
  readonly #revokes = new Map<number, Operation[]>();
  readonly #guesses: Operation[] = [];
  readonly #floors: Float64Array;
  readonly #violations: Violation[] = [];
  readonly #invoked: (Operation | undefined)[];
  readonly #returned: (Operation | undefined)[];
  /** Revision told at a place; 0: none. */
  readonly #toldAt: Float64Array;
  #operations = 0;
  readonly #since: number;
  #floor: number;
  #teller = "the store when the history begins";

  constructor(history: History) {
    this.#history = history;
    this.#since = history.header.since ?? SINCE;
    this.#floor = this.#since;
    this.#invoked = Array.from({ length: history.events });
    this.#returned = Array.from({ length: history.events });
    this.#toldAt = new Float64Array(history.events);
    this.#floors = new Float64Array(history.operations.length);
    for (const operation of history.operations) this.#take(operation);
    for (const { stands, batches } of history.watches) {
      if (stands !== undefined) this.#toldAt[stands.place] = stands.revision;
      for (const { place, revision, partial, events } of batches) {
        const last = events.at(-1)?.kv.modRevision ?? 0;
        this.#toldAt[place] = partial === true ? last : Math.max(revision, last);
      }
    }
  }

  #take(operation: Operation): void {
    const { call, outcome } = operation;
    if (!isKeyspaceCall(call)) return;
    this.#operations++;
    if (outcome.kind === "answer") {
      this.#invoked[operation.invoked] = operation;
      this.#returned[operation.returned] = operation;
      this.#toldAt[operation.returned] = (outcome.answer as { readonly revision: number }).revision;
    } else if (outcome.kind === "indefinite" && mayWrite(call)) {
      this.#invoked[operation.invoked] = operation;
      this.#guesses.push(operation);
    }
  }

  run(): RevisionOrder {
    for (let place = 0; place < this.#history.events; place++) {
      const begun = this.#invoked[place];
      if (begun !== undefined) this.#floors[begun.index] = this.#floor;
      const ended = this.#returned[place];
      if (ended !== undefined) this.#end(ended);
      const told = this.#toldAt[place] as number;
      if (told <= this.#floor) continue;
      this.#floor = told;
      this.#teller = ended === undefined ? "a watch" : named(ended);
    }
    this.#reads.sort((a, b) => a.revision - b.revision);
    return {
      writers: this.#writers,
      reads: this.#reads,
      revokes: this.#revokes,
      guesses: this.#guesses,
      floors: this.#floors,
      told: this.#told(),
      operations: this.#operations,
      violations: this.#violations,
    };
  }

  #end(operation: Operation): void {
    const answer = (operation.outcome as { readonly answer: Answer }).answer;
    const { revision } = answer as { readonly revision: number };
    const call = operation.call as KeyspaceCall;
    const role = roleOf(call, answer);
    const floor = this.#floors[operation.index] ?? 0;
    const late = role === "write" ? revision <= floor : role !== "behind" && revision < floor;
    if (late) this.#late(operation, revision, floor, role === "write");
    if (role === "write") this.#write(operation, revision);
    else if (role === "revoke") {
      const others = this.#revokes.get(revision);
      if (others === undefined) this.#revokes.set(revision, [operation]);
      else others.push(operation);
    } else if (role === "read" || (role === "behind" && call.kind !== "leaseKeepAlive")) {
      const asked = call.kind === "range" ? (call.revision ?? 0) : 0;
      if (asked > revision) this.#ahead(operation, asked, revision);
      const told = asked > 0 ? asked : revision;
      // Of what was before the history began nothing is known.
      if (told >= this.#since) this.#reads.push({ revision: told, operation });
    }
  }

  #write(operation: Operation, revision: number): void {
    const other = this.#writers.get(revision);
    if (other === undefined) {
      this.#writers.set(revision, operation);
      return;
    }
    const what = `${named(other)} and ${named(operation)} both wrote at revision ${revision}`;
    const operations = [operation.id, other.id];
    this.#violations.push({ rule: "HIST-UNIQUE", what, place: operation.returned, operations });
  }

  #late(operation: Operation, revision: number, floor: number, writes: boolean): void {
    const when = `${floor} had been told (by ${this.#tellerOf(floor)}) before it was invoked`;
    const what = `${named(operation)} ${writes ? "wrote at" : "was answered at"} revision ${revision}, though ${when}`;
    this.#violations.push({
      rule: "HIST-REALTIME",
      what,
      place: operation.returned,
      operations: [operation.id],
    });
  }

  /** Who told of the floor is known while it is the newest. */
  #tellerOf(floor: number): string {
    return floor === this.#floor ? this.#teller : "others";
  }

  #ahead(operation: Operation, asked: number, revision: number): void {
    const what = `${named(operation)} read revision ${asked} while the store stood at ${revision}`;
    this.#violations.push({
      rule: "HIST-REALTIME",
      what,
      place: operation.returned,
      operations: [operation.id],
    });
  }

  /** For each revision that was told the first place from which on it certainly existed. */
  #told(): RevisionOrder["told"] {
    const first = new Map<number, number>();
    for (const [place, revision] of this.#toldAt.entries())
      if (revision > 0 && !first.has(revision)) first.set(revision, place);
    const revisions = Float64Array.from(first.keys()).sort();
    const places = new Float64Array(revisions.length);
    let least = Number.POSITIVE_INFINITY;
    for (let at = revisions.length - 1; at >= 0; at--) {
      least = Math.min(least, first.get(revisions[at] as number) as number);
      places[at] = least;
    }
    return { revisions, places };
  }
}

/** The first place at which `revision`, or a later one, was told; Infinity if it never was. */
export function toldBy({ revisions, places }: RevisionOrder["told"], revision: number): number {
  let low = 0;
  let high = revisions.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((revisions[middle] as number) < revision) low = middle + 1;
    else high = middle;
  }
  return places[low] ?? Number.POSITIVE_INFINITY;
}
