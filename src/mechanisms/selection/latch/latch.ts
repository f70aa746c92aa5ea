/**
 * The latch: opens when it has been counted down to nothing, and stays open. One record; everybody who waits awaits it.
 *
 * Guarantee: as the engine's consistency; nobody passes before `count` countdowns have been committed.
 * Cost: a countdown is one round trip and flush; a wait one round trip and one watch, whose last event lets it pass.
 * Leaves out: who counted. Whoever must not count twice over a restart uses a barrier, or counts under a lock.
 * Source: `CountDownLatch` (Lea, JSR-166); here shared by processes and durable as the engine is.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { OnCommitment, CommitmentPlane } from "../../../contract/plane.ts";
import { strongEnough } from "../contention/arguments.ts";
import { ask, told } from "../contention/contended.ts";
import type { StandOptions } from "../contention/line.ts";
import { attended } from "../contention/attended.ts";
import { abortedWait, untilSays } from "../contention/await-key.ts";
import type { Name } from "../contention/layout.ts";
import { contenderPrefix, nameText } from "../contention/layout.ts";
import { latchCard } from "./card.ts";
import { countDown, decodeLatch } from "./procedures.ts";

export interface LatchOptions {
  /** With how many it begins. The first countdown stores it, and what is stored counts. */
  readonly count: number;
}

export type Opened =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** "cleared": somebody removed it while this waited. */
      readonly reason: "timeout" | "cleared";
      readonly why: string;
      readonly count: number;
    };

/** A latch as data. */
export interface LatchExplanation {
  readonly object: string;
  /** How many are still missing. */
  readonly count: number;
  readonly of: number;
  readonly open: boolean;
  /** False: nobody has counted yet. */
  readonly begun: boolean;
}

export interface LatchHandle {
  readonly name: string;
  /** Counts down by `by` (default 1); gives how many are still missing. An open latch stays open. */
  countDown(
    options?: Pick<StandOptions, "signal" | "timeoutMs"> & { readonly by?: number | undefined },
  ): Promise<number>;
  /** Waits until it is open, at most `waitMs` (default: for ever). Aborting rejects with ABORTED (definite). */
  wait(options?: StandOptions): Promise<Opened>;
  /** How many are still missing. */
  count(): Promise<number>;
  /** Removes it, so that the name can be used anew; who waits is told "cleared". False if there was none. */
  clear(): Promise<boolean>;
  /** How many are missing, at each change. */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<LatchChange, void>;
  explain(): Promise<LatchExplanation>;
}

export interface LatchChange {
  readonly revision: number;
  readonly count: number;
}

interface Latch {
  readonly plane: CommitmentPlane;
  readonly object: string;
  readonly key: Bytes;
  readonly count: number;
}

/** The latch called `name`. No I/O. Throws INVALID for an empty name or a count that is no positive integer. */
export function latch(on: OnCommitment, name: Name, options: LatchOptions): LatchHandle {
  const called = nameText(name, "latch");
  const object = `latch ${called}`;
  const plane = strongEnough(on.commitment, latchCard, object);
  requirePositive(object, "count", options.count);
  const key = `${contenderPrefix("latch", called)}state` as Bytes;
  const it: Latch = { plane, object, key, count: options.count };
  return {
    name: called,
    countDown: async (given = {}) => {
      const { by = 1, signal, timeoutMs } = given;
      requirePositive(object, "by", by);
      const args = { key, count: it.count, by };
      return (await ask(it, countDown, args, { signal, timeoutMs })).result.count;
    },
    wait: (given = {}) => wait(it, given),
    count: async () => (await explain(it)).count,
    clear: async () => {
      const request = { kind: "deleteRange", key: (plane.prefix + key) as Bytes } as const;
      return (await told(it, plane.keyspace.call(request))).deleted > 0;
    },
    watch: (given) => attended(plane, changes(it, given?.signal)),
    explain: () => explain(it),
  };
}

async function read(
  on: Latch,
  options: StandOptions = {},
): Promise<LatchExplanation & { readonly revision: number }> {
  const { keyspace, prefix } = on.plane;
  const { signal, timeoutMs } = options;
  const request = { kind: "range", key: (prefix + on.key) as Bytes } as const;
  const { kvs, revision } = await told(on, keyspace.call(request, { signal, timeoutMs }));
  const [kv] = kvs;
  const state = kv === undefined ? undefined : decodeLatch(on.key, kv.value);
  const { count, of } = state ?? { count: on.count, of: on.count };
  return { object: on.object, count, of, open: count === 0, begun: state !== undefined, revision };
}

async function explain(on: Latch): Promise<LatchExplanation> {
  const { revision: _, ...explained } = await read(on);
  return explained;
}

async function wait(on: Latch, options: StandOptions): Promise<Opened> {
  const { plane } = on;
  const { signal, waitMs = Infinity, timeoutMs } = options;
  const done = plane.busy();
  const following = plane.follow([signal, plane.closing]);
  try {
    const first = await read(on, options);
    let { count, begun } = first;
    if (count === 0) return { ok: true };
    const says = (value: Bytes | undefined): "open" | "cleared" | undefined => {
      // One that nobody has begun cannot be cleared: until then its absence says nothing.
      if (value === undefined) return begun ? "cleared" : undefined;
      begun = true;
      ({ count } = decodeLatch(on.key, value));
      return count === 0 ? "open" : undefined;
    };
    const awaited = { key: on.key, from: first.revision, says, timeoutMs };
    const end = await told(on, untilSays(plane, awaited, waitMs, following.signal));
    if (end === "open") return { ok: true };
    if (following.signal.aborted) throw abortedWait(on.object, following.signal.reason);
    const why = end === "cleared" ? "was removed" : `${count} still missing`;
    return { ok: false, reason: end === "cleared" ? "cleared" : "timeout", why, count };
  } finally {
    following.stop();
    done();
  }
}

async function* changes(
  on: Latch,
  signal: AbortSignal | undefined,
): AsyncGenerator<LatchChange, void> {
  const { keyspace, prefix } = on.plane;
  for await (const batch of keyspace.watch({ key: (prefix + on.key) as Bytes }, { signal })) {
    for (const { kind, kv } of batch.events) {
      const count = kind === "delete" ? on.count : decodeLatch(on.key, kv.value).count;
      yield { revision: kv.modRevision, count };
    }
  }
}

function requirePositive(object: string, what: string, given: number): void {
  if (Number.isSafeInteger(given) && given >= 1) return;
  throw fail("INVALID", {
    object,
    what: `${what} is ${given}`,
    remedy: "Give a positive whole number.",
  });
}
