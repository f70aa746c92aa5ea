/**
 * Standing in line: joins, awaits what is in front, looks again, until it owns or stops waiting. What is stood in line
 * for, one object or several, says how to join, look and leave.
 *
 * Invariants: I1 the answer "yours" is given only after the session has been checked once more, because waiting can
 * outlast a lease (Jepsen's finding on etcd's lock, 2020). I2 whoever stops waiting leaves the queue, and is taken out
 * until the engine has confirmed it or its session ends.
 * Cost: one round trip and flush when free, one more round trip per wake-up.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { Ran, WatchEvent } from "../../../contract/keyspace.ts";
import type { CommitmentPlane, Session } from "../../../contract/plane.ts";
import { sleep } from "../../../ports/clock.ts";
import { endedBy } from "../../membership/session/ended-by.ts";
import { about } from "./contended.ts";
import { decodeRecord, prefixEnd } from "./layout.ts";
import { permitsKey } from "./permits.ts";
import type { Standing } from "./queue.ts";
import { tell, tellOfLate } from "./tell.ts";

/** What every call that stands in line takes. */
export interface StandOptions {
  /** How long to stand in line, ms; default 0: own at once or not at all. Infinity: until aborted. */
  readonly waitMs?: number | undefined;
  /** Aborting while waiting rejects with ABORTED (definite) and leaves the queue; before the first answer of the engine, indefinite. */
  readonly signal?: AbortSignal | undefined;
  /**
   * How long the engine may take for each answer, ms; default that of the connection. TIMEOUT is indefinite unless it says
   * otherwise: whoever may have got a place by then is taken out of it in the background.
   */
  readonly timeoutMs?: number | undefined;
}

/** One place, in one queue or in several. */
export interface Line {
  readonly plane: CommitmentPlane;
  /** For messages: `lock orders/42`. */
  readonly object: string;
  /**
   * The object's prefix if anybody older, or another number of permits, may free what is missing; absent: only who is
   * directly in front.
   */
  readonly anybodyIn?: Bytes | undefined;
  /** The contender's own key, by which it is told that it has been granted. */
  readonly key: Bytes;
  join(): Promise<Ran<Standing>>;
  look(created: number, signal: AbortSignal): Promise<Ran<Standing>>;
  /** Has an object that is nobody's granted to whoever is next. */
  promote?(signal: AbortSignal): Promise<unknown>;
  /** Leaves the place created then; 0: whatever is there. */
  leave(created: number): Promise<unknown>;
}

/** How standing in line has ended. */
export type Stood =
  | {
      readonly state: "owns";
      readonly created: number;
      readonly token: number;
      /** At which it owned. */
      readonly revision: number;
    }
  | { readonly state: "held" | "timeout"; readonly standing: Standing };

/**
 * Joins and waits. Throws what the engine throws, and ABORTED when `signal` aborts: definite once the engine has said where it
 * stands; before that it may have joined, and is taken out in the background.
 */
export async function standInLine(
  line: Line,
  session: Session,
  options: StandOptions,
): Promise<Stood> {
  const first = await join(line, session);
  if (first.result.state === "refused") return { state: "held", standing: first.result };
  const created = Number(first.result.created);
  try {
    const last =
      first.result.state === "waits"
        ? await untilNext(line, session, created, first, options)
        : first;
    const { result: standing, revision } = last;
    if (standing.state === "waits") {
      await withdraw(line, session, created);
      return { state: "timeout", standing };
    }
    throwIfStopped(line, session, options.signal);
    if (standing.state === "absent") throw lostPlace(line);
    const token = standing.tokenBase + Number(standing.owned ?? created);
    return { state: "owns", created, token, revision };
  } catch (error) {
    await withdraw(line, session, created);
    throw error;
  }
}

/** A call that may have joined though it failed is taken out again as far as possible. */
async function join(line: Line, session: Session): Promise<Ran<Standing>> {
  try {
    return await line.join();
  } catch (error) {
    if (QuorateError.is(error) && error.outcome === "indefinite")
      tellOfLate(line.plane, session, () => line.leave(0));
    throw about(line, endedBy(session, error));
  }
}

/** Where it stands when it no longer waits, or when the time is over and it still does. */
async function untilNext(
  line: Line,
  session: Session,
  created: number,
  first: Ran<Standing>,
  options: StandOptions,
): Promise<Ran<Standing>> {
  const { plane } = line;
  const until = plane.clock.monotonicMs() + (options.waitMs ?? 0);
  const following = plane.follow([options.signal, session.signal, plane.closing]);
  const { signal } = following;
  let last = first;
  try {
    while (last.result.state === "waits") {
      const { behind, granted, promote } = last.result;
      const leftMs = until - plane.clock.monotonicMs();
      if (leftMs <= 0) return last;
      if (promote === true) await line.promote?.(signal);
      else if (behind !== undefined || granted === true) await changed(line, last, leftMs, signal);
      throwIfStopped(line, session, options.signal);
      last = await line.look(created, signal);
    }
    return last;
  } catch (error) {
    // A question that was broken off is no failure of its own.
    throwIfStopped(line, session, options.signal);
    throw about(line, error);
  } finally {
    following.stop();
  }
}

function throwIfStopped(line: Line, session: Session, signal: AbortSignal | undefined): void {
  if (session.signal.aborted) throw session.signal.reason;
  const stop = signal?.aborted === true ? signal : line.plane.closing;
  if (!stop.aborted) return;
  const what = "was aborted while it waited, and has left the queue";
  const remedy = "Nothing is held.";
  throw fail("ABORTED", { object: line.object, what, remedy, outcome: "definite" }, stop.reason);
}

function lostPlace(line: Line): QuorateError {
  return fail("LOST", {
    object: line.object,
    what: "the place in the queue was taken away while it waited",
    remedy: "Acquire again; somebody deleted the contender's key or revoked the lease.",
  });
}

/**
 * Resolves when the one in front has gone since it was looked at, or this one was told by its own key; when the time is over
 * or `stop` aborts.
 */
async function changed(
  line: Line,
  { result, revision }: Ran<Standing>,
  leftMs: number,
  stop: AbortSignal,
): Promise<void> {
  const { clock } = line.plane;
  const over = new AbortController();
  const onStop = (): void => over.abort();
  stop.addEventListener("abort", onStop, { once: true });
  if (stop.aborted) onStop();
  try {
    const watching = [...watches(line, result)].map(async ({ wakes, ...range }) => {
      const request = { ...range, startRevision: revision + 1 };
      for await (const batch of line.plane.keyspace.watch(request, { signal: over.signal }))
        if (batch.events.some(wakes)) return;
    });
    const bound = leftMs === Infinity ? [] : [sleep(clock, leftMs, over.signal)];
    await Promise.race([...watching, ...bound]);
  } catch (error) {
    // A watch that ended (compaction, a slow start) is no news: looking again tells where things stand.
    if (!stop.aborted && !QuorateError.is(error)) throw error;
  } finally {
    stop.removeEventListener("abort", onStop);
    over.abort();
  }
}

interface Watching {
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
  readonly without?: "put" | undefined;
  readonly wakes: (event: WatchEvent) => boolean;
}

function* watches(line: Line, { behind, granted }: Standing): Generator<Watching> {
  const { prefix } = line.plane;
  if (granted === true) yield { key: (prefix + line.key) as Bytes, wakes: () => true };
  if (line.anybodyIn !== undefined) {
    const key = (prefix + line.anybodyIn) as Bytes;
    yield { key, end: prefixEnd(key), without: "put", wakes: () => true };
    yield { key: permitsKey(key), wakes: () => true };
  } else if (behind !== undefined) {
    yield { key: (prefix + behind) as Bytes, wakes: isWord };
  }
}

/** Whether what happened to the key in front is a word to whoever waits behind it: it is gone, or its bell was rung. */
function isWord({ kind, kv }: WatchEvent): boolean {
  if (kind === "delete") return true;
  const { layout, bell } = decodeRecord(kv);
  return layout !== 1 || bell !== undefined;
}

/** Leaves the queue or releases; the engine is told until it knows, or the session ends. */
export async function withdraw(line: Line, session: Session, created: number): Promise<void> {
  await tell(line.plane, session, () => line.leave(created));
}
