/**
 * Watches over committed changes.
 *
 * Invariants: I1 a watch gets every change of its range from its start revision once, in order, a revision never
 * split unless it asked for fragments. I2 a watch that is held costs a position in the history, not a buffer. I3 when
 * compaction passes a position, the watch ends and says from where to read on: never a gap.
 * Source: the watch guarantees of etcd v3 (ordered, unique, reliable, atomic, resumable, bookmarkable).
 */
import type { Bytes } from "../base/bytes.ts";
import { printable } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import type { WatchBatch, WatchEvent, WatchRequest } from "../contract/keyspace.ts";
import type { Base } from "./base.ts";
import { RangeWatchers } from "./range-watchers.ts";
import { scanEnd } from "./range.ts";
import type { Version } from "./versions.ts";
import { plain } from "./versions.ts";

/** Where a watch delivers. All calls come from `deliver()`, never from inside `open()`. */
export interface WatchSink {
  /** The watch stands at `revision`: called once, first. */
  started(revision: number): void;
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

/** Changes looked at for one watch before the others get their turn. */
const TURN_CHANGES = 2_048;
/** What one delivery does for all watches together: changes looked at, and half KiBs handed out. */
const DELIVERY_WORK = 4_096;
const WORK_BYTES_BITS = 9;
/** Changes for which one delivery finds the watches that they concern; it ends with the revision that passes this. */
const DELIVERY_MARKED = 4_096;
/** Size from which a batch is closed, and at which a revision is split for watches that allow it. */
const BATCH_BYTES = 1.5 * (1 << 20);

interface Watcher {
  readonly request: WatchRequest;
  /** The bounds as the index of ranges wants them. */
  readonly from: Bytes;
  readonly until: Bytes | undefined;
  readonly sink: WatchSink;
  /** Next revision to look at. */
  next: number;
  /** Events of `next` already sent, when a revision was split. */
  sentOfNext: number;
  started: boolean;
  held: boolean;
  behind: boolean;
  /** Its start was readable, so what it has missed since was missed by being slow. */
  followed: boolean;
  wantsProgress: boolean;
  over: boolean;
}

export class WatchHub {
  readonly #base: Base;
  readonly #byKey = new Map<Bytes, Set<Watcher>>();
  readonly #ranges = new RangeWatchers<Watcher>();
  /** Watchers that have something to do at the next delivery. */
  readonly #pending = new Set<Watcher>();
  readonly #held = new Set<Watcher>();
  /** Up to this revision it has been found which watches the changes concern. */
  #marked: number;
  #work = 0;
  #count = 0;
  /** Called when a delivery is needed though nothing was applied. */
  readonly #wake: () => void;

  constructor(base: Base, wake: () => void) {
    this.#base = base;
    this.#marked = base.revision;
    this.#wake = wake;
  }

  get count(): number {
    return this.#count;
  }

  open(request: WatchRequest, sink: WatchSink): WatchHandle {
    const start = request.startRevision ?? 0;
    const watcher: Watcher = {
      request,
      from: request.key,
      until: request.end === undefined ? undefined : scanEnd(request.end),
      sink,
      next: start > 0 ? start : this.#base.revision + 1,
      sentOfNext: 0,
      started: false,
      held: false,
      behind: true,
      followed: start <= 0,
      wantsProgress: false,
      over: false,
    };
    this.#register(watcher);
    this.#schedule(watcher);
    return {
      resume: () => {
        watcher.held = false;
        this.#held.delete(watcher);
        this.#schedule(watcher);
      },
      progress: () => {
        watcher.wantsProgress = true;
        this.#schedule(watcher);
      },
      cancel: () => this.#remove(watcher),
    };
  }

  /** Ends all watches with `reason`. */
  endAll(reason: Failure): void {
    const all = [...this.#ranges, ...[...this.#byKey.values()].flatMap((set) => [...set])];
    for (const watcher of all) this.#end(watcher, reason);
  }

  /** Sends progress to every watch that asked for it and has nothing outstanding. */
  progressAll(): void {
    const all = [...this.#ranges, ...[...this.#byKey.values()].flatMap((set) => [...set])];
    for (const watcher of all) {
      if (watcher.request.progress !== true) continue;
      watcher.wantsProgress = true;
      this.#pending.add(watcher);
    }
    if (this.#pending.size > 0) this.#wake();
  }

  /**
   * Hands out what has been applied since the last call, as much as one step should; true if more is waiting for
   * another turn.
   */
  deliver(): boolean {
    this.#markTouched();
    this.#endPassed();
    this.#work = 0;
    let left = this.#pending.size;
    for (const watcher of this.#pending) {
      // Those that are not done have gone to the end of the line, behind those that had no turn yet.
      if (left-- === 0 || this.#work >= DELIVERY_WORK) break;
      this.#pending.delete(watcher);
      this.#work++;
      this.#turn(watcher);
    }
    return this.#pending.size > 0 || this.#marked < this.#base.revision;
  }

  /** Ends the held watches that the history has left behind: nobody might ever resume them. */
  #endPassed(): void {
    for (const watcher of this.#held) {
      if (watcher.behind && this.#missed(watcher))
        this.#end(watcher, passed(watcher, this.#base.compactRevision));
    }
  }

  /** Whether changes that the watch has yet to see are gone; one that only starts is bound by what can be read. */
  #missed(watcher: Watcher): boolean {
    const { compactRevision, watchableFrom } = this.#base.versions;
    return watcher.next < (watcher.followed ? watchableFrom : compactRevision);
  }

  #schedule(watcher: Watcher): void {
    if (watcher.over) return;
    this.#pending.add(watcher);
    this.#wake();
  }

  #register(watcher: Watcher): void {
    this.#count++;
    if (watcher.request.end !== undefined) {
      this.#ranges.add(watcher);
      return;
    }
    const key = watcher.request.key;
    const same = this.#byKey.get(key);
    if (same === undefined) this.#byKey.set(key, new Set([watcher]));
    else same.add(watcher);
  }

  #remove(watcher: Watcher): void {
    if (watcher.over) return;
    watcher.over = true;
    this.#count--;
    this.#pending.delete(watcher);
    this.#held.delete(watcher);
    this.#ranges.delete(watcher);
    const same = this.#byKey.get(watcher.request.key);
    if (same?.delete(watcher) === true && same.size === 0) this.#byKey.delete(watcher.request.key);
  }

  #end(watcher: Watcher, reason: Failure): void {
    this.#remove(watcher);
    watcher.sink.ended(reason);
  }

  /** Finds which watches the next changes concern; the others move on without looking. */
  #markTouched(): void {
    const { versions } = this.#base;
    if (versions.watchableFrom > this.#marked + 1) {
      this.#touchAll(this.#marked + 1);
      this.#marked = Math.max(this.#marked, versions.watchableFrom - 1);
    }
    const first = this.#base.changesFrom(this.#marked + 1);
    for (let at = first; ; at++) {
      const change = this.#base.change(at);
      if (change === undefined) break;
      if (at - first >= DELIVERY_MARKED && change.modRevision > this.#marked) return;
      this.#marked = change.modRevision;
      for (const watcher of this.#byKey.get(change.key) ?? [])
        this.#touch(watcher, change.modRevision);
      this.#ranges.visit(change.key, (watcher) => this.#touch(watcher, change.modRevision));
    }
    this.#marked = this.#base.revision;
  }

  /** Compaction has overtaken delivery: nobody knows any more whom the lost changes concerned. */
  #touchAll(revision: number): void {
    const exact = [...this.#byKey.values()].flatMap((set) => [...set]);
    for (const watcher of [...this.#ranges, ...exact]) {
      if (watcher.next <= this.#base.revision)
        this.#touch(watcher, Math.max(revision, watcher.next));
    }
  }

  #touch(watcher: Watcher, revision: number): void {
    if (watcher.behind || revision < watcher.next) return;
    watcher.behind = true;
    watcher.next = revision;
    this.#pending.add(watcher);
  }

  #turn(watcher: Watcher): void {
    if (!watcher.started && !this.#start(watcher)) return;
    if (watcher.held) return;
    if (watcher.behind && !this.#catchUp(watcher)) return;
    if (watcher.wantsProgress && !watcher.behind && !watcher.over) {
      if (this.#marked < this.#base.revision) {
        // Whether it is behind is not known yet.
        this.#pending.add(watcher);
        return;
      }
      watcher.wantsProgress = false;
      const revision = Math.max(this.#base.revision, watcher.next - 1);
      if (this.#base.revision >= watcher.next - 1)
        this.#send(watcher, { revision, events: [], partial: false });
    }
  }

  #start(watcher: Watcher): boolean {
    const bounds = watcher.request;
    const empty =
      bounds.end !== undefined && scanEnd(bounds.end) !== undefined && bounds.key >= bounds.end;
    if (empty) {
      const what = "names an empty range";
      const remedy = "Give an end above the key, or none.";
      this.#end(
        watcher,
        failure("INVALID", { object: `watch ${printable(bounds.key)}`, what, remedy }),
      );
      return false;
    }
    watcher.started = true;
    watcher.sink.started(this.#base.revision);
    return !watcher.over;
  }

  /** Reads the history for one watch; false if its turn ended before it was done. */
  #catchUp(watcher: Watcher): boolean {
    const compacted = this.#base.compactRevision;
    if (this.#missed(watcher)) {
      this.#end(watcher, passed(watcher, compacted));
      return false;
    }
    watcher.followed = true;
    const own = this.#ownChanges(watcher);
    const changeAt = (at: number): Version | undefined =>
      own === undefined ? this.#base.change(at) : own[at];
    const events: WatchEvent[] = [];
    let bytes = 0;
    let looked = 0;
    let at = own === undefined ? this.#base.changesFrom(watcher.next) : 0;
    for (let change = changeAt(at); change !== undefined; change = changeAt(++at)) {
      const opensRevision = change.modRevision !== changeAt(at - 1)?.modRevision;
      if (opensRevision && (bytes >= BATCH_BYTES || looked >= TURN_CHANGES)) {
        return this.#flush(watcher, events, change.modRevision - 1);
      }
      looked++;
      this.#work++;
      if (!wanted(watcher.request, change)) continue;
      if (
        watcher.sentOfNext > 0 &&
        change.modRevision === watcher.next &&
        looked <= watcher.sentOfNext
      )
        continue;
      events.push(eventOf(watcher.request, change, compacted));
      bytes += change.bytes;
      this.#work += change.bytes >> WORK_BYTES_BITS;
      if (watcher.request.fragment === true && bytes >= BATCH_BYTES) {
        return this.#fragment(watcher, events, change.modRevision, at);
      }
    }
    watcher.behind = false;
    watcher.sentOfNext = 0;
    const future = watcher.next > this.#base.revision;
    if (!future) watcher.next = this.#base.revision + 1;
    if (future && events.length === 0) return true;
    return (
      events.length === 0 ||
      this.#send(watcher, { revision: this.#base.revision, events, partial: false })
    );
  }

  /**
   * The changes that a watch of one key has yet to see, oldest first, by the key's own versions: the history need not
   * be searched for them. Undefined if those versions are not all there or are very many.
   */
  #ownChanges(watcher: Watcher): readonly Version[] | undefined {
    const { request, next } = watcher;
    if (request.end !== undefined || request.fragment === true) return undefined;
    if (next <= this.#base.compactRevision) return undefined;
    const own: Version[] = [];
    let at = this.#base.versions.entry(request.key)?.newest;
    for (; at !== undefined && at.modRevision >= next; at = at.older) {
      if (own.length === TURN_CHANGES) return undefined;
      own.push(at);
    }
    return own.reverse();
  }

  /** Ends a turn at a revision's edge; the watch comes back for the rest. */
  #flush(watcher: Watcher, events: readonly WatchEvent[], revision: number): false {
    watcher.next = revision + 1;
    watcher.sentOfNext = 0;
    this.#pending.add(watcher);
    if (events.length > 0) this.#send(watcher, { revision, events, partial: false });
    return false;
  }

  /** Ends a batch in the middle of a revision, for a watch that allows it. */
  #fragment(watcher: Watcher, events: readonly WatchEvent[], revision: number, at: number): false {
    const first = this.#base.changesFrom(revision);
    watcher.next = revision;
    watcher.sentOfNext = at - first + 1;
    const partial = this.#base.change(at + 1)?.modRevision === revision;
    if (!partial) {
      watcher.next = revision + 1;
      watcher.sentOfNext = 0;
    }
    this.#pending.add(watcher);
    this.#send(watcher, { revision, events, partial });
    return false;
  }

  #send(watcher: Watcher, batch: WatchBatch): boolean {
    if (watcher.sink.batch(batch)) return true;
    if (watcher.over) return false;
    watcher.held = true;
    this.#held.add(watcher);
    this.#pending.delete(watcher);
    return false;
  }
}

function within(request: WatchRequest, key: Bytes): boolean {
  if (request.end === undefined) return key === request.key;
  const end = scanEnd(request.end);
  return key >= request.key && (end === undefined || key < end);
}

function wanted(request: WatchRequest, change: Version): boolean {
  if (!within(request, change.key)) return false;
  return request.without === undefined || request.without !== (change.deleted ? "delete" : "put");
}

function eventOf(request: WatchRequest, change: Version, compacted: number): WatchEvent {
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
function passed(watcher: Watcher, compactRevision: number): Failure {
  const object = `watch ${printable(watcher.request.key)}`;
  return failure(watcher.followed ? "SLOW_CONSUMER" : "COMPACTED", {
    object,
    what: `changes from revision ${watcher.next} on have been compacted, the oldest is ${compactRevision}`,
    remedy: "Read the present state and watch from the revision after it.",
    details: { compactRevision, resumeRevision: watcher.next },
  });
}
