/** The watches of a remote engine: each goes on after a reconnect from the revision after the last one delivered. */
import type { Failure } from "../../base/errors.ts";
import type { WatchBatch, WatchRequest } from "../../contract/keyspace.ts";
import type { WatchHandle, WatchSink } from "../../keyspace/watcher.ts";
import type { ClientMessage } from "../../wire/native/messages.ts";
import type { WatchMessage } from "./link.ts";

interface RemoteWatch {
  /** A reconnect gives it a new one. */
  id: number;
  readonly request: WatchRequest;
  readonly sink: WatchSink;
  /** First revision not delivered yet; 0 until the server has said where the watch stands. */
  next: number;
  /** Of a revision whose batch was partial: events delivered, which a resumed watch skips. */
  delivered: number;
  skip: number;
  started: boolean;
  /** Batches taken whose acknowledgement waits until the sink takes more. */
  owed: number;
  held: boolean;
}

export class RemoteWatches {
  readonly #send: (message: ClientMessage) => boolean;
  readonly #leaving: () => boolean;
  readonly #open = new Map<number, RemoteWatch>();
  #ids = 0;

  /** `leaving`: the server has said that it goes. */
  constructor(send: (message: ClientMessage) => boolean, leaving: () => boolean) {
    this.#send = send;
    this.#leaving = leaving;
  }

  get count(): number {
    return this.#open.size;
  }

  open(request: WatchRequest, sink: WatchSink): WatchHandle {
    const watch: RemoteWatch = {
      id: ++this.#ids,
      request,
      sink,
      next: Math.max(0, request.startRevision ?? 0),
      delivered: 0,
      skip: 0,
      started: false,
      owed: 0,
      held: false,
    };
    this.#open.set(watch.id, watch);
    this.#send({ kind: "watchOpen", id: watch.id, request });
    return {
      resume: () => {
        watch.held = false;
        this.#acknowledge(watch);
      },
      progress: () => void this.#send({ kind: "watchProgress", id: watch.id }),
      cancel: () => {
        if (this.#open.delete(watch.id)) this.#send({ kind: "watchCancel", id: watch.id });
      },
    };
  }

  heed(message: WatchMessage): void {
    const watch = this.#open.get(message.id);
    if (watch === undefined) return;
    switch (message.kind) {
      case "watchStarted":
        if (watch.next === 0) watch.next = message.revision + 1;
        if (!watch.started) watch.sink.started(message.revision);
        watch.started = true;
        return;
      case "watchBatch":
        return this.#batch(watch, message.batch);
      case "watchEnded":
        // The next connection takes it on.
        if (message.failure.code === "SHUTDOWN" && this.#leaving()) return;
        this.#open.delete(message.id);
        return watch.sink.ended(message.failure);
    }
  }

  /** The connection is gone; acknowledgements of it mean nothing any more. */
  interrupted(): void {
    for (const watch of this.#open.values()) {
      watch.owed = 0;
      watch.skip = watch.delivered;
    }
  }

  /** Opens every watch again where it stands. */
  resume(): void {
    for (const watch of [...this.#open.values()]) {
      this.#open.delete(watch.id);
      watch.id = ++this.#ids;
      this.#open.set(watch.id, watch);
      const startRevision = watch.next === 0 ? undefined : watch.next;
      const request = { ...watch.request, startRevision };
      this.#send({ kind: "watchOpen", id: watch.id, request });
    }
  }

  endAll(reason: Failure): void {
    for (const watch of [...this.#open.values()]) watch.sink.ended(reason);
    this.#open.clear();
  }

  #batch(watch: RemoteWatch, batch: WatchBatch): void {
    const events = batch.events.slice(watch.skip);
    watch.skip = Math.max(0, watch.skip - batch.events.length);
    watch.delivered = batch.partial ? watch.delivered + events.length : 0;
    watch.next = batch.partial ? batch.revision : batch.revision + 1;
    watch.owed++;
    const taken =
      events.length === 0 && batch.events.length > 0
        ? true
        : watch.sink.batch({ ...batch, events });
    watch.held = !taken;
    if (taken) this.#acknowledge(watch);
  }

  #acknowledge(watch: RemoteWatch): void {
    if (watch.owed === 0) return;
    this.#send({ kind: "watchTaken", id: watch.id, batches: watch.owed });
    watch.owed = 0;
  }
}
