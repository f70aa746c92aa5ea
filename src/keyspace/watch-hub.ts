/**
 * Watches over committed changes.
 *
 * Invariants: I1 a watch gets every change of its range from its start revision once, in order, a revision never
 * split unless it asked for fragments. I2 a watch that is held costs a position in the history, not a buffer. I3 when
 * compaction passes a position, the watch ends and says from where to read on: never a gap.
 * Source: the watch guarantees of etcd v3 (ordered, unique, reliable, atomic, resumable, bookmarkable).
 */
import type { Bytes } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import type { WatchBatch, WatchEvent, WatchRequest } from "../contract/keyspace.ts";
import type { Base } from "./base.ts";
import { RangeWatchers } from "./range-watchers.ts";
import type { Version } from "./versions.ts";
import type { Audience, HubHandle, WatchSink } from "./watcher.ts";
import { emptyRange, eventOf, passed, wanted, Watcher } from "./watcher.ts";

/** Changes looked at for one watch before the others get their turn. */
const TURN_CHANGES = 2_048;
/** What one delivery does for all watches together: changes looked at, and half KiBs handed out. */
const DELIVERY_WORK = 4_096;
/** What the beginning of a watch counts for, and its end. */
const START_WORK = 8;
const END_WORK = 4;
const WORK_BYTES_BITS = 9;
/** Changes for which one delivery finds the watches that they concern; it ends with the revision that passes this. */
const DELIVERY_MARKED = 4_096;
/** Size from which a batch is closed, and at which a revision is split for watches that allow it. */
const BATCH_BYTES = 1.5 * (1 << 20);

/** What is kept for others of an audience. */
const SHARED_BYTES: number = 64 << 10;

export class WatchHub {
  readonly #base: Base;
  /** Most keys that are watched at all have one watch. */
  readonly #byKey = new Map<Bytes, Watcher | Set<Watcher>>();
  readonly #ranges = new RangeWatchers<Watcher>();
  /** Watchers that have something to do at the next delivery. */
  readonly #pending = new Set<Watcher>();
  readonly #held = new Set<Watcher>();
  /** They are over, and still to be taken out: many may end at once, with their connection. */
  readonly #gone: Watcher[] = [];
  readonly #audiences = new Map<string, Audience>();
  /** Up to this revision it has been found which watches the changes concern. */
  #marked: number;
  /** What the history's edges came to when held watches were last looked at. */
  #lookedForPassed = 0;
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

  open(request: WatchRequest, sink: WatchSink): HubHandle {
    const watcher = new Watcher(this, request, sink, this.#base.revision);
    this.#register(watcher);
    this.#schedule(watcher);
    return watcher;
  }

  /** For the watch. */
  resume(watcher: Watcher): void {
    watcher.held = false;
    this.#held.delete(watcher);
    this.#schedule(watcher);
  }

  /** For the watch. */
  progress(watcher: Watcher): void {
    watcher.wantsProgress = true;
    this.#schedule(watcher);
  }

  /** For the watch. */
  cancel(watcher: Watcher): void {
    this.#remove(watcher);
  }

  /** Ends all watches with `reason`. */
  endAll(reason: Failure): void {
    for (const watcher of this.#all()) this.#end(watcher, reason);
  }

  /** Sends progress to every watch that asked for it and has nothing outstanding. */
  progressAll(): void {
    for (const watcher of this.#all()) {
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
    this.#takeOut();
    return this.#pending.size + this.#gone.length > 0 || this.#marked < this.#base.revision;
  }

  /** What is left of the work of one delivery, and a part of it at least. */
  #takeOut(): void {
    const until = Math.max(DELIVERY_WORK, this.#work + DELIVERY_WORK / 4);
    for (; this.#work < until && this.#gone.length > 0; this.#work += END_WORK)
      this.#forget(this.#gone.pop() as Watcher);
  }

  /** Ends the held watches that the history has left behind: nobody might ever resume them. */
  #endPassed(): void {
    const { compactRevision, watchableFrom } = this.#base.versions;
    // Both only grow; who is held later is looked at then.
    if (compactRevision + watchableFrom === this.#lookedForPassed) return;
    this.#lookedForPassed = compactRevision + watchableFrom;
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

  #audience({ key, end, without, prevKv, fragment }: WatchRequest): Audience {
    const how = `${without ?? ""} ${prevKv === true} ${fragment === true}`;
    const name = `${how} ${end === undefined ? "" : `${end.length} ${end}`} ${key}`;
    const known = this.#audiences.get(name) ?? { name, watchers: 0, given: undefined };
    known.watchers++;
    this.#audiences.set(name, known);
    return known;
  }

  #register(watcher: Watcher): void {
    this.#count++;
    const { request } = watcher;
    const same = request.end === undefined ? this.#byKey.get(request.key) : undefined;
    if (request.end !== undefined) this.#ranges.add(watcher);
    else if (same === undefined) return void this.#byKey.set(request.key, watcher);
    else if (same instanceof Set) same.add(watcher);
    else {
      same.audience = this.#audience(same.request);
      this.#byKey.set(request.key, new Set([same, watcher]));
    }
    watcher.audience = this.#audience(request);
  }

  /** All watches, of ranges first. */
  #all(): readonly Watcher[] {
    const ofKeys = [...this.#byKey.values()].flatMap((same) => [...each(same)]);
    return [...this.#ranges, ...ofKeys].filter(({ over }) => !over);
  }

  #remove(watcher: Watcher): void {
    if (watcher.over) return;
    watcher.over = true;
    this.#count--;
    this.#pending.delete(watcher);
    this.#held.delete(watcher);
    this.#gone.push(watcher);
    this.#wake();
  }

  #forget(watcher: Watcher): void {
    const { audience } = watcher;
    if (audience !== undefined && --audience.watchers === 0) this.#audiences.delete(audience.name);
    this.#ranges.delete(watcher);
    const { key } = watcher.request;
    const same = this.#byKey.get(key);
    const last = same instanceof Set ? same.delete(watcher) && same.size === 0 : same === watcher;
    if (last) this.#byKey.delete(key);
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
      const same = this.#byKey.get(change.key);
      if (same !== undefined)
        for (const watcher of each(same)) this.#touch(watcher, change.modRevision);
      this.#ranges.visit(change.key, (watcher) => this.#touch(watcher, change.modRevision));
    }
    this.#marked = this.#base.revision;
  }

  /** Compaction has overtaken delivery: nobody knows any more whom the lost changes concerned. */
  #touchAll(revision: number): void {
    for (const watcher of this.#all()) {
      if (watcher.next <= this.#base.revision)
        this.#touch(watcher, Math.max(revision, watcher.next));
    }
  }

  #touch(watcher: Watcher, revision: number): void {
    if (watcher.over || watcher.behind || revision < watcher.next) return;
    watcher.behind = true;
    watcher.next = revision;
    this.#pending.add(watcher);
  }

  #turn(watcher: Watcher): void {
    if (!watcher.started && !this.#start(watcher)) return;
    if (watcher.held) return;
    if (watcher.sink.room?.() === false) {
      if (watcher.behind && this.#missed(watcher))
        return this.#end(watcher, passed(watcher, this.#base.compactRevision));
      return this.#hold(watcher);
    }
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
    const reason = emptyRange(watcher.request);
    if (reason !== undefined) {
      this.#end(watcher, reason);
      return false;
    }
    watcher.started = true;
    this.#work += START_WORK;
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
    const { audience } = watcher;
    const given = audience?.given;
    if (
      given?.next === watcher.next &&
      given.batch.revision === this.#base.revision &&
      given.compacted === compacted &&
      watcher.sentOfNext === 0
    ) {
      this.#work += given.bytes >> WORK_BYTES_BITS;
      return this.#caughtUp(watcher, given.batch);
    }
    const from = watcher.sentOfNext === 0 ? watcher.next : undefined;
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
      const event = eventOf(watcher.request, change, compacted);
      events.push(event);
      const size = change.bytes + (event.prevKv?.value.length ?? 0);
      bytes += size;
      this.#work += size >> WORK_BYTES_BITS;
      if (watcher.request.fragment === true && bytes >= BATCH_BYTES) {
        return this.#fragment(watcher, events, change.modRevision, at);
      }
    }
    const batch: WatchBatch = { revision: this.#base.revision, events, partial: false };
    const isShared = audience !== undefined && audience.watchers > 1;
    if (from !== undefined && isShared && bytes <= SHARED_BYTES)
      audience.given = { next: from, compacted, bytes, batch };
    return this.#caughtUp(watcher, batch);
  }

  #caughtUp(watcher: Watcher, batch: WatchBatch): boolean {
    watcher.behind = false;
    watcher.sentOfNext = 0;
    if (watcher.next <= batch.revision) watcher.next = batch.revision + 1;
    return batch.events.length === 0 || this.#send(watcher, batch);
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
    if (!watcher.over) this.#hold(watcher);
    return false;
  }

  #hold(watcher: Watcher): void {
    watcher.held = true;
    this.#held.add(watcher);
    this.#pending.delete(watcher);
  }
}

/** The one, or those of the set. */
function each(same: Watcher | Set<Watcher>): Iterable<Watcher> {
  return same instanceof Set ? same : [same];
}
