/**
 * `etcdserverpb.Watch`: one stream, many watches.
 *
 * Invariants: I1 a watch is announced before its first event, and hears nothing after its cancellation. I2 a revision
 * is in one message, unless the watch takes fragments. I3 a client that does not read costs positions in the history,
 * not buffers; when compaction passes a watch it is cancelled with the revision from which it can go on.
 * Source: etcd `api/v3rpc/watch.go`.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { ErrorCode, Failure } from "../../base/errors.ts";
import { QuorateError } from "../../base/errors.ts";
import type { WatchBatch, WatchEvent } from "../../contract/keyspace.ts";
import { OPEN_END } from "../../contract/requests.ts";
import type { HubHandle, WatchSink } from "../../keyspace/watcher.ts";
import type {
  Event,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "../../wire/etcd/messages.ts";
import { METHODS } from "../../wire/etcd/messages.ts";
import { statusOf } from "../../wire/etcd/statuses.ts";
import type { RpcStatus } from "../../wire/grpc/status.ts";
import { GRPC } from "../../wire/grpc/status.ts";
import type { Init } from "../../wire/protobuf.ts";
import type { Incoming, Outgoing, StreamMethod } from "../grpc/method.ts";
import { stream } from "../grpc/method.ts";
import { laterOfWatch } from "../turns.ts";
import type { EtcdContext } from "./context.ts";
import { endOf } from "./requests.ts";
import type { Progressing } from "./watch-progress.ts";
import { Progress } from "./watch-progress.ts";

/** Held watches that are tried at once when there is room again; each that has its turn brings the next. */
const TRIED_AT_ONCE = 64;
/** Stands for "no watch": of a refused creation, and of progress of the whole stream. */
const NO_WATCH = -1;
const NO_PUT = 0;
const NO_DELETE = 1;

const REFUSED = {
  emptyRange: "mvcc: watcher range is empty",
  duplicate: "mvcc: duplicate watch ID provided on the WatchStream",
  past: "etcdserver: mvcc: required revision has been compacted",
} as const;

export function watchMethods(context: EtcdContext): readonly (readonly [string, StreamMethod])[] {
  const messages = new Messages();
  return [stream(METHODS.watch, (outgoing) => new WatchStream(context, messages, outgoing))];
}

/** What a watch may ask of its stream. */
interface WatchOwner {
  /** Whether there is room for what `watch` would be given; if not it is held until there is. */
  room(watch: Watch): boolean;
  batch(watch: Watch, batch: WatchBatch): void;
  ended(watch: Watch, reason: Failure): void;
}

/** A class, because its methods are there once: there may be very many watches. */
class Watch implements Progressing, WatchSink {
  readonly #owner: WatchOwner;
  readonly id: number;
  readonly notify: boolean;
  readonly from: number;
  /** Both kinds of event are filtered out. */
  readonly deaf: boolean;
  handle: HubHandle | undefined;

  constructor(owner: WatchOwner, id: number, { filters, ...request }: WatchCreateRequest) {
    this.#owner = owner;
    this.id = id;
    this.notify = request.progressNotify;
    this.from = request.startRevision;
    this.deaf = filters.includes(NO_PUT) && filters.includes(NO_DELETE);
  }
  ask(): void {
    this.handle?.progress();
  }
  complete(): boolean {
    return this.handle?.complete() ?? false;
  }
  started(): void {}
  room(): boolean {
    return this.#owner.room(this);
  }
  batch(batch: WatchBatch): boolean {
    this.#owner.batch(this, batch);
    return true;
  }
  ended(reason: Failure): void {
    this.#owner.ended(this, reason);
  }
}

class WatchStream implements Incoming<WatchRequest> {
  readonly #context: EtcdContext;
  readonly #messages: Messages;
  readonly #outgoing: Outgoing<WatchResponse>;
  readonly #owner: WatchOwner = {
    room: (watch) => {
      if (this.#full) this.#held.add(watch);
      else this.#tryNext();
      return !this.#full;
    },
    batch: (watch, batch) => this.#batch(watch, batch),
    ended: (watch, reason) => this.#ended(watch, reason),
  };
  readonly #watches = new Map<number, Watch>();
  readonly #held = new Set<Watch>();
  /** Where among those held the next one is: what went before is not walked over again. */
  #nextHeld: IterableIterator<Watch>;
  readonly #progress: Progress<Watch>;
  #nextId = 0;
  /** Nothing more is wanted until what was sent has left. */
  #full = false;
  #stopTicking: (() => void) | undefined;

  constructor(context: EtcdContext, messages: Messages, outgoing: Outgoing<WatchResponse>) {
    this.#context = context;
    this.#messages = messages;
    this.#outgoing = outgoing;
    this.#nextHeld = this.#held.values();
    this.#progress = new Progress(
      () => this.#watches.values(),
      (revision) => this.#send(NO_WATCH, revision, {}),
    );
  }

  received({ create, cancel, progress }: WatchRequest): void {
    if (create !== undefined) this.#create(create);
    else if (cancel !== undefined) this.#cancel(cancel.watchId);
    else if (progress !== undefined) this.#progress.request(this.#now());
  }

  /** A client that sends no more may go on listening. */
  finished(): void {}

  drained(): void {
    this.#full = false;
    for (let tried = 0; tried < TRIED_AT_ONCE; tried++) this.#tryNext();
  }

  /** Lets one of the held watches go on: all at once would each be asked, and most of them held again. */
  #tryNext(): void {
    if (this.#held.size === 0) return;
    let next = this.#nextHeld.next();
    if (next.done === true) {
      this.#nextHeld = this.#held.values();
      next = this.#nextHeld.next();
    }
    if (next.done === true) return;
    this.#held.delete(next.value);
    next.value.handle?.resume();
  }

  closed(): void {
    this.#stopTicking?.();
    for (const watch of this.#watches.values()) watch.handle?.cancel();
    this.#watches.clear();
    this.#held.clear();
  }

  #now(): number {
    return this.#context.driver.status().revision;
  }

  #send(watchId: number, revision: number, rest: Init<WatchResponse>): void {
    const header = this.#context.header(revision);
    this.#full = !this.#outgoing.send({ header, watchId, ...rest });
  }

  #create(request: WatchCreateRequest): void {
    const revision = this.#now();
    const key = request.key === "" ? ("\0" as Bytes) : request.key;
    const end = endOf(request.rangeEnd);
    const refused = this.#refusal(request, key, end) ?? this.#forbidden(key, end);
    if (refused !== undefined) {
      const rest = { created: true, canceled: true, cancelReason: refused };
      this.#send(NO_WATCH, revision, rest);
      return;
    }
    const { filters, prevKv, fragment, startRevision } = request;
    const id = request.watchId === 0 ? this.#freeId() : request.watchId;
    const watch = new Watch(this.#owner, id, request);
    this.#watches.set(watch.id, watch);
    this.#outgoing.owes?.(laterOfWatch(this.#watches.size));
    if (watch.notify) this.#tick();
    this.#send(watch.id, revision, { created: true });
    const without = filters.includes(NO_PUT)
      ? "put"
      : filters.includes(NO_DELETE)
        ? "delete"
        : undefined;
    watch.handle = this.#context.driver.watch(
      { key, end, startRevision, without, prevKv, fragment },
      watch,
    );
  }

  #refusal(request: WatchCreateRequest, key: Bytes, end: Bytes | undefined): string | undefined {
    if (end !== undefined && end !== OPEN_END && key >= end) return REFUSED.emptyRange;
    if (request.watchId !== 0 && this.#watches.has(request.watchId)) return REFUSED.duplicate;
    return request.startRevision < 0 ? REFUSED.past : undefined;
  }

  /** Why whoever calls may not watch this, as etcd says it. */
  #forbidden(key: Bytes, end: Bytes | undefined): string | undefined {
    const refused = this.#context.driver.refuses({ kind: "watch", key, end });
    return refused === undefined ? undefined : spelled(statusOf(new QuorateError(refused)));
  }

  #freeId(): number {
    while (this.#watches.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  #batch(watch: Watch, { revision, events, partial }: WatchBatch): void {
    if (events.length === 0) {
      if (this.#progress.confirmed(watch, revision)) this.#send(watch.id, revision, {});
      return;
    }
    if (watch.deaf) return;
    this.#progress.delivered(watch);
    this.#send(watch.id, revision, { events: this.#messages.of(events), fragment: partial });
  }

  #cancel(id: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    watch.handle?.cancel();
    this.#forget(watch);
    this.#send(id, this.#now(), { canceled: true });
  }

  #ended(watch: Watch, reason: Failure): void {
    this.#forget(watch);
    const compactRevision = Number(reason.details?.["compactRevision"] ?? 0);
    if (compactRevision > 0)
      return this.#send(watch.id, this.#now(), { canceled: true, compactRevision });
    const status = statusOf(new QuorateError(reason));
    if (!FORBIDDING.has(reason.code)) return this.#outgoing.end(status);
    this.#send(watch.id, this.#now(), { canceled: true, cancelReason: spelled(status) });
  }

  #forget(watch: Watch): void {
    this.#watches.delete(watch.id);
    // Unless it was held, it may have been the one to bring the next.
    if (!this.#held.delete(watch) && !this.#full) this.#tryNext();
    this.#progress.gone(watch);
  }

  /** Starts the interval at which idle watches are told how far they are. */
  #tick(): void {
    this.#stopTicking ??= this.#context.clock.after(
      this.#context.presented.watchProgressMs,
      () => {
        this.#stopTicking = undefined;
        this.#progress.interval();
        this.#tick();
      },
      { idle: true },
    );
  }
}

/** Watches of the same range are given the same events: the messages are the same for all of them. */
class Messages {
  #events: readonly WatchEvent[] = [];
  #messages: readonly Init<Event>[] = [];

  of(events: readonly WatchEvent[]): readonly Init<Event>[] {
    if (events !== this.#events) {
      this.#messages = events.map(eventOf);
      this.#events = events;
    }
    return this.#messages;
  }
}

/** With these one watch ends, and its stream goes on. */
const FORBIDDING: ReadonlySet<ErrorCode> = new Set([
  "PERMISSION_DENIED",
  "UNAUTHENTICATED",
  "AUTH_STALE",
]);

/** As Go prints a status. */
function spelled({ code, message }: RpcStatus): string {
  return `rpc error: code = ${CODE_NAMES[code] ?? "Unknown"} desc = ${message}`;
}
const CODE_NAMES: Readonly<Record<number, string>> = {
  [GRPC.invalidArgument]: "InvalidArgument",
  [GRPC.permissionDenied]: "PermissionDenied",
  [GRPC.unauthenticated]: "Unauthenticated",
};

function eventOf({ kind, kv, prevKv }: WatchEvent): Init<Event> {
  return { type: kind === "delete" ? 1 : 0, kv, prevKv };
}
