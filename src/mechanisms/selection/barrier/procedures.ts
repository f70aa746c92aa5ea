/**
 * Meeting as procedures: parties arrive in a generation; the last one completes it. Barrier and double barrier share them.
 *
 * Invariants: I1 a generation is completed by the step in which the last party arrives, so nobody sees it half complete.
 * I2 arrivals of a generation that is complete are never counted again: the next ones lie under the next number.
 * I3 an arrival is attached to its session's lease: a dead party's is gone before the generation can be completed by it.
 * Cost: `arrive` reads the state and the arrivals of one generation, writes one key; the last arrival of a barrier
 * removes all of them, which bounds the parties.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text, utf8 } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Procedure, Tx } from "../../../contract/procedure.ts";
import { procedure } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import type { ContenderRecord, SeenRecord } from "../contention/layout.ts";
import { decodeRecord, encodeRecord, prefixEnd } from "../contention/layout.ts";

/** What a transaction of any engine can remove and condition at once. */
export const PARTIES_MAX = 90;

/** What the one key says that everybody who waits awaits. */
export interface MeetingState {
  readonly layout: 1;
  readonly parties: number;
  /** The last generation that is complete. */
  readonly generation: number;
  /** Who met in it: an arrival that had gone with its session must not take itself for one of them. */
  readonly met: readonly string[];
}

export function stateKey(prefix: string): Bytes {
  return `${prefix}state` as Bytes;
}

/** Where the parties of a generation lie. */
function generationPrefix(prefix: string, generation: number): Bytes {
  return `${prefix}at/${generation}/` as Bytes;
}

/** Reads the state. Throws LAYOUT for what this version cannot know. */
export function decodeState(prefix: string, value: Bytes): MeetingState {
  const { layout, parties, generation, met } = parsed(value);
  const numbers = typeof parties === "number" && typeof generation === "number";
  if (layout === 1 && numbers && Array.isArray(met)) return { layout, parties, generation, met };
  throw fail("LAYOUT", {
    object: `barrier ${text(prefix as Bytes)}`,
    what: "was written in a layout that this version does not know",
    remedy: "Use the version that wrote it, or a newer one.",
  });
}

function parsed(value: Bytes): Partial<MeetingState> {
  try {
    const read: unknown = JSON.parse(text(value));
    return typeof read === "object" && read !== null ? (read as Partial<MeetingState>) : {};
  } catch {
    return {};
  }
}

/** Whether the arrival `id` of `generation` met the others; undefined: that generation is not complete. */
export function hasMet(state: MeetingState, generation: number, id: string): boolean | undefined {
  if (state.generation < generation) return undefined;
  // Of an older generation nothing is known but that it was complete.
  return state.generation > generation || state.met.includes(id);
}

function stored(tx: Tx, prefix: string): MeetingState | undefined {
  const kv = tx.get(stateKey(prefix));
  return kv === undefined ? undefined : decodeState(prefix, kv.value);
}

function present(tx: Tx, prefix: string, generation: number): readonly KeyValue[] {
  const from = generationPrefix(prefix, generation);
  return tx.byAge(from, prefixEnd(from));
}

export interface ArriveArgs {
  readonly prefix: string;
  /** Names the arrival within its generation. */
  readonly id: string;
  /** The session's lease, decimal. */
  readonly lease: string;
  readonly record: Omit<ContenderRecord, "since">;
  readonly parties: number;
  /** Whether who has met stays inside, to leave later. */
  readonly stays: boolean;
}

export interface Arrived {
  /** The generation in which it arrived. */
  readonly generation: number;
  readonly complete: boolean;
  readonly arrived: number;
  /** The stored number of parties, which counts. */
  readonly parties: number;
}

export const arrive: Procedure<ArriveArgs, Arrived> = procedure(
  "selection/barrier/arrive@1",
  (tx, args) => {
    const { prefix } = args;
    const before = stored(tx, prefix);
    const { parties, generation: last } = before ?? { parties: args.parties, generation: 0 };
    const generation = last + 1;
    const key = (generationPrefix(prefix, generation) + args.id) as Bytes;
    const others = present(tx, prefix, generation).filter((kv) => kv.key !== key);
    const arrived = others.length + 1;
    const complete = arrived >= parties;
    if (complete || before === undefined) {
      const suffixes = others.map((kv) => kv.key.slice(kv.key.lastIndexOf("/") + 1));
      const met = complete ? [...suffixes, args.id] : [];
      const reached = complete ? generation : last;
      const state: MeetingState = { layout: 1, parties, generation: reached, met };
      tx.put(stateKey(prefix), utf8(JSON.stringify(state)));
    }
    if (!complete || args.stays) {
      const value = encodeRecord({ ...args.record, layout: 1, since: tx.now });
      tx.put(key, value, { lease: BigInt(args.lease) });
    }
    if (complete && !args.stays) for (const kv of others) tx.delete(kv.key);
    return { generation, complete, arrived, parties };
  },
  (args) => args.prefix,
);

export interface DepartArgs {
  readonly prefix: string;
  readonly id: string;
  /** 0: whichever it arrived in; for who does not know. */
  readonly generation: number;
}

export interface Departed {
  /** The generation was complete before it could leave. */
  readonly passed: boolean;
  /** It was not there: its session has ended. */
  readonly absent: boolean;
  /** Who had arrived, it included. */
  readonly arrived: number;
}

/** Gives up waiting, unless its generation has been completed meanwhile. */
export const depart: Procedure<DepartArgs, Departed> = procedure(
  "selection/barrier/depart@1",
  (tx, { prefix, id, generation }) => {
    const state = stored(tx, prefix);
    const last = state?.generation ?? 0;
    const met = state && generation !== 0 ? hasMet(state, generation, id) : undefined;
    if (met !== undefined) return { passed: met, absent: !met, arrived: 0 };
    const there = present(tx, prefix, last + 1);
    const own = there.find((kv) => kv.key.endsWith(`/${id}`));
    if (own !== undefined) tx.delete(own.key);
    else if (generation === 0) tx.delete((generationPrefix(prefix, last) + id) as Bytes);
    return { passed: false, absent: own === undefined, arrived: there.length };
  },
  (args) => args.prefix,
);

export interface LeaveArgs {
  readonly prefix: string;
  readonly id: string;
  readonly generation: number;
}

/** Who is still inside. */
export interface Inside {
  readonly inside: number;
  readonly oldest?: string | undefined;
}

/** Leaves a complete generation; says who is still inside. Repeated, it only looks. */
export const leaveMeeting: Procedure<LeaveArgs, Inside> = procedure(
  "selection/barrier/leave@1",
  (tx, { prefix, id, generation }) => {
    const key = (generationPrefix(prefix, generation) + id) as Bytes;
    const there = present(tx, prefix, generation);
    const others = there.filter((kv) => kv.key !== key);
    if (others.length < there.length) tx.delete(key);
    return { inside: others.length, oldest: others[0]?.key };
  },
  (args) => args.prefix,
);

/** What `explain` shows. */
export interface Survey {
  readonly parties?: number | undefined;
  readonly generation: number;
  readonly now: number;
  readonly arrived: readonly Present[];
  readonly inside: readonly Present[];
}

export interface Present {
  readonly key: string;
  readonly record: SeenRecord;
}

export const survey: Procedure<{ readonly prefix: string }, Survey> = procedure(
  "selection/barrier/survey@1",
  (tx, { prefix }) => {
    const state = stored(tx, prefix);
    const generation = state?.generation ?? 0;
    const all = (of: number): readonly Present[] =>
      present(tx, prefix, of).map((kv) => ({ key: kv.key, record: decodeRecord(kv) }));
    const arrived = all(generation + 1);
    const inside = generation === 0 ? [] : all(generation);
    return { parties: state?.parties, generation, now: tx.now, arrived, inside };
  },
  (args) => args.prefix,
);
