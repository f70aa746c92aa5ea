/**
 * The Keyspace contract: what every engine gives and every mechanism stands on. One method asks, one watches.
 *
 * Guarantees (each engine declares its level in `guarantee`; the contract suite tests it):
 * I1 a resolved `call` has happened at the declared durability; I2 a rejected one says definite or indefinite;
 * I3 `watch` gives every change of its range from its start revision, in order, a revision never split unless
 * `fragment` is asked for, or ends with COMPACTED or SLOW_CONSUMER and the revision to resume from: never a gap.
 */
import type { Bytes } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import type { Guarantee } from "./guarantee.ts";
import type { Procedure } from "./procedure.ts";
import type { KeyValue, Request, ResponseOf } from "./requests.ts";

/** What every waiting call takes. */
export interface CallOptions {
  /** Aborting before the request is sent is definite; after, the error is indefinite. */
  readonly signal?: AbortSignal | undefined;
  /** How long the engine may take before the call fails with TIMEOUT; default that of the connection. */
  readonly timeoutMs?: number | undefined;
}

export interface WatchRequest {
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
  /** First revision wanted; absent or 0: from now on. A future one waits. */
  readonly startRevision?: number | undefined;
  /** Kinds of event left out. */
  readonly without?: "put" | "delete" | undefined;
  readonly prevKv?: boolean | undefined;
  /** Send an empty batch when nothing happened for a while, so that `revision` moves on. */
  readonly progress?: boolean | undefined;
  /** Allow one revision's events to come in several batches. */
  readonly fragment?: boolean | undefined;
}

export interface WatchEvent {
  readonly kind: "put" | "delete";
  /** For a delete: key and modRevision, the rest empty. */
  readonly kv: KeyValue;
  readonly prevKv?: KeyValue | undefined;
}
export interface WatchBatch {
  /** Everything up to this revision has been delivered, unless `partial`. */
  readonly revision: number;
  readonly events: readonly WatchEvent[];
  /** More events of `revision` follow (only with `fragment`). */
  readonly partial: boolean;
}

/** Whether a watch that ended so was passed by: what it had to tell is forgotten, while what is there now can be read. */
export function isPassedBy({ code }: Failure): boolean {
  return code === "COMPACTED" || code === "SLOW_CONSUMER";
}

/** A stream of changes. Leaving the loop, or aborting the signal, ends it; an aborted loop simply ends. */
export interface Watch extends AsyncIterable<WatchBatch> {
  /** Resolves, with the revision at which it stands, once the engine has the watch. */
  readonly ready: Promise<number>;
}

/** A commitment plane as an engine gives it. */
export interface Keyspace {
  readonly guarantee: Guarantee;
  /** The scheme and place, for messages: `memory:`, `quorate://127.0.0.1:2379`. */
  readonly label: string;
  call<R extends Request>(request: R, options?: CallOptions): Promise<ResponseOf[R["kind"]]>;
  watch(request: WatchRequest, options?: CallOptions): Watch;
  /**
   * Runs `procedure` atomically: at the engine where it knows the procedure, else in this process with optimistic
   * commit. Errors: what the procedure throws; CONTENTION (definite) when the retry budget is used up.
   */
  run<A, R>(procedure: Procedure<A, R>, args: A, options?: RunOptions): Promise<Ran<R>>;
  /** Whether this wire is well; a first call of `listener` comes at once. Returns how to stop listening. */
  observe(listener: (state: WireState) => void): () => void;
  /** Ends watches with CLOSED, waits for calls in flight up to a bound. Idempotent. */
  close(): Promise<void>;
}

export interface RunOptions extends CallOptions {
  /** Put before every key that the procedure names. */
  readonly prefix?: Bytes | undefined;
}
export interface Ran<R> {
  readonly result: R;
  readonly revision: number;
}

/** `suspended`: trying to reach the engine; nothing is lost yet. */
export type WireState = "connected" | "suspended" | "closed";
