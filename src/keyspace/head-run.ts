/**
 * Runs a procedure at the head. In strict mode it is first run with a suspension at a random read, whose outcome is
 * thrown away, and then twice, whose outcomes must agree: what a foreign engine does by necessity.
 */
import type { Bytes } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import { fail, QuorateError } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import { prefixed } from "../contract/due.ts";
import type { Procedure, TxRangeOptions } from "../contract/procedure.ts";
import type { KeyValue, RunRequest } from "../contract/requests.ts";
import { dataOf } from "../contract/json-data.ts";
import { Suspension } from "../contract/suspension.ts";
import { resultText } from "../contract/commit-revision.ts";
import type { Operation } from "./auth/authority.ts";
import type { ReadSource, Write } from "./procedure-tx.ts";
import { ProcedureTx } from "./procedure-tx.ts";
import type { RangeSource } from "./range.ts";

/** Reads of the head as a procedure asks for them. */
export class HeadReads implements ReadSource {
  readonly #source: RangeSource;
  constructor(source: RangeSource) {
    this.#source = source;
  }
  get(key: Bytes): KeyValue | undefined {
    return this.#source.get(key);
  }
  range(key: Bytes, end: Bytes, options: TxRangeOptions): readonly KeyValue[] {
    const found: KeyValue[] = [];
    const limit = options.limit ?? Infinity;
    const forward = options.reverse !== true;
    if (limit === 0) return found;
    this.#source.scan(key, end, (kv) => {
      found.push(kv);
      return !forward || found.length < limit;
    });
    return forward ? found : found.reverse().slice(0, limit);
  }
  byAge(key: Bytes, end: Bytes, limit: number | undefined): readonly KeyValue[] {
    const found = this.range(key, end, {}) as KeyValue[];
    found.sort((a, b) => a.createRevision - b.createRevision);
    return limit === undefined ? found : found.slice(0, limit);
  }
}

/**
 * Reads of the head on behalf of somebody: each is refused unless it is allowed, and once one was refused the run has
 * failed, whatever the procedure made of it.
 */
export class GuardedReads implements ReadSource {
  readonly #reads: ReadSource;
  readonly #refuses: (operation: Operation) => Failure | undefined;
  refused: Failure | undefined;

  constructor(reads: ReadSource, refuses: (operation: Operation) => Failure | undefined) {
    this.#reads = reads;
    this.#refuses = refuses;
  }
  get(key: Bytes): KeyValue | undefined {
    this.#ask({ kind: "range", key });
    return this.#reads.get(key);
  }
  range(key: Bytes, end: Bytes, options: TxRangeOptions): readonly KeyValue[] {
    this.#ask({ kind: "range", key, end });
    return this.#reads.range(key, end, options);
  }
  byAge(key: Bytes, end: Bytes, limit: number | undefined): readonly KeyValue[] {
    this.#ask({ kind: "range", key, end });
    return this.#reads.byAge(key, end, limit);
  }
  #ask(operation: Operation): void {
    this.refused ??= this.#refuses(operation);
    if (this.refused !== undefined) throw new QuorateError(this.refused);
  }

  /** Throws unless all of `run` is allowed: its reads were, its writes are looked at here. */
  approve({ writes, deadlines }: Run): void {
    for (const { key, ...write } of writes) {
      // The code of the procedure sets a deadline for what it writes; a key of the index is another matter.
      if (deadlines.has(key)) continue;
      this.refused ??= this.#refuses(
        write.kind === "delete"
          ? { kind: "deleteRange", key }
          : { kind: "put", key, value: "" as Bytes, lease: write.lease },
      );
    }
    if (this.refused !== undefined) throw new QuorateError(this.refused);
  }
}

/** What `run` came to, if all of it is allowed; whatever it throws after a refusal is not told. */
export function guarded(reads: GuardedReads, run: () => Run): Run {
  try {
    const done = run();
    reads.approve(done);
    return done;
  } catch (error) {
    throw reads.refused === undefined ? error : new QuorateError(reads.refused);
  }
}

export interface Run {
  readonly result: unknown;
  readonly writes: readonly Write[];
  /** Keys of deadlines among the writes. */
  readonly deadlines: ReadonlySet<Bytes>;
}

export function runProcedure(
  procedure: Procedure<never, unknown>,
  request: RunRequest,
  reads: ReadSource,
  time: number,
  strict: Prng | undefined,
): Run {
  if (strict !== undefined) interruptOnce(procedure, request, reads, time, strict);
  const first = attempt(procedure, request, reads, time);
  if (strict === undefined) return first;
  const second = attempt(procedure, request, reads, time);
  if (trace(first) === trace(second)) return first;
  throw fail("INVALID", {
    object: `procedure ${procedure.name}`,
    what: "gave two outcomes for one state: it depends on something that its transaction does not give",
    remedy: "Take time from tx.now and everything else from arguments and reads.",
  });
}

function attempt(
  procedure: Procedure<never, unknown>,
  request: RunRequest,
  reads: ReadSource,
  time: number,
): Run {
  const tx = new ProcedureTx(reads, procedure.name, time);
  const args = dataOf(request.args) as never;
  const result = procedure.run(prefixed(tx, request.prefix ?? ("" as Bytes)), args);
  if (tx.poisoned) throw new Suspension();
  return { result, writes: tx.writes, deadlines: tx.deadlines };
}

/** Runs with a suspension at one of the first reads; whatever comes of it is discarded. */
function interruptOnce(
  procedure: Procedure<never, unknown>,
  request: RunRequest,
  reads: ReadSource,
  time: number,
  strict: Prng,
): void {
  let left = strict.below(4);
  const interrupt = <T>(read: T): T => {
    if (left-- === 0) throw new Suspension();
    return read;
  };
  const source: ReadSource = {
    get: (key) => interrupt(reads.get(key)),
    range: (key, end, options) => interrupt(reads.range(key, end, options)),
    byAge: (key, end, limit) => interrupt(reads.byAge(key, end, limit)),
  };
  try {
    attempt(procedure, request, source, time);
  } catch {
    // Discarded by design: the attempt only exists to be interrupted.
  }
}

function trace(run: Run): string {
  const result = resultText(run.result, -1, "strict mode");
  return JSON.stringify([result, run.writes], (_key, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
}
