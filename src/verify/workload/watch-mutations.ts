/** Breaches of what watches promise. */
import { utf8 } from "../../base/bytes.ts";
import type { WatchEvent } from "../../contract/keyspace.ts";
import type { Delivered, HistoryEvent, WatchAsked } from "../history/history.ts";
import { movedBehind, one, pairs, replaced, two } from "./edit.ts";
import type { Mutation } from "./mutations.ts";

const NEVER = utf8("never written");

/** One event of one batch. */
interface Told {
  readonly batch: Delivered;
  readonly at: number;
  readonly event: WatchEvent;
  /** Index of the batch among the events. */
  readonly index: number;
}

function told(events: readonly HistoryEvent[]): readonly Told[] {
  return events.flatMap((batch, index) =>
    batch.type === "batch" ? batch.events.map((event, at) => ({ batch, at, event, index })) : [],
  );
}

/** Events of revisions that an answered write made, so that they are beyond doubt. */
function certain(events: readonly HistoryEvent[]): readonly Told[] {
  const made = new Set(pairs(events, "put", "txn").map(({ answer }) => answer.revision));
  return told(events).filter(({ event }) => event.kind === "put" && made.has(event.kv.modRevision));
}

function with_(batch: Delivered, events: readonly WatchEvent[]): Delivered {
  return { ...batch, events };
}

function changed(
  events: readonly HistoryEvent[],
  { batch, at, index }: Told,
  event: WatchEvent,
): readonly HistoryEvent[] {
  const own = batch.events.map((each, place) => (place === at ? event : each));
  return replaced(events, index, with_(batch, own));
}

function asked(events: readonly HistoryEvent[], watch: string): WatchAsked {
  return events.find((event) => event.type === "watch" && event.watch === watch) as WatchAsked;
}

function isWhole({ batch }: Told): boolean {
  return batch.partial !== true;
}

export const WATCH_MUTATIONS: readonly Mutation[] = [
  {
    name: "an event that was not told",
    check: "watch",
    apply(events, chance) {
      const found = one(certain(events).filter(isWhole), chance);
      if (found === undefined) return undefined;
      const { batch, at, index } = found;
      return replaced(
        events,
        index,
        with_(
          batch,
          batch.events.filter((_, place) => place !== at),
        ),
      );
    },
  },
  {
    name: "an event that was told twice",
    check: "watch",
    apply(events, chance) {
      const found = one(told(events), chance);
      if (found === undefined) return undefined;
      const { batch, at, index, event } = found;
      const own = [...batch.events.slice(0, at), event, ...batch.events.slice(at)];
      return replaced(events, index, with_(batch, own));
    },
  },
  {
    name: "two events in the wrong order",
    check: "watch",
    apply(events, chance) {
      const found = two(
        told(events).filter(isWhole),
        chance,
        (a, b) => a.index === b.index && a.event.kv.modRevision < b.event.kv.modRevision,
      );
      if (found === undefined) return undefined;
      const [a, b] = found;
      const own = [...a.batch.events];
      own[a.at] = b.event;
      own[b.at] = a.event;
      return replaced(events, a.index, with_(a.batch, own));
    },
  },
  {
    name: "the events of a transaction split",
    check: "watch",
    apply(events, chance) {
      const found = two(
        told(events).filter(isWhole),
        chance,
        (a, b) => a.index === b.index && a.event.kv.modRevision === b.event.kv.modRevision,
      );
      if (found === undefined) return undefined;
      const [{ batch, at, index, event }] = found;
      const first = batch.events.slice(0, at + 1);
      const rest = with_(batch, batch.events.slice(at + 1));
      const { modRevision: revision } = event.kv;
      return replaced(events, index, { ...with_(batch, first), revision }, rest);
    },
  },
  {
    name: "an event with a value that nobody wrote",
    check: "watch",
    apply(events, chance) {
      const found = one(certain(events), chance);
      if (found === undefined) return undefined;
      const { event } = found;
      return changed(events, found, { ...event, kv: { ...event.kv, value: NEVER } });
    },
  },
  {
    name: "an event with a wrong previous value",
    check: "watch",
    apply(events, chance) {
      const found = one(
        told(events).filter(({ event }) => event.prevKv !== undefined),
        chance,
      );
      if (found?.event.prevKv === undefined) return undefined;
      const { event } = found;
      const prevKv = { ...found.event.prevKv, value: NEVER };
      return changed(events, found, { ...event, prevKv });
    },
  },
  {
    name: "an event without its previous value",
    check: "watch",
    apply(events, chance) {
      const compacted = events.some(
        (event) => event.type === "invoke" && event.call.kind === "compact",
      );
      const found = one(
        certain(events).filter(({ event }) => event.prevKv !== undefined),
        chance,
      );
      if (found === undefined || compacted) return undefined;
      const { kind, kv } = found.event;
      return changed(events, found, { kind, kv });
    },
  },
  {
    name: "progress that was told too early",
    check: "watch",
    apply(events, chance) {
      const found = one(told(events), chance);
      if (found === undefined) return undefined;
      const { batch, event, index } = found;
      const { modRevision: revision } = event.kv;
      const early: Delivered = {
        type: "batch",
        at: batch.at,
        watch: batch.watch,
        revision,
        events: [],
      };
      return replaced(events, index, early, batch);
    },
  },
  {
    name: "a watch that goes on one revision too late",
    check: "watch",
    apply(events, chance) {
      const resumed = events.filter(
        (event): event is WatchAsked =>
          event.type === "watch" && event.resumes !== undefined && event.from !== undefined,
      );
      const found = one(resumed, chance);
      if (found?.from === undefined) return undefined;
      const from = found.from + 1;
      const without = events.map((event) =>
        event.type === "batch" && event.watch === found.watch
          ? with_(
              event,
              event.events.filter(({ kv }) => kv.modRevision >= from),
            )
          : event,
      );
      return replaced(without, events.indexOf(found), { ...found, from });
    },
  },
  {
    name: "an event of a key outside of the range",
    check: "watch",
    apply(events, chance) {
      const narrow = told(events).filter(
        ({ batch }) => asked(events, batch.watch).end === undefined,
      );
      const found = one(narrow, chance);
      if (found === undefined) return undefined;
      const { event } = found;
      return changed(events, found, { ...event, kv: { ...event.kv, key: utf8("elsewhere") } });
    },
  },
  {
    name: "an event that came before its write was asked for",
    check: "keyspace",
    apply(events, chance) {
      const puts = pairs(events, "put");
      const able = told(events).flatMap(({ batch, event, index }) => {
        const put = puts.find(({ answer }) => answer.revision === event.kv.modRevision);
        const opened = events.findIndex(
          (each) => each.type === "watching" && each.watch === batch.watch,
        );
        const first = events.findIndex(
          (each) => each.type === "batch" && each.watch === batch.watch,
        );
        return put !== undefined && first === index && opened + 1 < put.from
          ? [{ index, behind: put.from - 1 }]
          : [];
      });
      const found = one(able, chance);
      return found && movedBehind(events, [found.index], found.behind);
    },
  },
];
