/** Mistakes in how a member answers reads and watches, as drivers that do it so. */
import type { Failure } from "../../base/errors.ts";
import type { WatchBatch, WatchRequest } from "../../contract/keyspace.ts";
import { altered } from "../../driver/altered.ts";
import type { Driver } from "../../driver/face.ts";
import type { Base } from "../../keyspace/base.ts";
import type { Lease } from "../../keyspace/leases.ts";
import type { HubHandle, WatchSink } from "../../keyspace/watcher.ts";
import type { ReplicaParts } from "../../replica/inputs.ts";

/** A member that does not lead answers reads as if it did. */
export function readsAnywhere(driver: Driver): Driver {
  return altered(driver, {
    submit: (request, caller, done, identity) => {
      const asked =
        request.kind === "range" && driver.standing().role !== "leader"
          ? ({ ...request, consistency: "serializable" } as const)
          : request;
      driver.submit(asked, caller, done, identity);
    },
  });
}

type Sinks = (sink: WatchSink, request: WatchRequest) => WatchSink;

function watching(
  driver: Driver,
  sinks: Sinks,
  asks: (request: WatchRequest) => WatchRequest = (request) => request,
): Driver {
  return altered(driver, {
    watch: (request, sink, identity) => driver.watch(asks(request), sinks(sink, request), identity),
  });
}

const plainly: Sinks = (sink) => sink;

/** What a watch wants to begin with and is compacted is left out in silence. */
export function skipsCompacted(driver: Driver): Driver {
  return watching(driver, plainly, (request) => {
    const { startRevision = 0 } = request;
    const { compactRevision } = driver.status();
    if (startRevision === 0 || startRevision > compactRevision) return request;
    return { ...request, startRevision: compactRevision + 1 };
  });
}

/** A watch of the future begins at once. */
export function watchesFutureNow(driver: Driver): Driver {
  return watching(driver, plainly, (request) => {
    const { startRevision = 0 } = request;
    const { revision } = driver.status();
    return startRevision > revision ? { ...request, startRevision: revision } : request;
  });
}

/** A watch begins one revision early. */
export function startsEarly(driver: Driver): Driver {
  return watching(driver, plainly, (request) => {
    const { startRevision = 0 } = request;
    return startRevision > 1 ? { ...request, startRevision: startRevision - 1 } : request;
  });
}

/** After a member's state was replaced a watch goes on where it began. */
export function startsAnew(driver: Driver): Driver {
  return altered(driver, {
    watch: (request, sink, identity) => {
      let handle: HubHandle | undefined;
      const again: WatchSink = {
        started: () => {},
        batch: (batch) => sink.batch(batch),
        ended: (failure) => sink.ended(failure),
      };
      handle = driver.watch(
        request,
        {
          ...again,
          started: (revision) => sink.started(revision),
          ended: (failure: Failure) => {
            if (failure.code !== "LEADER_CHANGED") return sink.ended(failure);
            const startRevision = Math.max(1, driver.status().compactRevision + 1);
            handle = driver.watch({ ...request, startRevision }, again, identity);
          },
        },
        identity,
      );
      return {
        resume: () => handle?.resume(),
        progress: () => handle?.progress(),
        cancel: () => handle?.cancel(),
        complete: () => handle?.complete() ?? false,
      };
    },
  });
}

/** What comes while a stream is not read is lost. */
export function losesWhenSlow(driver: Driver): Driver {
  return watching(driver, (sink) => {
    let isSlow = false;
    return {
      started: (revision) => sink.started(revision),
      batch: (batch) => {
        const isLost = isSlow && batch.events.length > 0;
        isSlow = !isLost && !sink.batch(batch);
        return true;
      },
      ended: (failure) => sink.ended(failure),
    };
  });
}

type Deals = (batch: WatchBatch) => readonly WatchBatch[];

function dealing(driver: Driver, deals: Deals): Driver {
  return watching(driver, (sink) => ({
    started: (revision) => sink.started(revision),
    batch: (batch) =>
      deals(batch)
        .map((each) => sink.batch(each))
        .every(Boolean),
    ended: (failure) => sink.ended(failure),
  }));
}

/** Progress up to now is told in front of the events up to now. */
export function tellsProgressFirst(driver: Driver): Driver {
  return dealing(driver, (batch) =>
    batch.events.length === 0 ? [batch] : [{ ...batch, events: [], partial: false }, batch],
  );
}

/** The events of one transaction come in two batches. */
export function splitsTransactions(driver: Driver): Driver {
  return dealing(driver, (batch) => {
    const at = batch.events.findIndex(
      ({ kv }, index) => kv.modRevision === batch.events[index + 1]?.kv.modRevision,
    );
    if (at < 0) return [batch];
    const [first, rest] = [batch.events.slice(0, at + 1), batch.events.slice(at + 1)];
    const revision = first.at(-1)?.kv.modRevision ?? batch.revision;
    return [
      { revision, events: first, partial: false },
      { ...batch, events: rest },
    ];
  });
}

/** A lease that is gone is still found by those who put. */
export function findsDeadLeases(parts: ReplicaParts): ReplicaParts {
  remembering(parts.base);
  return parts;
}

function remembering({ leases }: Base): void {
  const known = new Map<bigint, Lease>();
  const find = leases.get.bind(leases);
  leases.get = (id): Lease | undefined => {
    const found = find(id);
    if (found !== undefined) known.set(id, found);
    return found ?? known.get(id);
  };
}
