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
import { Authority } from "./auth/authority.ts";
import { userHash } from "./auth/show.ts";
import { Users } from "./auth/users.ts";
import { Callers } from "./callers.ts";
import type { Change, Effects, Entry, MetaChange } from "./effects.ts";
import { Leases } from "./leases.ts";
import { Members } from "./members.ts";
import type { RangeSource } from "./range.ts";
import { rangeWork, scanEnd, unreadable } from "./range.ts";
import { Timeline } from "./timeline.ts";
import type { Version } from "./versions.ts";
import { Versions, visibleAt, visibleWork } from "./versions.ts";

/** Bytes that a lease and a caller cost, for accounting against the quota. */
const LEASE_BYTES = 128;
const CALLER_BYTES = 256;
/** Hashing 256 bytes counts as much as looking at one more key. */
const HASHED_BITS = 8;

export class Base {
  readonly versions: Versions = new Versions();
  readonly leases: Leases = new Leases();
  readonly callers: Callers = new Callers();
  readonly users: Users = new Users();
  /** Who may do what in committed state. */
  readonly authority: Authority = new Authority(
    this.users,
    (id) => this.leases.get(id)?.keys ?? [],
  );
  readonly members: Members = new Members();
  readonly alarms: Set<AlarmKind> = new Set();
  readonly timeline: Timeline = new Timeline();
  readonly #pins = new Map<number, number>();
  /** Called when a revision is pinned no longer: what that held back can be removed. */
  onReleased: () => void = () => {};
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
      this.versions.bytes +
      this.users.bytes +
      this.leases.count * LEASE_BYTES +
      this.callers.count * CALLER_BYTES
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
    if (entry.membership !== undefined) this.members.configure(entry.membership);
    for (const effects of entry.transactions) this.#applyEffects(effects, entry.time, nowMs);
    this.appliedIndex = entry.index;
    this.term = entry.term;
    this.time = entry.time;
    // A cluster begins before anybody has said what time it is.
    if (this.time > 0) this.timeline.note(this.time, this.revision);
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
        return this.members.forgetRemoved();
      case "alarmed":
        if (meta.on) this.alarms.add(meta.alarm);
        else this.alarms.delete(meta.alarm);
        return;
      case "callerOwned":
        return this.callers.open(meta.id, time, meta.owner);
      case "authSet":
        this.users.state = { enabled: meta.enabled, revision: meta.revision };
        return;
      case "userSet":
        return this.users.setUser(meta.user);
      case "userGone":
        return this.users.deleteUser(meta.name);
      case "roleSet":
        return this.users.setRole(meta.role);
      case "roleGone":
        return this.users.deleteRole(meta.name);
      case "memberSet":
        return this.members.set(meta.member);
      case "formatRaised":
        return this.members.raise(meta.format);
      case "voteDue":
        return this.members.promise(meta.id);
      case "tokenGiven": {
        const { name, revision } = meta;
        return this.users.giveToken(meta.digest, { name, revision, time, atMs: nowMs });
      }
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
      if (count > 0) return void this.#pins.set(revision, count);
      this.#pins.delete(revision);
      this.onReleased();
    };
  }

  /** Whether nothing is left of what was compacted: a pin may hold some of it back. */
  get settled(): boolean {
    return this.versions.watchableFrom >= this.compactRevision;
  }

  /** Removes versions that can no longer be read. */
  compactWork(): Generator<undefined, undefined> {
    return this.versions.compactWork(Math.min(this.compactRevision, ...this.#pins.keys()));
  }

  /** A checksum of what can be read at `revision`: equal on replicas that applied the same entries. */
  hash(
    revision: number | undefined,
    withAuth = false,
  ): Generator<undefined, HashResponse> | Failure {
    const refused = unreadable("" as Bytes, revision, this);
    if (refused !== undefined) return refused;
    const at = revision !== undefined && revision > 0 ? revision : this.revision;
    return this.#pinned(at, this.#hashWork(at, withAuth ? userHash(this.users) : 0));
  }

  *#hashWork(at: number, begin: number): Generator<undefined, HashResponse> {
    const compactRevision = this.compactRevision;
    let hash = begin;
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

  /**
   * The revision to compact to so that history is no older than `keepMs` and, if it holds more than `keepBytes`, is
   * halved; undefined if there is nothing to trim.
   */
  trimTarget(keepMs: number, keepBytes: number): number | undefined {
    let target = this.timeline.passed(this.time - keepMs) ?? 0;
    // While a pin holds back what is already compacted, its bytes say nothing about the rest.
    if (this.settled && this.versions.historyBytes > keepBytes) {
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
