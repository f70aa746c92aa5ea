/**
 * One watch: what it asks for, where it stands, whereto it delivers.
 *
 * Leaves out: when it has its turn, and what it is given then (`watch-hub.ts`).
 */
import type { Bytes } from "../base/bytes.ts";
import { printable } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import type { WatchBatch, WatchEvent, WatchRequest } from "../contract/keyspace.ts";
import { scanEnd } from "./range.ts";
import type { Version } from "./versions.ts";
import { plain } from "./versions.ts";

/** Where a watch delivers. All calls come from `deliver()`, never from inside `open()`. */
export interface WatchSink {
  /** The watch stands at `revision`: called once, first. */
  started(revision: number): void;
  /** Asked before a batch is made; false holds the watch until `resume()`. Absent: as `batch` said last. */
  room?(): boolean;
  /** False: hold further batches until `resume()`. */
  batch(batch: WatchBatch): boolean;
  /** Over, with COMPACTED, SLOW_CONSUMER, SHUTDOWN or the failure of an argument; called once, last. */
  ended(failure: Failure): void;
}

/** A registered watch. */
export interface WatchHandle {
  resume(): void;
  /** Asks for an empty batch once everything up to now has been delivered. */
  progress(): void;
  cancel(): void;
}

/** A watch of this process. */
export interface HubHandle extends WatchHandle {
  /** Whether it has been given everything that deliveries have looked at. */
  complete(): boolean;
}

/**
 * Watches that ask for the same: what one of them was given is given to the others that stand where it stood, as the same
 * object, so that it is made once and encoded once.
 */
export interface Audience {
  readonly name: string;
  watchers: number;
  /** What the last of them was given, from `next` to `batch.revision`. */
  given:
    | {
        readonly next: number;
        readonly compacted: number;
        readonly bytes: number;
        readonly batch: WatchBatch;
      }
    | undefined;
}

/** What a watch asks of its hub. */
interface WatcherHub {
  resume(watcher: Watcher): void;
  progress(watcher: Watcher): void;
  cancel(watcher: Watcher): void;
}

/** One watch. A class, and its own handle, because there may be very many. */
export class Watcher implements HubHandle {
  readonly #hub: WatcherHub;
  readonly request: WatchRequest;
  /** The end as the index of ranges wants it. */
  readonly until: Bytes | undefined;
  readonly sink: WatchSink;
  /** Undefined: nobody else watches its key. */
  audience: Audience | undefined;
  /** Next revision to look at. */
  next: number;
  /** Events of `next` already sent, when a revision was split. */
  sentOfNext = 0;
  started = false;
  held = false;
  behind = true;
  /** Its start was readable, so what it has missed since was missed by being slow. */
  followed: boolean;
  wantsProgress = false;
  over = false;

  constructor(hub: WatcherHub, request: WatchRequest, sink: WatchSink, revision: number) {
    const start = request.startRevision ?? 0;
    this.#hub = hub;
    this.request = request;
    this.until = request.end === undefined ? undefined : scanEnd(request.end);
    this.sink = sink;
    this.next = start > 0 ? start : revision + 1;
    this.followed = start <= 0;
  }
  /** Its beginning as the index of ranges wants it. */
  get from(): Bytes {
    return this.request.key;
  }
  resume(): void {
    this.#hub.resume(this);
  }
  progress(): void {
    this.#hub.progress(this);
  }
  complete(): boolean {
    return this.started && !this.behind;
  }
  cancel(): void {
    this.#hub.cancel(this);
  }
}

/** Why nothing can be watched between the bounds, if that is so. */
export function emptyRange({ key, end }: WatchRequest): Failure | undefined {
  if (end === undefined || scanEnd(end) === undefined || key < end) return undefined;
  return failure("INVALID", {
    object: `watch ${printable(key)}`,
    what: "names an empty range",
    remedy: "Give an end above the key, or none.",
  });
}

function within(request: WatchRequest, key: Bytes): boolean {
  if (request.end === undefined) return key === request.key;
  const end = scanEnd(request.end);
  return key >= request.key && (end === undefined || key < end);
}

export function wanted(request: WatchRequest, change: Version): boolean {
  if (!within(request, change.key)) return false;
  return request.without === undefined || request.without !== (change.deleted ? "delete" : "put");
}

export function eventOf(request: WatchRequest, change: Version, compacted: number): WatchEvent {
  const kind = change.deleted ? "delete" : "put";
  const older = change.older;
  const shown =
    request.prevKv === true &&
    older !== undefined &&
    !older.deleted &&
    change.modRevision > compacted;
  return { kind, kv: plain(change), ...(shown ? { prevKv: plain(older) } : {}) };
}

/** A watch whose changes are gone: at its start it is told so, later it was too slow. */
export function passed(watcher: Watcher, compactRevision: number): Failure {
  const object = `watch ${printable(watcher.request.key)}`;
  return failure(watcher.followed ? "SLOW_CONSUMER" : "COMPACTED", {
    object,
    what: `changes from revision ${watcher.next} on have been compacted, the oldest is ${compactRevision}`,
    remedy: "Read the present state and watch from the revision after it.",
    details: { compactRevision, resumeRevision: watcher.next },
  });
}
