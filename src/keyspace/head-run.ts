/**
 * Runs a procedure at the head. In strict mode it is first run with a suspension at a random read, whose outcome is
 * thrown away, and then twice, whose outcomes must agree: what a foreign engine does by necessity.
 */
import type { Bytes } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { Prng } from "../base/prng.ts";
import { prefixed } from "../contract/due.ts";
import type { Procedure, TxRangeOptions } from "../contract/procedure.ts";
import type { KeyValue, RunRequest } from "../contract/requests.ts";
import { dataOf } from "../contract/json-data.ts";
import { Suspension } from "../contract/suspension.ts";
import { resultText } from "../contract/commit-revision.ts";
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

export interface Run {
  readonly result: unknown;
  readonly writes: readonly Write[];
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
  return { result, writes: tx.writes };
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
