/** Breaches of linearizability: of the keyspace, of registers, of members' states. */
import { utf8 } from "../../base/bytes.ts";
import type { HistoryEvent, StateHash } from "../history/history.ts";
import { answering, one, type Pair, pairs, replaced, two } from "./edit.ts";
import type { Mutation } from "./mutations.ts";

const NEVER = utf8("never written");

/** What was told before an index: the highest revision. */
function toldBefore(events: readonly HistoryEvent[], index: number): number {
  let told = 0;
  for (const event of events.slice(0, index)) {
    if (event.type === "batch" || event.type === "watching") told = Math.max(told, event.revision);
    if (event.type !== "answer") continue;
    told = Math.max(told, (event.answer as { readonly revision?: number }).revision ?? 0);
  }
  return told;
}

function isLinearizable({ invoke: { call } }: Pair<"range">): boolean {
  return call.consistency !== "serializable" && (call.revision ?? 0) === 0;
}

/** A write with a revision of its own; a delete that found nothing has none. */
function writes(events: readonly HistoryEvent[]): readonly Pair<"put" | "deleteRange">[] {
  return pairs(events, "put", "deleteRange").filter(
    ({ answer }) => !("deleted" in answer) || answer.deleted > 0,
  );
}

export const KEYSPACE_MUTATIONS: readonly Mutation[] = [
  {
    name: "a read at a revision older than one that was told before",
    check: "keyspace",
    apply(events, chance) {
      const stale = pairs(events, "range").filter(
        (each) => isLinearizable(each) && toldBefore(events, each.from) > 2,
      );
      const read = one(stale, chance);
      if (read === undefined) return undefined;
      return answering(events, read, {
        ...read.answer,
        revision: toldBefore(events, read.from) - 1,
      });
    },
  },
  {
    name: "a read of a value that nobody wrote",
    check: "keyspace",
    apply(events, chance) {
      const read = one(
        pairs(events, "range").filter(
          ({ invoke, answer }) => answer.kvs.length > 0 && invoke.call.keysOnly !== true,
        ),
        chance,
      );
      if (read === undefined) return undefined;
      const [first, ...others] = read.answer.kvs;
      const kvs = [{ ...(first as NonNullable<typeof first>), value: NEVER }, ...others];
      return answering(events, read, { ...read.answer, kvs });
    },
  },
  {
    name: "a read that lacks a key",
    check: "keyspace",
    apply(events, chance) {
      const whole = ({ invoke: { call }, answer }: Pair<"range">): boolean =>
        answer.count > 0 && answer.kvs.length === answer.count && call.keysOnly !== true;
      const read = one(
        pairs(events, "range").filter((each) => whole(each) && isKnown(events, each)),
        chance,
      );
      if (read === undefined) return undefined;
      const { kvs, count } = read.answer;
      return answering(events, read, { ...read.answer, kvs: kvs.slice(1), count: count - 1 });
    },
  },
  {
    name: "a write of which the history does not tell",
    check: "keyspace",
    apply(events, chance) {
      const seen = pairs(events, "put").filter(({ invoke, answer }) =>
        valueSeen(events, String(invoke.call.value), answer.revision),
      );
      const lost = one(seen, chance);
      return lost && events.filter((_, index) => index !== lost.from && index !== lost.to);
    },
  },
  {
    name: "two writes against real time",
    check: "keyspace",
    apply(events, chance) {
      const found = two(writes(events), chance, (a, b) => a.to < b.from);
      if (found === undefined) return undefined;
      const [a, b] = found;
      const once = answering(events, a, { ...a.answer, revision: b.answer.revision });
      return answering(once, b, { ...b.answer, revision: a.answer.revision });
    },
  },
  {
    name: "two writes at one revision",
    check: "keyspace",
    apply(events, chance) {
      const found = two(writes(events), chance, () => true);
      return (
        found &&
        answering(events, found[1], { ...found[1].answer, revision: found[0].answer.revision })
      );
    },
  },
  {
    name: "a put with a wrong previous value",
    check: "keyspace",
    apply(events, chance) {
      const put = one(
        pairs(events, "put").filter(({ answer }) => answer.prevKv !== undefined),
        chance,
      );
      if (put?.answer.prevKv === undefined) return undefined;
      const prevKv = { ...put.answer.prevKv, value: NEVER };
      return answering(events, put, { ...put.answer, prevKv });
    },
  },
  {
    name: "a transaction that took the other branch",
    check: "keyspace",
    apply(events, chance) {
      const kinds = (operations: readonly { readonly kind: string }[]): string =>
        operations.map(({ kind }) => kind).join();
      const txn = one(
        pairs(events, "txn").filter(
          ({ invoke: { call } }) => kinds(call.success) !== kinds(call.failure),
        ),
        chance,
      );
      if (txn === undefined) return undefined;
      return answering(events, txn, { ...txn.answer, succeeded: !txn.answer.succeeded });
    },
  },
  {
    name: "a read of a register's value that nobody wrote",
    check: "register",
    apply(events, chance) {
      const read = one(pairs(events, "read"), chance);
      return read && answering(events, read, { value: String(NEVER) });
    },
  },
  {
    name: "members with two states at one revision",
    check: "state",
    apply(events, chance) {
      const states = events.filter((event): event is StateHash => event.type === "state");
      const found = two(
        states,
        chance,
        (a, b) => a.revision === b.revision && a.compactRevision === b.compactRevision,
      );
      if (found === undefined) return undefined;
      return replaced(events, events.indexOf(found[1]), { ...found[1], hash: "another" });
    },
  },
];

/** Whether the first key that was read is certainly there: written by an answered put at that revision. */
function isKnown(events: readonly HistoryEvent[], { answer }: Pair<"range">): boolean {
  const { modRevision } = answer.kvs[0] as (typeof answer.kvs)[number];
  const lossless = !events.some(
    (event) =>
      event.type === "indefinite" || (event.type === "invoke" && !returns(events, event.op)),
  );
  return lossless && modRevision > 0;
}

function returns(events: readonly HistoryEvent[], op: number): boolean {
  return events.some((event) => "op" in event && event.op === op && event.type !== "invoke");
}

/** Whether somebody saw this value of this revision, which no other operation writes. */
function valueSeen(events: readonly HistoryEvent[], value: string, revision: number): boolean {
  const once = events.filter(
    (event) => event.type === "invoke" && JSON.stringify(plain(event.call)).includes(`"${value}"`),
  );
  if (once.length !== 1) return false;
  return events.some((event) => {
    if (event.type === "batch")
      return event.events.some(({ kv }) => kv.value === value && kv.modRevision === revision);
    if (event.type !== "answer" || !("kvs" in event.answer)) return false;
    return event.answer.kvs.some((kv) => kv.value === value && kv.modRevision === revision);
  });
}

/** Without 64-bit ids, which JSON has not. */
function plain(call: object): unknown {
  return JSON.parse(
    JSON.stringify(call, (_, each: unknown) => (typeof each === "bigint" ? 0 : each)),
  );
}
