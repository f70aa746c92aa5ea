/**
 * Procedures: synchronous, deterministic functions of a transaction. The same function runs once at the leader of a
 * native engine, or in the client with optimistic commit on a foreign one.
 *
 * Rules (enforced by strict mode on the embedded engine): R1 no await, clock, randomness or state of its own; R2
 * arguments and results are JSON data; R3 at most 96 reads and 96 writes; R4 `tx.commitRevision` may only be put into
 * the result; R5 after a suspension whatever the function does is discarded.
 */
import type { Bytes } from "../base/bytes.ts";
import type { KeyValue } from "./requests.ts";

export const PROCEDURE_READS_MAX = 96;
export const PROCEDURE_WRITES_MAX = 96;

/** The revision that this transaction will have: a stand-in, filled in after commit. Cannot be compared or stored. */
export type CommitRevision = number & { readonly __commitRevision: true };

export interface TxRangeOptions {
  /** At most this many keys; default all, within the limits of a transaction. */
  readonly limit?: number | undefined;
  /** Highest key first. */
  readonly reverse?: boolean | undefined;
}

/** What a procedure sees. Every read is of one pinned revision plus the procedure's own writes. */
export interface Tx {
  get(key: Bytes): KeyValue | undefined;
  /** Keys in [key, end), in key order. */
  range(key: Bytes, end: Bytes, options?: TxRangeOptions): readonly KeyValue[];
  /**
   * Keys in [key, end) by create revision, oldest first: how a queue of contenders is read. A key written by this
   * very transaction comes last.
   */
  byAge(
    key: Bytes,
    end: Bytes,
    options?: { readonly limit?: number | undefined },
  ): readonly KeyValue[];
  put(key: Bytes, value: Bytes, options?: { readonly lease?: bigint | undefined }): void;
  delete(key: Bytes): void;
  /** Keyspace time in ms since 1970: never decreases, never jumps ahead of the members' clocks. */
  readonly now: number;
  readonly commitRevision: CommitRevision;
  /** Runs `procedure` with `args` at `atMs` or soon after, exactly once, though nobody is connected. */
  due<A>(
    atMs: number,
    object: string,
    procedure: Procedure<A, unknown>,
    args: A,
    /** Of the procedure's keys; default none. The record itself lies in the one index. */
    prefix?: Bytes,
  ): void;
  /** Takes back a `due` of the same instant and object. */
  undue(atMs: number, object: string): void;
}

/** A named procedure. Equal names mean equal behaviour: a change gets a new version. */
export interface Procedure<A, R> {
  /** `room/thing/verb@version`. */
  readonly name: string;
  run(tx: Tx, args: A): R;
  /** Calls with an equal answer contend for the same keys; a foreign engine commits those together. */
  contention(args: A): string;
}

/** Declares a procedure. */
export function procedure<A, R>(
  name: string,
  run: (tx: Tx, args: A) => R,
  contention: (args: A) => string,
): Procedure<A, R> {
  return { name, run, contention };
}

/** The procedures that a server or an embedded engine is built with, by name. */
export type ProcedureSet = ReadonlyMap<string, Procedure<never, unknown>>;

/** Collects procedures; a name given twice is a bug. */
export function procedureSet(procedures: readonly Procedure<never, unknown>[]): ProcedureSet {
  const set = new Map(procedures.map((each) => [each.name, each]));
  if (set.size !== procedures.length) throw new Error("two procedures have one name");
  return set;
}
