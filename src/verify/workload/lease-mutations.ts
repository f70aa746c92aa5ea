/** Breaches of what leases promise. */
import type { Delivered, HistoryEvent } from "../history/history.ts";
import { answering, one, pairs } from "./edit.ts";
import type { Mutation } from "./mutations.ts";

const MUCH_MS = 100_000;

/** Ids that were revoked on purpose, or may have been. */
function revoked(events: readonly HistoryEvent[]): ReadonlySet<bigint> {
  return new Set(
    events.flatMap((event) =>
      event.type === "invoke" && event.call.kind === "leaseRevoke" ? [event.call.id] : [],
    ),
  );
}

/** Whether an operation may have happened unknown to everybody. */
function isLossy(events: readonly HistoryEvent[]): boolean {
  const ended = new Set(
    events.flatMap((event) =>
      event.type === "answer" || event.type === "definite" ? [event.op] : [],
    ),
  );
  return events.some(
    (event) => event.type === "invoke" && !ended.has(event.op) && event.call.kind !== "campaign",
  );
}

/** Deletes of leases' keys that watches told and no answered operation made: by revision, keys with their lease. */
function ends(events: readonly HistoryEvent[]): ReadonlyMap<number, ReadonlyMap<string, bigint>> {
  const made = new Set(
    pairs(events, "put", "txn", "deleteRange", "leaseRevoke").map(({ answer }) => answer.revision),
  );
  const found = new Map<number, Map<string, bigint>>();
  for (const event of events) {
    if (event.type !== "batch") continue;
    for (const { kind, kv, prevKv } of event.events) {
      if (kind !== "delete" || made.has(kv.modRevision) || !prevKv?.lease) continue;
      const keys = found.get(kv.modRevision) ?? new Map<string, bigint>();
      found.set(kv.modRevision, keys.set(kv.key, prevKv.lease));
    }
  }
  return found;
}

export const LEASE_MUTATIONS: readonly Mutation[] = [
  {
    name: "a lease that ended before its time",
    check: "lease",
    apply(events, chance) {
      if (isLossy(events)) return undefined;
      const wanted = revoked(events);
      const gone = new Set([...ends(events).values()].flatMap((keys) => [...keys.values()]));
      const grants = pairs(events, "leaseGrant").filter(
        ({ answer }) => gone.has(answer.id) && !wanted.has(answer.id),
      );
      const grant = one(grants, chance);
      return grant && answering(events, grant, { ...grant.answer, ttlMs: MUCH_MS });
    },
  },
  {
    name: "a lease that was said to be gone before its time",
    check: "lease",
    apply(events, chance) {
      const wanted = revoked(events);
      const alive = pairs(events, "leaseKeepAlive").filter(({ invoke, answer, from, to }) => {
        const { id } = invoke.call;
        const told = (events[to] as HistoryEvent).at;
        const renewed = pairs(events, "leaseGrant", "leaseKeepAlive").some((other) => {
          const same = "id" in other.answer ? other.answer.id === id : other.invoke.call.id === id;
          const sent = (events[other.from] as HistoryEvent).at;
          return (
            same &&
            other.from !== from &&
            other.from < to &&
            other.answer.ttlMs > 0 &&
            sent + other.answer.ttlMs > told
          );
        });
        return answer.ttlMs > 0 && !wanted.has(id) && renewed;
      });
      const found = one(alive, chance);
      return found && answering(events, found, { ...found.answer, ttlMs: 0 });
    },
  },
  {
    name: "a lease that left a key behind",
    check: "watch",
    apply(events, chance) {
      if (isLossy(events)) return undefined;
      const several = [...ends(events)].filter(([, keys]) => keys.size > 1);
      const found = one(several, chance);
      if (found === undefined) return undefined;
      const [revision, keys] = found;
      const left = one([...keys.keys()], chance);
      const seen = (batch: Delivered): Delivered => ({
        ...batch,
        events: batch.events.filter(({ kv }) => kv.modRevision !== revision || kv.key !== left),
      });
      return events.map((event) => (event.type === "batch" ? seen(event) : event));
    },
  },
];
