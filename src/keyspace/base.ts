/**
 * The base: committed state, changed only by applying a committed entry, with the same code on every replica.
 *
 * Invariants: I1 revisions and indexes grow by one, time never decreases. I2 what is read here has been committed:
 * ranges, watches, hashes and snapshots read the base and cannot show what a failed leader only evaluated. I3 a key's
 * lease attachment follows its newest version. I4 pinned revisions stay readable until released.
 * Leaves out: evaluation (`head.ts`), who proposes compaction and expiry (the replica).
 */
import { assert } from "../base/assert.ts";
import type { Bytes } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import { crc32c } from "../base/crc32c.ts";
import { sortWork } from "../base/sort-work.ts";
import type {
  AlarmKind,
  HashResponse,
  KeyValue,
  LeasesResponse,
  LeaseTimeToLiveResponse,
  RangeRequest,
  RangeResponse,
} from "../contract/requests.ts";
import { Callers } from "./callers.ts";
import type { Change, Effects, Entry, MetaChange } from "./effects.ts";
import { Leases } from "./leases.ts";
import type { RangeSource } from "./range.ts";
import { rangeWork, scanEnd, unreadable } from "./range.ts";
import type { Version } from "./versions.ts";
import { Versions, visibleAt, visibleWork } from "./versions.ts";

/** Bytes that a lease and a caller cost, for accounting against the quota. */
const LEASE_BYTES = 128;
const CALLER_BYTES = 256;
/** Instants remembered for trimming the history by age: one a second for ten minutes. */
const TIMELINE_STEP_MS = 1_000;
/** Hashing 256 bytes counts as much as looking at one more key. */
const HASHED_BITS = 8;

export class Base {
  readonly versions: Versions = new Versions();
  readonly leases: Leases = new Leases();
  readonly callers: Callers = new Callers();
  readonly alarms: Set<AlarmKind> = new Set();
  /** Which revision was the newest at a past keyspace time, oldest first. */
  readonly #timeline: { readonly time: number; readonly revision: number }[] = [];
  readonly #pins = new Map<number, number>();
  appliedIndex = 0;
  term = 0;
  /** Keyspace time of the last applied entry, ms since 1970. */
  time = 0;

  get revision(): number {
    return this.versions.revision;
  }
  get compactRevision(): number {
    return this.versions.compactRevision;
  }
  get bytes(): number {
    return (
      this.versions.bytes + this.leases.count * LEASE_BYTES + this.callers.count * CALLER_BYTES
    );
  }

  get(key: Bytes): KeyValue | undefined {
    return this.versions.get(key);
  }

  /** Visits the live keys of [from, end) in order; `end` undefined: no bound. */
  scan(from: Bytes, end: Bytes | undefined, visit: (kv: KeyValue) => boolean): boolean {
    return this.versions.scanLiving(from, end, (entry) => visit(entry.newest));
  }

  /** Applies a committed entry. `nowMs`: this process's monotonic clock, for leases. */
  apply(entry: Entry, nowMs: number): void {
    assert(entry.index === this.appliedIndex + 1, "apply: indexes grow by one");
    assert(entry.term >= this.term, "apply: terms never decrease");
    assert(entry.time >= this.time, "apply: keyspace time never decreases");
    for (const effects of entry.transactions) this.#applyEffects(effects, entry.time, nowMs);
    this.appliedIndex = entry.index;
    this.term = entry.term;
    this.time = entry.time;
    this.#remember();
  }

  #applyEffects(effects: Effects, time: number, nowMs: number): void {
    if (effects.changes.length > 0) {
      assert(effects.revision > this.versions.revision, "apply: revisions grow");
      this.versions.revision = effects.revision;
      for (const change of effects.changes) this.#applyChange(change, effects.revision);
    } else {
      assert(effects.revision === 0, "apply: no changes, no revision");
    }
    for (const meta of effects.meta) this.#applyMeta(meta, time, nowMs);
  }

  #applyChange(change: Change, revision: number): void {
    const before = this.versions.get(change.key);
    if (before !== undefined && before.lease !== 0n) this.leases.detach(before.lease, before.key);
    if (change.kind === "delete") {
      this.versions.delete(change.key, revision);
      return;
    }
    const version = this.versions.put(change.key, change.value, change.lease, revision);
    if (change.lease !== 0n) this.leases.attach(change.lease, version.key);
  }

  #applyMeta(meta: MetaChange, time: number, nowMs: number): void {
    switch (meta.kind) {
      case "leaseGranted":
        return this.leases.grant(meta.id, meta.ttlMs, nowMs);
      case "leaseRevoked":
        return this.leases.revoke(meta.id);
      case "leaseFenced":
        return this.leases.fence(meta.id);
      case "callerOpened":
        return this.callers.open(meta.id, time);
      case "callerClosed":
        return this.callers.close(meta.id);
      case "replied":
        return this.callers.record(
          meta.id,
          meta.sequence,
          meta.firstUnacked,
          { request: meta.request, reply: meta.reply },
          time,
        );
      case "compacted":
        if (meta.revision > this.versions.compactRevision)
          this.versions.compactRevision = meta.revision;
        return;
      case "restored":
        this.versions.revision = meta.revision;
        this.versions.compactRevision = meta.revision;
        return;
      case "alarmed":
        if (meta.on) this.alarms.add(meta.alarm);
        else this.alarms.delete(meta.alarm);
        return;
    }
  }

  /** A range as a piece of long work over one pinned revision, or why it cannot be read. */
  range(request: RangeRequest): Generator<undefined, RangeResponse> | Failure {
    const refused = unreadable(request.key, request.revision, this);
    if (refused !== undefined) return refused;
    const at =
      request.revision !== undefined && request.revision > 0 ? request.revision : this.revision;
    return this.#pinned(at, rangeWork(this.at(at), request, this.revision));
  }

  /** The state at a readable revision. */
  at(revision: number): RangeSource {
    const versions = this.versions;
    return {
      get: (key) => {
        const entry = versions.entry(key);
        return entry === undefined ? undefined : visibleAt(entry, revision);
      },
      scan: (from, end, visit) => {
        if (revision === this.revision) return this.scan(from, end, visit);
        return versions.scan(from, end, (entry) => {
          const kv = visibleAt(entry, revision);
          return kv === undefined || visit(kv);
        });
      },
      find: (key) => visibleWork(versions.entry(key), revision),
      walk: (from, end, visit) => versions.walk(from, end, revision, visit),
    };
  }

  *#pinned<T>(revision: number, work: Generator<undefined, T>): Generator<undefined, T> {
    const release = this.pin(revision);
    try {
      return yield* work;
    } finally {
      release();
    }
  }

  /** Keeps `revision` readable until the returned function is called. */
  pin(revision: number): () => void {
    this.#pins.set(revision, (this.#pins.get(revision) ?? 0) + 1);
    return () => {
      const count = (this.#pins.get(revision) ?? 1) - 1;
      if (count === 0) this.#pins.delete(revision);
      else this.#pins.set(revision, count);
    };
  }

  /** Removes versions that can no longer be read. */
  compactWork(): Generator<undefined, undefined> {
    return this.versions.compactWork(Math.min(this.compactRevision, ...this.#pins.keys()));
  }

  /** A checksum of what can be read at `revision`: equal on replicas that applied the same entries. */
  hash(revision: number | undefined): Generator<undefined, HashResponse> | Failure {
    const refused = unreadable("" as Bytes, revision, this);
    if (refused !== undefined) return refused;
    const at = revision !== undefined && revision > 0 ? revision : this.revision;
    return this.#pinned(at, this.#hashWork(at));
  }

  *#hashWork(at: number): Generator<undefined, HashResponse> {
    const compactRevision = this.compactRevision;
    let hash = 0;
    yield* this.versions.walk("" as Bytes, undefined, at, (kv) => {
      const { key, value } = kv;
      hash = crc32c(value, crc32c(key, crc32c(describe(kv), hash)));
      return (key.length + value.length) >> HASHED_BITS;
    });
    return { revision: this.revision, hash, compactRevision };
  }

  /** What is left of a lease, with its keys in order if they are asked for: long work, as it may have many. */
  *leaseTimeToLive(
    id: bigint,
    withKeys: boolean,
    nowMs: number,
  ): Generator<undefined, LeaseTimeToLiveResponse> {
    const lease = this.leases.get(id);
    const found = {
      revision: this.revision,
      ttlMs: this.leases.remainingMs(id, nowMs),
      grantedTtlMs: lease?.ttlMs ?? 0,
    };
    const keys = withKeys && lease !== undefined ? [...lease.keys] : [];
    return { ...found, keys: yield* sortWork(keys, ascending) };
  }

  /** The ids of all leases, in order. */
  *leaseIds(): Generator<undefined, LeasesResponse> {
    const revision = this.revision;
    return { revision, ids: yield* sortWork(this.leases.ids(), ascending) };
  }

  /** Notes which revision was the newest when, for trimming by age. */
  #remember(): void {
    const last = this.#timeline.at(-1);
    if (last !== undefined && this.time - last.time < TIMELINE_STEP_MS) return;
    this.#timeline.push({ time: this.time, revision: this.revision });
  }

  /**
   * The revision to compact to so that history is no older than `keepMs` and, if it holds more than `keepBytes`, is
   * halved; undefined if there is nothing to trim.
   */
  trimTarget(keepMs: number, keepBytes: number): number | undefined {
    let target = 0;
    while ((this.#timeline[1]?.time ?? Infinity) <= this.time - keepMs) {
      target = (this.#timeline.shift() as { revision: number }).revision;
    }
    // While a pin holds back what is already compacted, its bytes say nothing about the rest.
    const settled = this.versions.watchableFrom >= this.compactRevision;
    if (settled && this.versions.historyBytes > keepBytes) {
      const first = this.versions.seek(this.compactRevision + 1);
      const middle = first + ((this.versions.seek(this.revision + 1) - first) >> 1);
      target = Math.max(target, this.versions.change(middle)?.modRevision ?? 0);
    }
    return target > this.compactRevision ? target : undefined;
  }

  /** The changes of [revision, …) for watches. */
  changesFrom(revision: number): number {
    return this.versions.seek(revision);
  }
  change(position: number): Version | undefined {
    return this.versions.change(position);
  }
  /** The exclusive bound of a scan for etcd's range end. */
  static scanEnd(end: Bytes): Bytes | undefined {
    return scanEnd(end);
  }
}

function describe(kv: KeyValue): Bytes {
  return `${kv.key.length},${kv.value.length},${kv.createRevision},${kv.modRevision},${kv.version},${kv.lease};` as Bytes;
}

function ascending<T extends Bytes | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
