/**
 * A watch on behalf of somebody: it begins, and goes on, only while its range may be read.
 *
 * Invariants: I1 nothing is handed out under users and roles on which it has not been asked whether it may be. I2 a watch
 * that may not go on ends with the refusal at what it would have shown next, also one that was opened before users were
 * enabled. Deviation from etcd, where a watch that was once permitted goes on for ever.
 */
import type { Failure } from "../../base/errors.ts";
import type { Identity } from "../../contract/auth.ts";
import type { WatchBatch, WatchRequest } from "../../contract/keyspace.ts";
import type { Base } from "../base.ts";
import type { WatchHub } from "../watch-hub.ts";
import type { HubHandle, WatchSink } from "../watcher.ts";
import type { AuthState } from "./users.ts";

export function openPermitted(
  base: Base,
  hub: WatchHub,
  asked: { readonly request: WatchRequest; readonly identity: Identity },
  sink: WatchSink,
): HubHandle {
  const permitted = new PermittedSink(base, asked, sink);
  permitted.handle = hub.open(asked.request, permitted);
  return permitted.handle;
}

/** Stands between the hub and `sink`. A class, because its methods are there once: there may be very many watches. */
class PermittedSink implements WatchSink {
  readonly #base: Base;
  readonly #request: WatchRequest;
  readonly #identity: Identity;
  readonly #sink: WatchSink;
  /** The users and roles on which it was last permitted. */
  #asked: AuthState | undefined;
  handle: HubHandle | undefined;

  constructor(
    base: Base,
    { request, identity }: { readonly request: WatchRequest; readonly identity: Identity },
    sink: WatchSink,
  ) {
    this.#base = base;
    this.#request = request;
    this.#identity = identity;
    this.#sink = sink;
  }

  started(revision: number): void {
    const { key, end } = this.#request;
    const refused = this.#base.authority.refuses(this.#identity, { kind: "watch", key, end });
    if (this.#permitted(refused)) this.#sink.started(revision);
  }

  room(): boolean {
    return this.#sink.room?.() ?? true;
  }

  batch(batch: WatchBatch): boolean {
    const { users, authority } = this.#base;
    const known = this.#asked === users.state;
    if (!known && !this.#permitted(authority.ends(this.#identity, this.#request))) return false;
    return this.#sink.batch(batch);
  }

  ended(failure: Failure): void {
    this.#sink.ended(failure);
  }

  #permitted(refused: Failure | undefined): boolean {
    if (refused === undefined) {
      this.#asked = this.#base.users.state;
      return true;
    }
    this.handle?.cancel();
    this.#sink.ended(refused);
    return false;
  }
}
