/**
 * Contenders under a prefix, as etcd's concurrency package lays them out: a key for each lease, whose turn it is when
 * no older one is left. Locks and elections are made of it.
 *
 * Invariants: I1 who has its turn was, at a revision, the oldest of the prefix. I2 a wait ends when the call is over,
 * and when the contender itself has gone. Source: etcd `client/v3/concurrency/{mutex,election,key}.go`; there a waiter
 * whose own key has gone waits on.
 */
import type { Bytes } from "../../base/bytes.ts";
import { QuorateError } from "../../base/errors.ts";
import { isPassedBy } from "../../contract/keyspace.ts";
import type { Compare, KeyValue, TxnOperation } from "../../contract/requests.ts";
import type { WatchHandle } from "../../keyspace/watcher.ts";
import { statusOf } from "../../wire/etcd/statuses.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";
import type { Call } from "../grpc/method.ts";
import type { EtcdContext } from "./context.ts";

/** What a caller without a lease is given; nobody keeps it alive. */
const SESSION_TTL_MS = 60_000;

export interface Contender {
  readonly prefix: Bytes;
  readonly key: Bytes;
  readonly lease: bigint;
  /** The revision that created its key. */
  readonly created: number;
}

/** The keys of the lock or election `name`. */
export function prefixOf(name: Bytes): Bytes {
  return `${name}/` as Bytes;
}

function within(prefix: Bytes): { readonly key: Bytes; readonly end: Bytes } {
  return { key: prefix, end: `${prefix.slice(0, -1)}0` as Bytes };
}

/** Has not been replaced since. `created` 0: is not there. */
export function unchanged(key: Bytes, created: number): Compare {
  return { key, result: "equal", target: { kind: "create", value: created } };
}

interface Joined {
  readonly contender: Contender;
  /** The revision of the store then. */
  readonly revision: number;
  /** The key as it was, if the lease contended before. */
  readonly before: KeyValue | undefined;
}

/** Puts the contender of `lease` (0: of a new one) in line, or finds it there. */
export async function join(
  context: EtcdContext,
  prefix: Bytes,
  given: bigint,
  value: Bytes,
): Promise<Joined> {
  const lease = given === 0n ? await grant(context) : given;
  const key = `${prefix}${lease.toString(16)}` as Bytes;
  const { revision, succeeded, responses } = await context.submit({
    kind: "txn",
    compare: [unchanged(key, 0)],
    success: [{ kind: "put", key, value, lease }],
    failure: [{ kind: "range", key }],
  });
  const found = responses[0]?.kind === "range" ? responses[0].kvs[0] : undefined;
  const created = succeeded || found === undefined ? revision : found.createRevision;
  return { contender: { prefix, key, lease, created }, revision, before: found };
}

async function grant(context: EtcdContext): Promise<bigint> {
  return (await context.submit({ kind: "leaseGrant", id: 0n, ttlMs: SESSION_TTL_MS })).id;
}

/** Waits until it is the turn of `contender`; gives the revision of then, undefined if its key is gone. */
export async function turn(
  context: EtcdContext,
  { prefix, key, created }: Contender,
  signal: AbortSignal,
): Promise<number | undefined> {
  for (;;) {
    if (signal.aborted) throw ended(signal);
    const { revision, responses } = await context.submit({
      kind: "txn",
      compare: [],
      success: [{ kind: "range", key, keysOnly: true }, newestBefore(prefix, created)],
      failure: [],
    });
    const [own, ahead] = responses.map((each) => (each.kind === "range" ? each.kvs[0] : undefined));
    if (own?.createRevision !== created) return undefined;
    if (ahead === undefined) return revision;
    await gone(context, [ahead.key, key], revision + 1, signal);
  }
}

function newestBefore(prefix: Bytes, created: number): TxnOperation {
  return {
    kind: "range",
    ...within(prefix),
    maxCreateRevision: created - 1,
    sort: { target: "create", order: "descend" },
    limit: 1,
    keysOnly: true,
  };
}

/** The oldest contender, and the revision of the store. */
export async function oldest(
  context: EtcdContext,
  prefix: Bytes,
): Promise<{ readonly kv: KeyValue | undefined; readonly revision: number }> {
  const { kvs, revision } = await context.submit({
    kind: "range",
    ...within(prefix),
    sort: { target: "create", order: "ascend" },
    limit: 1,
  });
  return { kv: kvs[0], revision };
}

/** The first put under `prefix` from `from` on; undefined if it is not known any more, or the call is over. */
export async function firstPut(
  context: EtcdContext,
  prefix: Bytes,
  from: number,
  signal: AbortSignal,
): Promise<KeyValue | undefined> {
  const range = { ...within(prefix), startRevision: from, without: "delete" } as const;
  for await (const { events } of context.watch(range, signal)) {
    const [first] = events;
    if (first !== undefined) return first.kv;
  }
  return undefined;
}

/** Takes the contender out of the line, if it is still the same. */
export async function leave(context: EtcdContext, contender: Contender): Promise<number> {
  const { key, created } = contender;
  const { revision } = await context.submit({
    kind: "txn",
    compare: [unchanged(key, created)],
    success: [{ kind: "deleteRange", key }],
    failure: [],
  });
  return revision;
}

/** `contender` leaves because of `error`, which is thrown whatever comes of it. */
export async function giveUp(
  context: EtcdContext,
  contender: Contender,
  error: unknown,
): Promise<never> {
  await leave(context, contender).catch(() => {});
  throw error;
}

/** Resolves when one of `keys` has been deleted since `from`, or nobody can tell any more. */
function gone(
  context: EtcdContext,
  keys: readonly Bytes[],
  from: number,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const handles: WatchHandle[] = [];
    const stop = (): void => {
      for (const handle of handles) handle.cancel();
      signal.removeEventListener("abort", aborted);
    };
    const done = (): void => {
      stop();
      resolve();
    };
    const aborted = (): void => {
      stop();
      reject(ended(signal));
    };
    for (const key of keys) {
      const handle = context.driver.watch(
        { key, startRevision: from, without: "put" },
        {
          started: () => {},
          batch: ({ events }) => {
            if (events.length > 0) done();
            return true;
          },
          ended: (reason) => {
            if (isPassedBy(reason)) return done();
            stop();
            reject(new QuorateError(reason));
          },
        },
      );
      handles.push(handle);
    }
    signal.addEventListener("abort", aborted, { once: true });
    // It may have been given up while the queue was read.
    if (signal.aborted) aborted();
  });
}

/** The codes that a client needs to know whether to try again. */
const KEPT: ReadonlySet<number> = new Set([GRPC.cancelled, GRPC.unavailable]);

/** `run`, with its refusals as etcd's locks and elections say them: they reach the keyspace through a client. */
export function throughClient<Q, S>(
  run: (request: Q, call: Call) => Promise<S>,
): (request: Q, call: Call) => Promise<S> {
  return async (request, call) => {
    try {
      return await run(request, call);
    } catch (error) {
      const { code, message } = statusOf(error);
      throw new RpcStatus(KEPT.has(code) ? code : GRPC.unknown, message);
    }
  };
}

/** Why a call that waited has no answer. */
function ended({ reason }: AbortSignal): RpcStatus {
  return reason instanceof RpcStatus ? reason : new RpcStatus(GRPC.cancelled, "context canceled");
}
