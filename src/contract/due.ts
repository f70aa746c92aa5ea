/**
 * The due index: every deadline has an actor. A procedure that sets a deadline writes, in the same transaction, a
 * record `due/<time>/<object>` that names what to run; a reactor (the leader, or a client on a foreign engine) fires
 * each record once when keyspace time has passed it.
 *
 * Invariants: I1 a record is removed by the transaction that runs its procedure, so it runs exactly once however many
 * reactors see it. I2 records sort by time, so a reactor reads only the front. I3 a record names its namespace, so one
 * reactor serves all of them.
 */
import type { Bytes } from "../base/bytes.ts";
import { text, utf8 } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { Procedure, ProcedureSet, Tx } from "./procedure.ts";
import { procedure } from "./procedure.ts";

export const DUE_PREFIX: Bytes = utf8("due/");
export const DUE_END: Bytes = utf8("due0");
const TIME_DIGITS = 16;

/** What a due record says. */
export interface DueRecord {
  readonly layout: 1;
  readonly procedure: string;
  readonly args: unknown;
  /** The namespace that the procedure's keys are under; its bytes, one per character. */
  readonly prefix: string;
}

/** The key of the record of `object` at `atMs` (ms since 1970; fractions are cut). */
export function dueKey(atMs: number, object: string): Bytes {
  const time = String(Math.max(0, Math.floor(atMs))).padStart(TIME_DIGITS, "0");
  return utf8(`due/${time}/${object}`);
}

/** When the record of `key` is due, ms since 1970. */
export function dueTime(key: Bytes): number {
  return Number(key.slice(DUE_PREFIX.length, DUE_PREFIX.length + TIME_DIGITS));
}

/** Reads a record; a newer layout is refused. */
export function parseDue(key: Bytes, value: Bytes): DueRecord {
  const read: unknown = JSON.parse(text(value));
  const record = (typeof read === "object" && read !== null ? read : {}) as Partial<DueRecord>;
  if (record.layout !== 1 || typeof record.procedure !== "string") {
    throw fail("LAYOUT", {
      object: `due record ${text(key)}`,
      what: "was written in a layout that this version does not know",
      remedy: "Run the version that wrote it, or a newer one.",
    });
  }
  return { layout: 1, procedure: record.procedure, args: record.args, prefix: record.prefix ?? "" };
}

export interface FireArgs {
  /** The record's key, its bytes one per character. */
  readonly key: string;
  readonly modRevision: number;
}

/** The procedure that a reactor runs for each due record: removes it and does what it says, in one transaction. */
export function fireDue(
  procedures: ProcedureSet,
  within: (tx: Tx, prefix: Bytes) => Tx,
): Procedure<FireArgs, "fired" | "gone" | "early"> {
  return procedure(
    "ordering/due/fire@1",
    (tx, { key, modRevision }) => {
      const found = tx.get(key as Bytes);
      if (found === undefined || found.modRevision !== modRevision) return "gone";
      if (dueTime(found.key) > tx.now) return "early";
      const record = parseDue(found.key, found.value);
      const target = procedures.get(record.procedure);
      if (target === undefined) {
        throw fail("PROCEDURE_UNKNOWN", {
          object: `due record ${text(found.key)}`,
          what: `names the procedure ${record.procedure}, which this version does not have`,
          remedy: "Run a version that has it; the record stays until then.",
        });
      }
      tx.delete(found.key);
      target.run(within(tx, record.prefix as Bytes), record.args as never);
      return "fired";
    },
    ({ key }) => key,
  );
}

/** `tx` with `prefix` before every key. Due records stay in one index and carry the prefix. */
export function prefixed(tx: Tx, prefix: Bytes): Tx {
  if (prefix === "") return tx;
  const strip = <K extends { readonly key: Bytes }>(kv: K): K => ({
    ...kv,
    key: kv.key.slice(prefix.length) as Bytes,
  });
  const within = (key: Bytes): Bytes => (prefix + key) as Bytes;
  return {
    get: (key) => {
      const found = tx.get(within(key));
      return found === undefined ? undefined : strip(found);
    },
    range: (key, end, options) => tx.range(within(key), within(end), options).map(strip),
    byAge: (key, end, options) => tx.byAge(within(key), within(end), options).map(strip),
    put: (key, value, options) => tx.put(within(key), value, options),
    delete: (key) => tx.delete(within(key)),
    get now() {
      return tx.now;
    },
    get commitRevision() {
      return tx.commitRevision;
    },
    due: (atMs, object, target, args, below = "" as Bytes) =>
      tx.due(atMs, prefix + object, target, args, within(below)),
    undue: (atMs, object) => tx.undue(atMs, prefix + object),
  };
}

/** The value of a due record. */
export function dueValue<A>(target: Procedure<A, unknown>, args: A, prefix: Bytes): Bytes {
  const record: DueRecord = { layout: 1, procedure: target.name, args, prefix };
  return utf8(JSON.stringify(record));
}
