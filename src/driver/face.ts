/**
 * What the floors above see of a running replica: submit and watch. The embedded engine calls it in process, the
 * service on behalf of connections; a Raft cluster will stand behind the same face.
 */
import type { Failure } from "../base/errors.ts";
import type { CallerStamp, Reply, Request, StatusResponse } from "../contract/requests.ts";
import type { WatchRequest } from "../contract/keyspace.ts";
import type { WatchHandle, WatchSink } from "../keyspace/watch-hub.ts";

/** A replica that runs. */
export interface Driver {
  readonly label: string;
  /**
   * Evaluates `request`; `done` is called once, when the answer may be released by the reply rule. With `caller`, a
   * repeated sequence gets the stored reply. Cost: one flush for what changes something, shared by all in flight.
   */
  submit(request: Request, caller: CallerStamp | undefined, done: (reply: Reply) => void): void;
  watch(request: WatchRequest, sink: WatchSink): WatchHandle;
  /** The present state without a round through the log; for health and metrics. */
  status(): StatusResponse;
  /** Calls `listener` if the replica stops by itself (a failed flush, a bug): nothing more will be answered. */
  onStopped(listener: (failure: Failure) => void): void;
  /** The present state as framed records of a snapshot; `each` is awaited. */
  snapshot(each: (frame: Uint8Array) => Promise<void>): Promise<void>;
  /** Tells other processes where this one can be reached. */
  announce(url: string): Promise<void>;
  /** Stops admitting, answers what is in flight, writes a snapshot, releases the directory. Idempotent. */
  close(): Promise<void>;
}
