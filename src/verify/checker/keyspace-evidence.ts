/**
 * What is known of a revision that no recorded answer claims: what reads and watches saw of it, and what they did not.
 *
 * Invariants: I1 a key that was seen with a version at a later revision did not change in between. I2 a key that a watch
 * covers at a revision changed there if and only if the watch said so; this is believed only where watches are.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { WatchEvent } from "../../contract/keyspace.ts";
import type { KeyValue, TxnOperation, TxnOperationResponse } from "../../contract/requests.ts";
import type { AnswerOf, KeyspaceCall } from "../history/calls.ts";
import type { History, WatchStream } from "../history/history.ts";
import { difference } from "./difference.ts";
import { type Change, covers } from "./keyspace-state.ts";
import { type RevisionOrder, SINCE } from "./keyspace-order.ts";

/** The part of a watch's life in which it told everything. */
interface Coverage {
  readonly asked: WatchStream["asked"];
  readonly from: number;
  readonly to: number;
}

/** Versions of one key. */
interface Sightings {
  /** By modRevision: the highest revision at which it was seen. */
  readonly until: Map<number, number>;
  /** The modRevisions, ascending, once somebody asks. */
  mods: Float64Array | undefined;
}

/** Whether every revision that was told is that of an answered write: then nothing has to be explained. */
function isClaimed({ header }: History, { writers, told, violations }: RevisionOrder): boolean {
  const last = told.revisions.at(-1) ?? 0;
  return violations.length === 0 && writers.size >= last - (header.since ?? SINCE);
}

export class Evidence {
  readonly #seen = new Map<number, Map<Bytes, KeyValue | undefined>>();
  readonly #sightings = new Map<Bytes, Sightings>();
  readonly #coverage: Coverage[] = [];
  readonly #told = new Map<number, WatchEvent[]>();
  readonly #writers: RevisionOrder["writers"];

  constructor(history: History, order: RevisionOrder, believesWatches: boolean) {
    this.#writers = order.writers;
    if (isClaimed(history, order)) return;
    for (const { operation } of order.reads) this.#read(operation.call, operation.outcome);
    for (const operation of order.writers.values()) this.#read(operation.call, operation.outcome);
    const guesses = order.guesses.length > 0;
    if (believesWatches) for (const watch of history.watches) this.#watch(watch, guesses);
  }

  #read(call: unknown, outcome: unknown): void {
    const { answer } = outcome as { readonly answer: TxnOperationResponse };
    this.#answer(call as KeyspaceCall, answer, answer.revision);
  }

  #answer(call: KeyspaceCall, answer: object, revision: number): void {
    if (call.kind === "range") {
      const past = call.revision ?? 0;
      for (const kv of (answer as AnswerOf["range"]).kvs)
        this.#sight(kv, past > 0 ? past : revision, call.keysOnly !== true);
    } else if (call.kind === "put") {
      const { prevKv } = answer as AnswerOf["put"];
      if (prevKv !== undefined) this.#sight(prevKv, revision - 1, true);
    } else if (call.kind === "deleteRange")
      for (const kv of (answer as AnswerOf["deleteRange"]).prevKvs)
        this.#sight(kv, revision - 1, true);
    else if (call.kind === "txn") {
      const { succeeded, responses } = answer as AnswerOf["txn"];
      const taken: readonly TxnOperation[] = succeeded ? call.success : call.failure;
      for (const [at, response] of responses.entries()) {
        const operation = taken[at];
        // Responses of the other branch are for the replay to refute.
        if (operation?.kind === response.kind) this.#answer(operation, response, revision - 1);
      }
    }
  }

  #sight(kv: KeyValue, revision: number, whole: boolean): void {
    let sightings = this.#sightings.get(kv.key);
    if (sightings === undefined)
      this.#sightings.set(kv.key, (sightings = { until: new Map(), mods: undefined }));
    const before = sightings.until.get(kv.modRevision) ?? 0;
    sightings.until.set(kv.modRevision, Math.max(before, revision));
    if (whole) this.#note(kv.modRevision, kv.key, kv);
  }

  #note(revision: number, key: Bytes, kv: KeyValue | undefined): void {
    if (this.#writers.has(revision)) return;
    let keys = this.#seen.get(revision);
    if (keys === undefined) this.#seen.set(revision, (keys = new Map()));
    if (!keys.has(key)) keys.set(key, kv);
  }

  /** What is told of every revision matters only where there is a choice. */
  #watch({ asked, stands, batches }: WatchStream, guesses: boolean): void {
    let to = 0;
    for (const { revision, partial, events } of batches) {
      for (const event of events) {
        const { kind, kv, prevKv } = event;
        this.#note(kv.modRevision, kv.key, kind === "put" ? kv : undefined);
        if (!guesses) continue;
        if (kind === "put") this.#sight(kv, kv.modRevision, false);
        if (prevKv !== undefined) this.#sight(prevKv, kv.modRevision - 1, true);
        const others = this.#told.get(kv.modRevision);
        if (others === undefined) this.#told.set(kv.modRevision, [event]);
        else others.push(event);
      }
      if (partial !== true) to = Math.max(to, revision);
    }
    const from = asked.from ?? (stands === undefined ? to + 1 : stands.revision + 1);
    if (to >= from) this.#coverage.push({ asked, from, to });
  }

  /** Revisions of which something was seen. */
  revisions(): Iterable<number> {
    return this.#seen.keys();
  }

  /** What was seen of a revision. */
  at(revision: number): ReadonlyMap<Bytes, KeyValue | undefined> | undefined {
    return this.#seen.get(revision);
  }

  /** What watches told of a revision, where an explanation has to be chosen. */
  told(revision: number): readonly WatchEvent[] {
    return this.#told.get(revision) ?? [];
  }

  /** Whether the changes at a revision agree with all that is known of it. */
  agrees(revision: number, changes: readonly Change[]): boolean {
    const seen = this.#seen.get(revision);
    let matched = 0;
    for (const { key, kv } of changes) {
      if (seen?.has(key) === true) {
        if (difference(kv, seen.get(key)) !== undefined) return false;
        matched++;
      } else if (this.#unchanged(revision, key, kv === undefined ? "delete" : "put")) return false;
    }
    return matched === (seen?.size ?? 0);
  }

  /** Until when the version was seen that is the last one below `revision`. */
  #seenUntil(key: Bytes, revision: number): number {
    const sightings = this.#sightings.get(key);
    if (sightings === undefined) return 0;
    const mods = (sightings.mods ??= Float64Array.from(sightings.until.keys()).sort());
    let low = 0;
    let high = mods.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((mods[middle] as number) < revision) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : (sightings.until.get(mods[low - 1] as number) ?? 0);
  }

  #unchanged(revision: number, key: Bytes, kind: WatchEvent["kind"]): boolean {
    if (this.#seenUntil(key, revision) >= revision) return true;
    return this.#coverage.some(
      ({ asked, from, to }) =>
        from <= revision && revision <= to && asked.without !== kind && covers(asked, key),
    );
  }
}
