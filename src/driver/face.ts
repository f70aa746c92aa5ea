/**
 * What the floors above see of a running replica: submit and watch. The embedded engine calls it in process, the
 * service on behalf of connections; a Raft cluster will stand behind the same face.
 */
import type { Failure } from "../base/errors.ts";
import type { CallerStamp, Reply, Request, StatusResponse } from "../contract/requests.ts";
import type { WatchBatch, WatchRequest } from "../contract/keyspace.ts";

/** Where a watch delivers. All calls come from the driver's pump, never inside `watch()` itself. */
export interface WatchSink {
  /** The watch stands at `revision`: called once, first. */
  started(revision: number): void;
  /** False: hold further batches until `resume()`. A held watch costs a position, not a buffer. */
  batch(batch: WatchBatch): boolean;
  /** Over, with COMPACTED, SLOW_CONSUMER, SHUTDOWN or an argument's failure; called once, last. */
  ended(failure: Failure): void;
}

/** A registered watch. */
export interface WatchHandle {
  resume(): void;
  /** Asks for a progress batch as soon as everything up to now has been delivered. */
  progress(): void;
  cancel(): void;
}

/** A replica that runs. */
export interface Driver {
  readonly label: string;
  /**
   * Evaluates `request`; `done` is called once, when the answer may be released by the reply rule, with OVERLOADED at
   * once if limits are reached. With `caller`, a repeated sequence gets the stored reply.
   */
  submit(request: Request, caller: CallerStamp | undefined, done: (reply: Reply) => void): void;
  watch(request: WatchRequest, sink: WatchSink): WatchHandle;
  /** The present state without a round through the log; for health and metrics. */
  status(): StatusResponse;
  /** Called once if the replica stops by itself (a failed flush, a bug): nothing more will be answered. */
  onStopped(listener: (failure: Failure) => void): void;
  /** Stops admitting, answers what is in flight, writes a snapshot, releases the directory. Idempotent. */
  close(): Promise<void>;
}
