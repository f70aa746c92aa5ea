/**
 * The transaction that a procedure sees, over any pinned source of reads: the head of a native engine, or a client's
 * read cache of a foreign one.
 *
 * Invariants: I1 all reads are of one revision plus the procedure's own writes. I2 at most 96 reads and 96 writes.
 * I3 after a suspension the transaction is poisoned: every further use suspends again, and its owner discards it.
 */
import type { Bytes } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import { COMMIT_REVISION } from "../contract/commit-revision.ts";
import { dueKey, dueValue } from "../contract/due.ts";
import type { CommitRevision, Procedure, Tx, TxRangeOptions } from "../contract/procedure.ts";
import { PROCEDURE_READS_MAX, PROCEDURE_WRITES_MAX } from "../contract/procedure.ts";
import type { KeyValue } from "../contract/requests.ts";
import { Suspension } from "../contract/suspension.ts";
import { plain } from "./versions.ts";

/** Reads of one pinned revision. Each may throw `Suspension` if the answer is not at hand. */
export interface ReadSource {
  get(key: Bytes): KeyValue | undefined;
  range(key: Bytes, end: Bytes, options: TxRangeOptions): readonly KeyValue[];
  byAge(key: Bytes, end: Bytes, limit: number | undefined): readonly KeyValue[];
}

/** What a procedure wrote: the last word on each key, in first-write order. */
export type Write =
  | { readonly kind: "put"; readonly key: Bytes; readonly value: Bytes; readonly lease: bigint }
  | { readonly kind: "delete"; readonly key: Bytes };

export class ProcedureTx implements Tx {
  readonly #source: ReadSource;
  readonly #name: string;
  readonly #writes = new Map<Bytes, Write>();
  readonly #deadlines = new Set<Bytes>();
  #reads = 0;
  #poisoned = false;
  readonly now: number;

  constructor(source: ReadSource, name: string, now: number) {
    this.#source = source;
    this.#name = name;
    this.now = now;
  }

  get poisoned(): boolean {
    return this.#poisoned;
  }
  get writes(): readonly Write[] {
    return [...this.#writes.values()];
  }
  /** Keys of deadlines that it set or took back, rather than wrote as keys. */
  get deadlines(): ReadonlySet<Bytes> {
    return this.#deadlines;
  }
  get commitRevision(): CommitRevision {
    return COMMIT_REVISION;
  }

  get(key: Bytes): KeyValue | undefined {
    const own = this.#writes.get(key);
    if (own?.kind === "delete") return undefined;
    const below = this.#read(() => this.#source.get(key));
    if (own !== undefined) return written(own, below);
    return below === undefined ? undefined : plain(below);
  }

  range(key: Bytes, end: Bytes, options: TxRangeOptions = {}): readonly KeyValue[] {
    const own = this.#ownWithin(key, end);
    const limit = options.limit === undefined ? undefined : options.limit + own.length;
    const below = this.#read(() => this.#source.range(key, end, { ...options, limit }));
    const merged = this.#merge(below, own);
    merged.sort((a, b) => (a.key < b.key ? -1 : 1));
    if (options.reverse === true) merged.reverse();
    return options.limit === undefined ? merged : merged.slice(0, options.limit);
  }

  byAge(
    key: Bytes,
    end: Bytes,
    options: { readonly limit?: number | undefined } = {},
  ): readonly KeyValue[] {
    const own = this.#ownWithin(key, end);
    const limit = options.limit === undefined ? undefined : options.limit + own.length;
    const below = this.#read(() => this.#source.byAge(key, end, limit));
    const merged = this.#merge(below, own);
    // A stable sort keeps the order of equal ages: the order in which this transaction wrote them.
    merged.sort((a, b) => ageOf(a) - ageOf(b));
    return options.limit === undefined ? merged : merged.slice(0, options.limit);
  }

  put(key: Bytes, value: Bytes, options: { readonly lease?: bigint | undefined } = {}): void {
    this.#write({ kind: "put", key, value, lease: options.lease ?? 0n });
  }

  delete(key: Bytes): void {
    this.#write({ kind: "delete", key });
  }

  due<A>(
    atMs: number,
    object: string,
    procedure: Procedure<A, unknown>,
    args: A,
    prefix: Bytes = "" as Bytes,
  ): void {
    const key = dueKey(atMs, object);
    this.put(key, dueValue(procedure, args, prefix));
    this.#deadlines.add(key);
  }

  undue(atMs: number, object: string): void {
    const key = dueKey(atMs, object);
    this.delete(key);
    this.#deadlines.add(key);
  }

  #write(write: Write): void {
    if (this.#poisoned) throw new Suspension();
    this.#deadlines.delete(write.key);
    if (write.key === "") {
      throw fail("INVALID", {
        object: this.#object(),
        what: "writes an empty key",
        remedy: "Name a key.",
      });
    }
    this.#writes.set(write.key, write);
    if (this.#writes.size > PROCEDURE_WRITES_MAX) this.#tooMany("writes", PROCEDURE_WRITES_MAX);
  }

  #read<T>(read: () => T): T {
    if (this.#poisoned) throw new Suspension();
    if (++this.#reads > PROCEDURE_READS_MAX) this.#tooMany("reads", PROCEDURE_READS_MAX);
    try {
      return read();
    } catch (error) {
      if (error instanceof Suspension) this.#poisoned = true;
      throw error;
    }
  }

  #tooMany(what: string, most: number): never {
    throw fail("TOO_MANY_OPERATIONS", {
      object: this.#object(),
      what: `needs more than ${most} ${what}`,
      remedy: "Page the work over several transactions.",
    });
  }

  #object(): string {
    return `procedure ${this.#name}`;
  }

  #ownWithin(key: Bytes, end: Bytes): readonly Write[] {
    return [...this.#writes.values()].filter((write) => write.key >= key && write.key < end);
  }

  #merge(below: readonly KeyValue[], own: readonly Write[]): KeyValue[] {
    if (own.length === 0) return below.map(plain);
    const byKey = new Map(below.map((kv) => [kv.key, plain(kv)]));
    for (const write of own) {
      if (write.kind === "delete") byKey.delete(write.key);
      else byKey.set(write.key, written(write, byKey.get(write.key)));
    }
    return [...byKey.values()];
  }
}

/** A key as this transaction leaves it. Revision 0 stands for the commit's, which is not known yet. */
function written(write: Write & { readonly kind: "put" }, before: KeyValue | undefined): KeyValue {
  return {
    key: write.key,
    value: write.value,
    createRevision: before?.createRevision ?? 0,
    modRevision: 0,
    version: (before?.version ?? 0) + 1,
    lease: write.lease,
  };
}

function ageOf(kv: KeyValue): number {
  return kv.createRevision === 0 ? Number.MAX_SAFE_INTEGER : kv.createRevision;
}
