/**
 * One watch over a stream of its own: opened again after a disconnect from the revision after the last one delivered.
 *
 * Invariants: I1 never a gap, never a repeat: of a revision that came in parts, what was delivered is skipped. I2 a
 * sink that takes no more stops the reading of the stream, which etcd feels by flow control.
 */
import { asFailure, failure } from "../../base/errors.ts";
import type { Failure } from "../../base/errors.ts";
import type { WatchRequest } from "../../contract/keyspace.ts";
import type { WatchHandle, WatchSink } from "../../keyspace/watcher.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { WatchResponse } from "../../wire/etcd/messages.ts";
import { METHODS } from "../../wire/etcd/messages.ts";
import { batchEvents, revisionOf, watchCreate } from "./convert.ts";
import { failureOf, understood } from "./failures.ts";
import type { GrpcStream, GrpcStatus, GrpcClient } from "../../ports/grpc.ts";

const REOPEN_MS = 50;
const REOPEN_MAX_MS = 2_000;
/** Statuses after which the watch can go on: unavailable, cancelled by the server, internal, unknown. */
const TRANSIENT: ReadonlySet<number> = new Set([1, 2, 13, 14]);

type Events = ReturnType<typeof batchEvents>;

export class EtcdWatch implements WatchHandle {
  readonly #client: GrpcClient;
  readonly #clock: Clock;
  readonly #request: WatchRequest;
  readonly #sink: WatchSink;
  readonly #over: () => void;
  #stream: GrpcStream | undefined;
  #cancelReopen: Cancel = () => {};
  #ended = false;
  #started = false;
  /** First revision not delivered yet; 0 until etcd has said where the watch stands. */
  #next: number;
  /** Of the revision `#next`: events delivered already. */
  #delivered = 0;
  #skip = 0;
  #failures = 0;

  constructor(
    client: GrpcClient,
    clock: Clock,
    request: WatchRequest,
    sink: WatchSink,
    over: () => void,
  ) {
    this.#client = client;
    this.#clock = clock;
    this.#request = request;
    this.#sink = sink;
    this.#over = over;
    this.#next = Math.max(0, request.startRevision ?? 0);
    this.#open();
  }

  resume(): void {
    this.#stream?.resume();
  }
  progress(): void {
    this.#stream?.send(METHODS.watch.request.encode({ progress: {} }));
  }
  cancel(): void {
    this.#close();
  }
  /** Ends it from this side, with a reason. */
  end(reason: Failure): void {
    if (this.#ended) return;
    this.#close();
    this.#sink.ended(reason);
  }

  #close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelReopen();
    this.#stream?.cancel();
    this.#over();
  }

  #open(): void {
    this.#skip = this.#delivered;
    const stream = this.#client.duplex(METHODS.watch.path, {
      received: (bytes) => {
        if (this.#stream === stream && !this.#ended) this.#received(bytes);
      },
      ended: (status) => {
        if (this.#stream === stream && !this.#ended) this.#interrupted(status);
      },
    });
    this.#stream = stream;
    stream.send(METHODS.watch.request.encode(watchCreate(this.#request, this.#next)));
  }

  #interrupted(status: GrpcStatus): void {
    this.#stream = undefined;
    if (!TRANSIENT.has(status.code)) return this.end(failureOf(status, this.#object()));
    const delayMs = Math.min(REOPEN_MAX_MS, REOPEN_MS * 2 ** Math.min(this.#failures++, 8));
    this.#cancelReopen = this.#clock.after(delayMs, () => this.#open(), { idle: true });
  }

  #received(bytes: Uint8Array): void {
    let read: { readonly response: WatchResponse; readonly events: Events };
    try {
      read = understood(this.#object(), () => {
        const response = METHODS.watch.response.decode(bytes);
        return { response, events: batchEvents(response) };
      });
    } catch (error) {
      return this.end(asFailure(error, this.#object()));
    }
    this.#heed(read.response, read.events);
  }

  #heed(response: WatchResponse, events: Events): void {
    if (response.canceled) return this.end(this.#cancelled(response));
    if (response.created) {
      this.#failures = 0;
      const revision = revisionOf(response);
      if (this.#next === 0) this.#next = revision + 1;
      if (!this.#started) this.#sink.started(revision);
      this.#started = true;
      return;
    }
    this.#batch(response, events);
  }

  #batch(response: WatchResponse, all: Events): void {
    const last = all.at(-1)?.kv.modRevision;
    const events = all.slice(this.#skip);
    this.#skip = Math.max(0, this.#skip - all.length);
    if (last === undefined) {
      const revision = revisionOf(response);
      // A header may lag behind what the watch was opened at.
      if (revision < this.#next) return;
      this.#moveTo(revision + 1, 0);
      return this.#deliver({ revision, events, partial: false });
    }
    const partial = response.fragment;
    const ofLast = all.filter((event) => event.kv.modRevision === last).length;
    if (!partial) this.#moveTo(last + 1, 0);
    else this.#moveTo(last, last === this.#next ? this.#delivered + events.length : ofLast);
    if (events.length > 0) this.#deliver({ revision: last, events, partial });
  }

  #moveTo(next: number, delivered: number): void {
    this.#next = next;
    this.#delivered = delivered;
  }

  #deliver(batch: Parameters<WatchSink["batch"]>[0]): void {
    if (!this.#sink.batch(batch)) this.#stream?.pause();
  }

  #cancelled(response: WatchResponse): Failure {
    const { compactRevision, cancelReason } = response;
    const object = this.#object();
    if (compactRevision > 0) {
      return failure("COMPACTED", {
        object,
        what: `needs revision ${this.#next}, the oldest that is kept is ${compactRevision}`,
        remedy: `Read the range again and watch from the revision after it.`,
        details: { compactRevision },
      });
    }
    const what = `was refused: ${cancelReason || "etcd gave no reason"}`;
    return failure("INVALID", { object, what, remedy: "Correct the range." });
  }

  #object(): string {
    return "watch at etcd";
  }
}
