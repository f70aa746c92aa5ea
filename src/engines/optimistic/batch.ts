/**
 * Evaluates procedures one after another over one cache of reads, as one transaction to be.
 *
 * Invariants: I1 a procedure sees the cache's revision and the writes of those before it. I2 one that suspends is
 * discarded whole, also if it swallowed the suspension. I3 two procedures are folded into one revision only where that
 * cannot be seen: the later one neither touches a key that an earlier one created, nor writes one that it deleted, and
 * only one of them uses the commit revision. I4 conditions, writes and reads stay within etcd's 128 operations.
 */
import type { Bytes } from "../../base/bytes.ts";
import { asFailure, fail } from "../../base/errors.ts";
import type { Failure } from "../../base/errors.ts";
import { prefixed } from "../../contract/due.ts";
import { dataOf } from "../../contract/json-data.ts";
import type { CommitRevision, Procedure } from "../../contract/procedure.ts";
import type { Compare, KeyValue } from "../../contract/requests.ts";
import { Suspension } from "../../contract/suspension.ts";
import type { ReadSource, Write } from "../../keyspace/procedure-tx.ts";
import { ProcedureTx } from "../../keyspace/procedure-tx.ts";
import type { Answer, Read } from "./reads.ts";
import { conditions, covers, isCut, ordered, readName, written } from "./reads.ts";

/** Compares, and operations of a branch, that one etcd transaction takes by default. */
export const OPERATIONS_MAX = 128;

export interface Call {
  readonly procedure: Procedure<never, unknown>;
  readonly args: Bytes;
  readonly prefix: Bytes;
}

/** Answers at one revision, by the name of their read. */
export interface ReadCache {
  revision: number;
  readonly answers: Map<string, Answer>;
}

export type Outcome =
  | {
      readonly kind: "returned";
      readonly result: unknown;
      readonly wrote: boolean;
      /** A later call of the same commit changed what this one saw or wrote. */
      overtaken: boolean;
    }
  | { readonly kind: "thrown"; readonly failure: Failure; readonly error: unknown };

/** What a run over the cache came to. */
export interface Evaluation {
  /** Reads that the cache lacks; if there are any, nothing else counts. */
  readonly missing: readonly Read[];
  /** Outcomes of the first calls, as many as one transaction can hold. */
  readonly outcomes: readonly Outcome[];
  readonly writes: ReadonlyMap<Bytes, Write>;
  readonly used: ReadonlyMap<string, Answer>;
  readonly conditions: readonly Compare[];
}

/** Evaluates `calls` in order at keyspace time `now`. */
export function evaluate(calls: readonly Call[], cache: ReadCache, now: number): Evaluation {
  const batch = new Batch(cache);
  const missing = new Map<string, Read>();
  const outcomes: Outcome[] = [];
  const attempts: Attempt[] = [];
  for (const call of calls) {
    const attempt = new Attempt(batch, cache);
    const outcome = attempt.run(call, now);
    if (attempt.missing !== undefined) {
      missing.set(readName(attempt.missing), attempt.missing);
      continue;
    }
    if (outcome === undefined) break;
    // Later calls are run only to learn what they read.
    if (missing.size > 0) continue;
    if (!batch.take(attempt)) {
      if (outcomes.length > 0) break;
      outcomes.push(tooLarge(call));
      break;
    }
    for (const [at, earlier] of attempts.entries()) {
      const before = outcomes[at];
      if (before?.kind === "returned") before.overtaken ||= earlier.overtakenBy(attempt);
    }
    outcomes.push(outcome);
    attempts.push(attempt);
  }
  return {
    missing: [...missing.values()],
    outcomes,
    writes: batch.writes,
    used: batch.used,
    conditions: batch.conditions,
  };
}

function tooLarge({ procedure }: Call): Outcome {
  const error = fail("TOO_MANY_OPERATIONS", {
    object: `procedure ${procedure.name}`,
    what: `needs more than ${OPERATIONS_MAX} conditions, reads or writes in one transaction`,
    remedy: "Page the work over several transactions, or read less at once.",
  });
  return { kind: "thrown", failure: error.failure, error };
}

/** What the accepted calls have read and written so far. */
class Batch {
  readonly writes = new Map<Bytes, Write>();
  readonly used = new Map<string, Answer>();
  readonly created = new Set<Bytes>();
  conditions: readonly Compare[] = [];
  commitRevisionUsed = false;
  readonly #revision: number;

  constructor(cache: ReadCache) {
    this.#revision = cache.revision;
  }

  /** Adds what `attempt` did; false if it does not fit. */
  take(attempt: Attempt): boolean {
    const used = new Map([...this.used, ...attempt.used]);
    const conditions = conditionsOf(used.values(), this.#revision);
    const writes = new Map([...this.writes, ...attempt.writes]);
    const largest = Math.max(used.size, conditions.length, writes.size);
    // What only reads needs no transaction: reads of one revision are true by themselves.
    if (writes.size > 0 && largest > OPERATIONS_MAX) return false;
    for (const write of attempt.writes.values()) {
      const known = attempt.existed(write.key) || this.writes.has(write.key);
      if (write.kind === "put" && !known) this.created.add(write.key);
      this.writes.set(write.key, write);
    }
    for (const [name, answer] of attempt.used) this.used.set(name, answer);
    this.conditions = conditions;
    this.commitRevisionUsed ||= attempt.usesCommitRevision;
    return true;
  }
}

/** Each condition once; that a key is unchanged says more than that it is there. */
function conditionsOf(answers: Iterable<Answer>, revision: number): readonly Compare[] {
  const distinct = new Map<string, Compare>();
  const exact = new Set<Bytes>();
  for (const answer of answers) {
    for (const each of conditions(answer, revision)) {
      const { key, end, target } = each;
      if (end === undefined && target.kind === "mod") exact.add(key);
      distinct.set(`${target.kind} ${end === undefined ? "" : `${end.length} ${end}`}${key}`, each);
    }
  }
  return [...distinct.values()].filter(
    ({ key, end, target }) => end !== undefined || target.kind === "mod" || !exact.has(key),
  );
}

/** One procedure's run over the cache and the batch before it. */
class Attempt implements ReadSource {
  readonly used = new Map<string, Answer>();
  writes: ReadonlyMap<Bytes, Write> = new Map();
  missing: Read | undefined;
  usesCommitRevision = false;
  readonly #batch: Batch;
  readonly #cache: ReadCache;

  constructor(batch: Batch, cache: ReadCache) {
    this.#batch = batch;
    this.#cache = cache;
  }

  /** Its outcome; nothing if it was suspended: for a read that is `missing`, or because it needs a commit of its own. */
  run({ procedure, args, prefix }: Call, now: number): Outcome | undefined {
    const tx = new WatchedTx(this, procedure.name, now);
    let outcome: Outcome;
    try {
      const given = dataOf(args) as never;
      const result = procedure.run(prefixed(tx, prefix), given);
      this.writes = new Map(tx.writes.map((write) => [write.key, write]));
      outcome = { kind: "returned", result, wrote: this.writes.size > 0, overtaken: false };
    } catch (error) {
      const failed = asFailure(error, `procedure ${procedure.name}`);
      outcome = { kind: "thrown", failure: { ...failed, outcome: "definite" }, error };
    }
    this.usesCommitRevision = tx.usesCommitRevision;
    return tx.poisoned || this.#conflicts() ? undefined : outcome;
  }

  /** Whether `later` changes what this one saw or wrote. */
  overtakenBy(later: Attempt): boolean {
    const reads = [...this.used.values()];
    return [...later.writes.keys()].some(
      (key) => this.writes.has(key) || reads.some(({ read }) => covers(read, key)),
    );
  }

  existed(key: Bytes): boolean {
    for (const { read, kvs } of this.used.values()) {
      if (covers(read, key) && kvs.some((kv) => kv.key === key)) return true;
    }
    return false;
  }

  get(key: Bytes): KeyValue | undefined {
    return this.#answer({ order: "key", key })[0];
  }
  range(
    key: Bytes,
    end: Bytes,
    options: { readonly limit?: number | undefined; readonly reverse?: boolean | undefined },
  ): readonly KeyValue[] {
    const order = options.reverse === true ? "reverse" : "key";
    return this.#answer({ order, key, end, limit: options.limit });
  }
  byAge(key: Bytes, end: Bytes, limit: number | undefined): readonly KeyValue[] {
    return this.#answer({ order: "age", key, end, limit });
  }

  #conflicts(): boolean {
    if (this.usesCommitRevision && this.#batch.commitRevisionUsed) return true;
    for (const [key, write] of this.writes) {
      if (this.#batch.created.has(key)) return true;
      if (write.kind === "put" && this.#batch.writes.get(key)?.kind === "delete") return true;
    }
    return false;
  }

  #answer(wanted: Read): readonly KeyValue[] {
    const before = [...this.#batch.writes.values()].filter((write) => covers(wanted, write.key));
    if (before.some((write) => this.#batch.created.has(write.key))) throw new Suspension();
    const answer = this.#known(wanted, before);
    this.used.set(readName(answer.read), answer);
    if (before.length === 0) return answer.kvs;
    const byKey = new Map(answer.kvs.map((kv) => [kv.key, kv]));
    for (const write of before) {
      const known = byKey.get(write.key);
      if (write.kind === "delete") byKey.delete(write.key);
      else if (known !== undefined) byKey.set(write.key, written(write, known, 0));
    }
    return ordered(wanted, [...byKey.values()]);
  }

  /** An answer from which that of `wanted` follows, given what was written before; suspends where there is none. */
  #known(wanted: Read, before: readonly Write[]): Answer {
    const { answers } = this.#cache;
    const plain = answers.get(readName(wanted));
    if (plain !== undefined && !isCut(plain)) return plain;
    const gone = before.filter((write) => write.kind === "delete").length;
    // What was deleted in front of the limit makes room for what lies behind it.
    const limit = wanted.limit === undefined ? undefined : wanted.limit + gone;
    const read = { ...wanted, limit };
    const answer = answers.get(readName(read));
    if (answer !== undefined) return answer;
    this.missing = read;
    throw new Suspension();
  }
}

/** Notes whether the procedure asked for the revision of its commit. */
class WatchedTx extends ProcedureTx {
  usesCommitRevision = false;
  override get commitRevision(): CommitRevision {
    this.usesCommitRevision = true;
    return super.commitRevision;
  }
}
