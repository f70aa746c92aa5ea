/**
 * A watch that a native connection has open: what the keyspace delivers goes out as messages, as fast as the client takes
 * it. Invariant: at most `WATCH_WINDOW` batches are on their way to a client that does not acknowledge them.
 */
import type { Failure } from "../base/errors.ts";
import type { WatchBatch } from "../contract/keyspace.ts";
import type { WatchHandle, WatchSink } from "../keyspace/watcher.ts";
import type { ServerMessage } from "../wire/native/messages.ts";
import { WATCH_WINDOW } from "../wire/native/messages.ts";

/** What an open watch may ask of its connection. */
export interface WatchOwner {
  readonly blocked: boolean;
  send(message: ServerMessage): void;
  forget(id: number): void;
}

/** One open watch. A class, because its methods are there once: there may be very many watches. */
export class OpenWatch implements WatchSink {
  readonly #owner: WatchOwner;
  readonly #id: number;
  handle: WatchHandle | undefined;
  #unacknowledged = 0;
  #held = false;

  constructor(owner: WatchOwner, id: number) {
    this.#owner = owner;
    this.#id = id;
  }
  started(revision: number): void {
    this.#owner.send({ kind: "watchStarted", id: this.#id, revision });
  }
  batch(batch: WatchBatch): boolean {
    this.#owner.send({ kind: "watchBatch", id: this.#id, batch });
    this.#unacknowledged++;
    this.#held = this.#unacknowledged >= WATCH_WINDOW || this.#owner.blocked;
    return !this.#held;
  }
  /** The client has taken so many batches. */
  taken(batches: number): void {
    this.#unacknowledged = Math.max(0, this.#unacknowledged - batches);
    this.resume();
  }
  /** Goes on if it was held and neither the client nor the connection holds it any more. */
  resume(): void {
    if (!this.#held || this.#unacknowledged >= WATCH_WINDOW || this.#owner.blocked) return;
    this.#held = false;
    this.handle?.resume();
  }
  ended(reason: Failure): void {
    this.#owner.forget(this.#id);
    this.#owner.send({ kind: "watchEnded", id: this.#id, failure: reason });
  }
}
