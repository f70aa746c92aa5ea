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
import { OrderedMap } from "../base/ordered-map.ts";
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
}

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

export class Versions {
  readonly #index = new Map<Bytes, KeyEntry>();
  #living: OrderedMap<KeyEntry> = new OrderedMap();
  /** Keys whose newest version is a deletion. */
  #departed: OrderedMap<KeyEntry> = new OrderedMap();
  /** The log of changes; the first `#dropped` slots are no longer part of it. */
  #history: Version[] = [];
  #dropped = 0;
  /** Position of the first change whose predecessor has not been forgotten; never before `#dropped`. */
  #forgotten = 0;
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
    return this.#history.length - this.#dropped;
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
      this.#moved(entry, version);
      return;
    }
    const fresh: KeyEntry = { newest: version };
    this.#index.set(version.key, fresh);
    this.#living.set(version.key, fresh);
  }

  /** The entry gets a newer version, and with it the order in which it belongs. */
  #moved(entry: KeyEntry, version: Version): void {
    const wasDeleted = entry.newest.deleted;
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

  /** Position in the history of the first change at or after `revision`; valid until the next compaction step. */
  seek(revision: number): number {
    let low = this.#dropped;
    let high = this.#history.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#history[middle] as Version).modRevision < revision) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The change at a position from `seek`, or undefined past the end. */
  change(position: number): Version | undefined {
    return this.#history[position];
  }

  /**
   * Removes what no revision ≥ `limit` can see, and the changes before `limit`; yields about every 1,024 changes. A
   * pinned older revision must lower `limit`. One at a time.
   */
  *compactWork(limit: number): Generator<undefined, undefined> {
    assert(limit <= this.compactRevision, "compaction past the compacted revision");
    let steps = 0;
    for (;;) {
      const change = this.#history[this.#forgotten];
      const first = this.#history[this.#dropped];
      if (change !== undefined && change.modRevision <= limit) {
        this.#forgotten++;
        this.#forget(change);
      } else if (first === undefined || first.modRevision >= limit) {
        break;
      }
      if (first !== undefined && first.modRevision < limit) {
        this.#dropped++;
        this.#watchableFrom = first.modRevision + 1;
      }
      if (++steps % 1_024 === 0) {
        this.#shrink();
        yield;
      }
    }
    this.#watchableFrom = Math.max(this.#watchableFrom, limit);
    this.#shrink();
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
  }

  #shrink(): void {
    if (this.#dropped < 4_096 || this.#dropped * 2 < this.#history.length) return;
    this.#history = this.#history.slice(this.#dropped);
    this.#forgotten -= this.#dropped;
    this.#dropped = 0;
  }

  /** Loads versions in key order; changes in revision order and `loaded` follow: the sections of a snapshot. */
  load(keys: readonly Bytes[], base: readonly (Version | undefined)[]): readonly KeyEntry[] {
    assert(this.#index.size === 0, "load: only into an empty store");
    const entries: KeyEntry[] = new Array<KeyEntry>(keys.length);
    for (let at = 0; at < keys.length; at++) {
      const version = base[at];
      const key = keys[at] as Bytes;
      // A key without a base version gets its first one from the changes that follow.
      const entry: KeyEntry = { newest: version ?? UNBORN };
      entries[at] = entry;
      this.#index.set(key, entry);
      if (version === undefined) continue;
      this.#account(version, undefined);
      this.#liveKeys++;
    }
    this.#watchableFrom = this.compactRevision;
    return entries;
  }

  /** Appends a loaded change of the compacted revision itself: it can be watched, and its effect is already loaded. */
  loadEdge(kv: KeyValue): void {
    this.#history.push(new Version(kv, undefined));
    this.#forgotten = this.#history.length;
  }

  /** Appends a loaded change to the key at `entry`. */
  loadChange(entry: KeyEntry, kv: KeyValue): void {
    const before = entry.newest === UNBORN ? undefined : entry.newest;
    const version = new Version(kv, before);
    const wasLive = before !== undefined && !before.deleted;
    this.#liveKeys += (version.deleted ? 0 : 1) - (wasLive ? 1 : 0);
    this.#account(version, before);
    this.#history.push(version);
    entry.newest = version;
  }

  /** Puts what was loaded into order: `load`'s keys and what it returned. */
  loaded(keys: readonly Bytes[], entries: readonly KeyEntry[]): void {
    const lives = (_: unknown, at: number): boolean => !(entries[at] as KeyEntry).newest.deleted;
    const departed = (_: unknown, at: number): boolean => !lives(_, at);
    this.#living = OrderedMap.fromSorted(keys.filter(lives), entries.filter(lives));
    this.#departed = OrderedMap.fromSorted(keys.filter(departed), entries.filter(departed));
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
