/**
 * The versions of all keys: multi-version storage in memory, with the log of changes that watches read.
 *
 * Invariants: I1 a key's versions are linked newest to oldest and their revisions descend. I2 `history` holds every
 * change from `watchableFrom` on in the order (revision, position in its transaction), and shares its objects with
 * the chains; `watchableFrom` ≤ `compactRevision` once that is set: the changes of the compacted revision itself stay,
 * so that a watch can start there. I3 a key is in the index exactly while a readable revision can see a version of it
 * or compaction has not come by. I4 keys that exist and keys that are deleted are ordered apart: what comes and goes (locks,
 * queues) leaves thousands of deleted keys beside a few, and reading the present must not walk over them.
 * Source: the data model of etcd v3 (mvcc).
 * Leaves out: leases, callers and quotas (beside it), evaluation (above it).
 */
import { assert } from "../base/assert.ts";
import type { Bytes } from "../base/bytes.ts";
import { after } from "../base/bytes.ts";
import { HashIndex } from "../base/hash-index.ts";
import type { AscendingBuilder } from "../base/ordered-map.ts";
import { OrderedMap } from "../base/ordered-map.ts";
import { Sequence } from "../base/sequence.ts";
import type { KeyValue } from "../contract/requests.ts";

/** What a version costs beside its key and value, for accounting: the object and its place in the history. */
export const VERSION_OVERHEAD_BYTES = 96;

/** One version of a key; `version` 0 marks a deletion. */
export class Version implements KeyValue {
  readonly key: Bytes;
  readonly value: Bytes;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: bigint;
  /** The version before it, until compaction makes it unreadable. */
  older: Version | undefined;

  constructor(kv: KeyValue, older: Version | undefined) {
    this.key = kv.key;
    this.value = kv.value;
    this.createRevision = kv.createRevision;
    this.modRevision = kv.modRevision;
    this.version = kv.version;
    this.lease = kv.lease;
    this.older = older;
  }

  get deleted(): boolean {
    return this.version === 0;
  }
  get bytes(): number {
    return this.key.length + this.value.length + VERSION_OVERHEAD_BYTES;
  }
}

/** A key and its newest version. */
export interface KeyEntry {
  newest: Version;
  /** A number that no other entry has at the same time: small, below `Versions.slots`. */
  readonly slot: number;
}

/** Entries and versions that a walk looks at between two yields. */
const WORK_PER_STEP = 512;
/** Changes that compaction looks at between two yields: each may cost a deletion in both indexes. */
const FORGOTTEN_PER_STEP = 256;

/** The plain form of a version: what leaves the keyspace. */
export function plain(version: KeyValue): KeyValue {
  return {
    key: version.key,
    value: version.value,
    createRevision: version.createRevision,
    modRevision: version.modRevision,
    version: version.version,
    lease: version.lease,
  };
}

/** The newest version at or before `revision`; deletions are undefined. */
export function visibleAt(entry: KeyEntry, revision: number): Version | undefined {
  let at: Version | undefined = entry.newest;
  while (at !== undefined && at.modRevision > revision) at = at.older;
  return at === undefined || at.deleted ? undefined : at;
}

/** As `visibleAt` for an entry that may have a million versions; `revision` must be pinned. */
export function* visibleWork(
  entry: KeyEntry | undefined,
  revision: number,
): Generator<undefined, Version | undefined> {
  let at = entry?.newest;
  for (let work = 0; at !== undefined && at.modRevision > revision; at = at.older)
    if (++work % WORK_PER_STEP === 0) yield;
  return at === undefined || at.deleted ? undefined : at;
}

export class Versions {
  readonly #index = new HashIndex<KeyEntry>((entry) => entry.newest.key);
  #living: OrderedMap<KeyEntry> = new OrderedMap();
  /** Keys whose newest version is a deletion. */
  readonly #departed: OrderedMap<KeyEntry> = new OrderedMap();
  #loading: AscendingBuilder<KeyEntry> | undefined;
  /** The log of changes. */
  readonly #history = new Sequence<Version>();
  /** Position of the first change whose predecessor has not been forgotten; never before the log's start. */
  #forgotten = 0;
  readonly #freeSlots = new Sequence<number>();
  #slots = 0;
  #watchableFrom = 0;
  #bytes = 0;
  #liveBytes = 0;
  #liveKeys = 0;
  revision = 1;
  compactRevision = 0;

  /** Bytes of all versions kept, with their overhead. */
  get bytes(): number {
    return this.#bytes;
  }
  get liveKeys(): number {
    return this.#liveKeys;
  }
  /** Bytes of superseded versions and deletions: what compaction can free. */
  get historyBytes(): number {
    return this.#bytes - this.#liveBytes;
  }
  /** The history holds every change from this revision on. */
  get watchableFrom(): number {
    return this.#watchableFrom;
  }
  /** How many changes can be watched. */
  get historyLength(): number {
    return this.#history.end - this.#history.start;
  }

  /** Above the slot of every entry: how long an array by slots must be. */
  get slots(): number {
    return this.#slots;
  }

  get(key: Bytes): Version | undefined {
    const newest = this.#index.get(key)?.newest;
    return newest === undefined || newest.deleted ? undefined : newest;
  }

  entry(key: Bytes): KeyEntry | undefined {
    return this.#index.get(key);
  }

  /** Visits the entries of [from, end) that exist, in key order. */
  scanLiving(from: Bytes, end: Bytes | undefined, visit: (entry: KeyEntry) => boolean): boolean {
    return this.#living.scan(from, end, (_key, entry) => visit(entry));
  }

  /** As `scanLiving`, with those whose newest version is a deletion. */
  scan(from: Bytes, end: Bytes | undefined, visit: (entry: KeyEntry) => boolean): boolean {
    const departed = this.#departed.cursor(from);
    const visitDeparted = (upTo: string | undefined): boolean => {
      for (; departed.key !== undefined; departed.next()) {
        if (upTo !== undefined && departed.key >= upTo) return true;
        if (!visit(departed.value as KeyEntry)) return false;
      }
      return true;
    };
    const passed = this.#living.scan(from, end, (key, entry) => visitDeparted(key) && visit(entry));
    return passed && visitDeparted(end);
  }

  /** The first entries of [from, end) in key order, at most `most`: those after them start behind the last one's key. */
  page(from: Bytes, end: Bytes | undefined, most: number): readonly KeyEntry[] {
    const entries: KeyEntry[] = [];
    this.scan(from, end, (entry) => entries.push(entry) < most);
    return entries;
  }

  #livingPage(from: Bytes, end: Bytes | undefined, most: number): readonly KeyEntry[] {
    const entries: KeyEntry[] = [];
    this.scanLiving(from, end, (entry) => entries.push(entry) < most);
    return entries;
  }

  /**
   * Long work: visits what can be seen of [from, end) at `revision`, which must be pinned, in key order. It yields about
   * every 512 entries and older versions passed, and sooner where `visit` returns work of its own in the same unit.
   */
  *walk(
    from: Bytes,
    end: Bytes | undefined,
    revision: number,
    visit: (version: Version) => number,
  ): Generator<undefined, undefined> {
    let work = 0;
    for (let next: Bytes | undefined = from; next !== undefined;) {
      const page: readonly KeyEntry[] =
        revision === this.revision
          ? this.#livingPage(next, end, WORK_PER_STEP)
          : this.page(next, end, WORK_PER_STEP);
      for (const entry of page) {
        let at: Version | undefined = entry.newest;
        while (at !== undefined && at.modRevision > revision) {
          at = at.older;
          if (++work < WORK_PER_STEP) continue;
          work = 0;
          yield;
        }
        work += at === undefined || at.deleted ? 1 : 1 + visit(at);
        if (work < WORK_PER_STEP) continue;
        work = 0;
        yield;
      }
      next = page.length < WORK_PER_STEP ? undefined : after((page.at(-1) as KeyEntry).newest.key);
    }
    return undefined;
  }

  put(key: Bytes, value: Bytes, lease: bigint, revision: number): Version {
    const entry = this.#index.get(key);
    const before = entry?.newest;
    const created = before === undefined || before.deleted;
    const version = new Version(
      {
        key: before?.key ?? key,
        value,
        createRevision: created ? revision : before.createRevision,
        modRevision: revision,
        version: created ? 1 : before.version + 1,
        lease,
      },
      before,
    );
    if (created) this.#liveKeys++;
    this.#append(version, entry);
    return version;
  }

  delete(key: Bytes, revision: number): Version {
    const entry = this.#index.get(key);
    assert(entry !== undefined && !entry.newest.deleted, "delete: the key must exist");
    const gone = {
      key: entry.newest.key,
      value: "" as Bytes,
      createRevision: 0,
      modRevision: revision,
      version: 0,
      lease: 0n,
    };
    const version = new Version(gone, entry.newest);
    this.#liveKeys--;
    this.#append(version, entry);
    return version;
  }

  #append(version: Version, entry: KeyEntry | undefined): void {
    this.#account(version, entry?.newest);
    this.#history.push(version);
    if (entry !== undefined) {
      this.#moved(entry, version, entry.newest.deleted);
      return;
    }
    const fresh: KeyEntry = { newest: version, slot: this.#freeSlots.pop() ?? this.#slots++ };
    this.#index.add(version.key, fresh);
    this.#living.set(version.key, fresh);
  }

  /** The entry gets a newer version, and with it the order in which it belongs. */
  #moved(entry: KeyEntry, version: Version, wasDeleted: boolean): void {
    entry.newest = version;
    if (wasDeleted === version.deleted) return;
    const [from, to] = version.deleted
      ? [this.#living, this.#departed]
      : [this.#departed, this.#living];
    from.delete(version.key);
    to.set(version.key, entry);
  }

  #account(version: Version, before: Version | undefined): void {
    this.#bytes += version.bytes;
    if (!version.deleted) this.#liveBytes += version.bytes;
    if (before !== undefined && !before.deleted) this.#liveBytes -= before.bytes;
  }

  /** Position in the history of the first change at or after `revision`. */
  seek(revision: number): number {
    let low = this.#history.start;
    let high = this.#history.end;
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      if ((this.#history.at(middle) as Version).modRevision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The change at a position from `seek`, or undefined where there is none (any more). */
  change(position: number): Version | undefined {
    return this.#history.at(position);
  }

  /**
   * Removes what no revision ≥ `limit` can see, and the changes before `limit`; yields every 256 changes. A pinned
   * older revision must lower `limit`. One at a time.
   */
  *compactWork(limit: number): Generator<undefined, undefined> {
    assert(limit <= this.compactRevision, "compaction past the compacted revision");
    const history = this.#history;
    let steps = 0;
    for (;;) {
      const change = history.at(this.#forgotten);
      const first = history.at(history.start);
      if (change !== undefined && change.modRevision <= limit) {
        this.#forgotten++;
        this.#forget(change);
      } else if (first === undefined || first.modRevision >= limit) {
        break;
      }
      if (first !== undefined && first.modRevision < limit) {
        history.dropFirst();
        this.#watchableFrom = first.modRevision + 1;
      }
      if (++steps % FORGOTTEN_PER_STEP === 0) yield;
    }
    this.#watchableFrom = Math.max(this.#watchableFrom, limit);
    return undefined;
  }

  /** The change stays readable, what was before it does not; a deletion that is the newest leaves the index. */
  #forget(change: Version): void {
    if (change.older !== undefined) {
      this.#bytes -= change.older.bytes;
      change.older = undefined;
    }
    if (!change.deleted) return;
    const entry = this.#index.get(change.key);
    if (entry?.newest !== change) return;
    this.#bytes -= change.bytes;
    this.#index.delete(change.key);
    this.#departed.delete(change.key);
    this.#freeSlots.push(entry.slot);
  }

  /**
   * Loads the next key in order, with its version at the compacted revision if it had one: the first section of a
   * snapshot. Without one it gets its first version from the changes that follow.
   */
  loadKey(key: Bytes, version: Version | undefined): KeyEntry {
    this.#loading ??= OrderedMap.ascending();
    const entry: KeyEntry = { newest: version ?? UNBORN, slot: this.#slots++ };
    this.#index.add(key, entry);
    this.#loading.add(key, entry);
    if (version === undefined) return entry;
    this.#account(version, undefined);
    this.#liveKeys++;
    return entry;
  }

  /** All keys are loaded. */
  loaded(): void {
    if (this.#loading !== undefined) this.#living = this.#loading.build();
    this.#loading = undefined;
    this.#watchableFrom = this.compactRevision;
  }

  /** Appends a loaded change of the compacted revision itself: it can be watched, and its effect is already loaded. */
  loadEdge(kv: KeyValue): void {
    this.#history.push(new Version(kv, undefined));
    this.#forgotten = this.#history.end;
  }

  /** Appends a loaded change to the key at `entry`. */
  loadChange(entry: KeyEntry, kv: KeyValue): void {
    const before = entry.newest === UNBORN ? undefined : entry.newest;
    const version = new Version(kv, before);
    const wasLive = before !== undefined && !before.deleted;
    this.#liveKeys += (version.deleted ? 0 : 1) - (wasLive ? 1 : 0);
    this.#account(version, before);
    this.#history.push(version);
    // A key without a version yet lies among those that exist: that is where most first versions put it.
    this.#moved(entry, version, before?.deleted === true);
  }

  /** True if `entry` was loaded and never got a version: a snapshot that says so is damaged. */
  static unborn(entry: KeyEntry): boolean {
    return entry.newest === UNBORN;
  }
}

const UNBORN = new Version(
  {
    key: "" as Bytes,
    value: "" as Bytes,
    createRevision: 0,
    modRevision: 0,
    version: 0,
    lease: 0n,
  },
  undefined,
);
