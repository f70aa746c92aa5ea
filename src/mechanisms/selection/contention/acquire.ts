/**
 * Acquiring by age: joins, awaits the one contender in front, looks again.
 *
 * Invariants: I1 the answer "yours" is given only after the session has been checked once more, because waiting can
 * outlast a lease (Jepsen's finding on etcd's lock, 2020). I2 a waiter watches one key: one release wakes one waiter. I3
 * whoever stops waiting leaves the queue, and is taken out until the engine has confirmed it or its session ends.
 * Cost: one round trip and flush when free, one more round trip per wake-up.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { Ran } from "../../../contract/keyspace.ts";
import type { CommitmentPlane, Session } from "../../../contract/plane.ts";
import { sleep } from "../../../ports/clock.ts";
import { Held } from "./held.ts";
import type { ContenderRecord } from "./layout.ts";
import { contenderKey, describe, prefixEnd } from "./layout.ts";
import type { Holder, Standing } from "./procedures.ts";
import { enter, leave, look } from "./procedures.ts";
import type { Rule } from "./rules.ts";

/** One object that is contended for. */
export interface Contended {
  readonly plane: CommitmentPlane;
  /** For messages: `lock orders/42`. */
  readonly object: string;
  readonly prefix: Bytes;
  readonly rule: Rule;
}

export interface AcquireOptions {
  /** How long to stand in line, ms; default 0: own at once or not at all. Infinity: until aborted. */
  readonly waitMs?: number | undefined;
  /** Aborting while waiting rejects with ABORTED and leaves the queue. */
  readonly signal?: AbortSignal | undefined;
  /** How long the engine may take to answer, ms; default that of the connection. TIMEOUT is indefinite. */
  readonly timeoutMs?: number | undefined;
}

/** Of a call that waits until it owns. */
export type WaitOptions = Omit<AcquireOptions, "waitMs">;

/** What a contender says of itself beyond who it is. */
export type Claim = Pick<ContenderRecord, "label" | "mode" | "weight" | "value"> & {
  readonly raw?: string | undefined;
};

/** Not acquired. Disposable like its counterpart, so that `await using` takes either. */
export interface NotHeld {
  readonly ok: false;
  readonly reason: "held" | "timeout";
  /** One line for a log. */
  readonly why: string;
  readonly holder: string | undefined;
  readonly holderToken: number | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Delay before the engine is told again of a release, ms; doubles. */
const LEAVE_RETRY_MS = 50;

interface Place {
  readonly key: Bytes;
  readonly created: number;
  readonly token: number;
}

export async function acquire(
  on: Contended,
  claim: Claim,
  options: AcquireOptions = {},
): Promise<Held | NotHeld> {
  const { plane } = on;
  const done = plane.busy();
  try {
    const session = await plane
      .session(options.signal, options.timeoutMs)
      .catch((error: unknown) => Promise.reject(about(on, error)));
    const key = contenderKey(on.prefix, session.lease, session.nextHold());
    const joined = await join(on, session, key, claim, options);
    if (joined.result.state === "refused") return notHeld(on, joined.result, "held");
    return await settle(on, session, placeOf(key, joined.result), joined, options);
  } finally {
    done();
  }
}

/** Acquires, however long that takes. Throws ABORTED (definite) when `signal` aborts first. */
export async function acquireWaiting(
  on: Contended,
  claim: Claim,
  options: WaitOptions = {},
): Promise<Held> {
  const held = await acquire(on, claim, { ...options, waitMs: Infinity });
  if (held.ok) return held;
  const what = "an endless wait ended";
  throw fail("BUG", { object: on.object, what, remedy: "Report this." });
}

/** A call that may have joined though it failed is taken out again as far as possible. */
async function join(
  on: Contended,
  session: Session,
  key: Bytes,
  claim: Claim,
  options: AcquireOptions,
): Promise<Ran<Standing>> {
  const { signal, timeoutMs, waitMs = 0 } = options;
  const queue = waitMs > 0;
  const { raw, ...said } = claim;
  const record = { layout: 1 as const, ...on.plane.identity, ...said };
  const args = {
    prefix: on.prefix,
    key,
    lease: session.lease.toString(),
    record,
    rule: on.rule,
    queue,
    raw,
  };
  try {
    return await on.plane.keyspace.run(enter, args, { signal, timeoutMs, prefix: on.plane.prefix });
  } catch (error) {
    if (QuorateError.is(error) && error.outcome === "indefinite")
      void withdraw(on, session, { key, created: 0, token: 0 });
    throw about(on, error);
  }
}

/** A failure of the way to the engine, told of what was wanted rather than of the request that it took. */
function about(on: Contended, error: unknown): unknown {
  if (!QuorateError.is(error) || error.code === "CLOSED" || error.code === "SHUTDOWN") return error;
  const told = error as QuorateError;
  return new QuorateError({ ...told.failure, object: on.object }, told.cause);
}

function placeOf(key: Bytes, standing: Standing): Place {
  const created = Number(standing.created);
  return { key, created, token: standing.tokenBase + created };
}

/** From the place in line to holding it, or to having left. */
async function settle(
  on: Contended,
  session: Session,
  place: Place,
  first: Ran<Standing>,
  options: AcquireOptions,
): Promise<Held | NotHeld> {
  try {
    const standing =
      first.result.state === "waits"
        ? await untilNext(on, session, place, first, options)
        : first.result;
    if (standing.state === "waits") {
      await withdraw(on, session, place);
      return notHeld(on, standing, "timeout");
    }
    throwIfStopped(on, session, options.signal);
    if (standing.state === "absent") throw lostPlace(on);
  } catch (error) {
    await withdraw(on, session, place);
    throw error;
  }
  return new Held({
    ...place,
    object: on.object,
    session,
    plane: on.plane,
    release: () => withdraw(on, session, place),
  });
}

/** Where it stands when it no longer waits, or when the time is over and it still does. */
async function untilNext(
  on: Contended,
  session: Session,
  place: Place,
  first: Ran<Standing>,
  options: AcquireOptions,
): Promise<Standing> {
  const { plane } = on;
  const until = plane.clock.monotonicMs() + (options.waitMs ?? 0);
  const args = { key: place.key, created: place.created, prefix: on.prefix, rule: on.rule };
  const following = plane.follow([options.signal, session.signal, plane.closing]);
  let { result: standing, revision } = first;
  try {
    while (standing.state === "waits") {
      const leftMs = until - plane.clock.monotonicMs();
      if (leftMs <= 0) return standing;
      await gone(on, standing.behind as Bytes, revision, leftMs, following.signal);
      throwIfStopped(on, session, options.signal);
      ({ result: standing, revision } = await plane.keyspace.run(look, args, {
        prefix: plane.prefix,
      }));
    }
    return standing;
  } finally {
    following.stop();
  }
}

function throwIfStopped(on: Contended, session: Session, signal: AbortSignal | undefined): void {
  if (session.signal.aborted) throw session.signal.reason;
  const stop = signal?.aborted === true ? signal : on.plane.closing;
  if (!stop.aborted) return;
  const what = "was aborted while it waited, and has left the queue";
  const remedy = "Nothing is held.";
  throw fail("ABORTED", { object: on.object, what, remedy, outcome: "definite" }, stop.reason);
}

function lostPlace(on: Contended): QuorateError {
  return fail("LOST", {
    object: on.object,
    what: "the place in the queue was taken away while it waited",
    remedy: "Acquire again; somebody deleted the contender's key or revoked the lease.",
  });
}

/**
 * Resolves when the one in front has gone since `revision`, the time is over or `stop` aborts. For permits, anybody
 * older may free what is missing, so all are watched.
 */
async function gone(
  on: Contended,
  behind: Bytes,
  revision: number,
  leftMs: number,
  stop: AbortSignal,
): Promise<void> {
  const { keyspace, prefix, clock } = on.plane;
  const over = new AbortController();
  const onStop = (): void => over.abort();
  stop.addEventListener("abort", onStop, { once: true });
  if (stop.aborted) onStop();
  try {
    const all = on.rule.kind === "permits";
    const key = (prefix + (all ? on.prefix : behind)) as Bytes;
    const end = all ? prefixEnd(key) : undefined;
    const request = { key, end, startRevision: revision + 1, without: "put" as const };
    const watch = keyspace.watch(request, { signal: over.signal });
    const deleted = (async (): Promise<void> => {
      for await (const batch of watch) if (batch.events.length > 0) return;
    })();
    const bound = leftMs === Infinity ? [] : [sleep(clock, leftMs, over.signal)];
    await Promise.race([deleted, ...bound]);
  } catch (error) {
    // A watch that ended (compaction, a slow start) is no news: looking again tells where things stand.
    if (!stop.aborted && !QuorateError.is(error)) throw error;
  } finally {
    stop.removeEventListener("abort", onStop);
    over.abort();
  }
}

/**
 * Leaves the queue or releases: one attempt is awaited; if the engine could not be told, attempts go on for as long as
 * the session lives, because its heartbeat would keep what was let go.
 */
async function withdraw(on: Contended, session: Session, place: Place): Promise<void> {
  if (!(await leaveOnce(on, session, place))) void keepLeaving(on, session, place);
}

async function keepLeaving(on: Contended, session: Session, place: Place): Promise<void> {
  let delayMs = LEAVE_RETRY_MS;
  do {
    await sleep(on.plane.clock, delayMs, session.signal);
    delayMs = Math.min(2 * delayMs, session.ttlMs / 3);
  } while (!session.signal.aborted && !(await leaveOnce(on, session, place)));
}

/** Whether the engine has been told. */
async function leaveOnce(on: Contended, session: Session, place: Place): Promise<boolean> {
  const options = { prefix: on.plane.prefix, timeoutMs: session.ttlMs };
  return await on.plane.keyspace
    .run(leave, { key: place.key, created: place.created }, options)
    .then(
      () => true,
      () => false,
    );
}

export function notHeld(
  on: Pick<Contended, "object">,
  standing: Standing,
  reason: "held" | "timeout",
): NotHeld {
  const { holder } = standing;
  return {
    ok: false,
    reason,
    why: whyNot(holder, standing.waiting),
    holder: holder === undefined ? undefined : describe(holder.record, holder.key),
    holderToken: holder?.token,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function whyNot(holder: Holder | undefined, waiting: number): string {
  const queue = waiting > 0 ? `, ${waiting} waiting` : "";
  if (holder === undefined) return `not owned yet${queue}`;
  const { since } = holder.record;
  const held =
    since === undefined ? "" : ` for ${Math.max(0, Math.round((holder.now - since) / 1_000))} s`;
  return `held by ${describe(holder.record, holder.key)}${held} (token ${holder.token})${queue}`;
}
