/**
 * The state read back from the records of a snapshot, by bulk load.
 *
 * Invariants: I1 a stream without its end record is refused, as are records out of order, doubled or missing. I2 no
 * bytes, whatever they are, throw anything but `Malformed`.
 */
import type { Bytes } from "../../base/bytes.ts";
import { ByteReader, Malformed, textCodec } from "../../base/codec.ts";
import { Sequence } from "../../base/sequence.ts";
import { decodeReply, requestKindCodec } from "../../contract/request-codec.ts";
import { FRESH, roleCodec, userCodec } from "../auth/users.ts";
import { Base } from "../base.ts";
import type { KeptReply } from "../callers.ts";
import { NO_MEMBERS } from "../members.ts";
import type { KeyEntry } from "../versions.ts";
import { Version, Versions } from "../versions.ts";
import type { SnapshotMeta } from "./meta.ts";
import { decodeMeta, keptIn } from "./meta.ts";
import { ORDER, readKey, RECORD, USERS } from "./records.ts";

/** Builds a base from the records of a snapshot, in order. Bytes that are none throw `Malformed`. */
export class Importer {
  readonly base: Base = new Base();
  #meta: SnapshotMeta | undefined;
  /** The keys and their entries, by ordinal. */
  #keys = new Sequence<Bytes>();
  #entries = new Sequence<KeyEntry>();
  /** Keys without a version so far. */
  #unborn = 0;
  /** Users and roles that are yet to come. */
  #usersLeft = 0;
  /** Entries of which some version had a lease. */
  readonly #leased = new Set<KeyEntry>();
  #lastKey: Bytes | undefined;
  #lastKind = 0;
  #lastRevision = 0;

  get meta(): SnapshotMeta {
    if (this.#meta === undefined) throw new Malformed("a snapshot without its first record");
    return this.#meta;
  }

  add(record: Uint8Array): void {
    const reader = new ByteReader(record);
    const kind = reader.u8();
    const repeats = kind === this.#lastKind && kind !== RECORD.meta && kind !== RECORD.end;
    const [place, last] = [ORDER.indexOf(kind), ORDER.indexOf(this.#lastKind)];
    if ((place <= last && !repeats) || (kind === RECORD.meta) !== (this.#meta === undefined)) {
      throw new Malformed("records out of order");
    }
    if (kind > RECORD.keys && this.#lastKind <= RECORD.keys) this.base.versions.loaded();
    this.#lastKind = kind;
    switch (kind) {
      case RECORD.meta:
        this.#addMeta(reader.bytes());
        return;
      case RECORD.keys:
        while (!reader.done) this.#addKey(reader);
        return;
      case RECORD.edge:
        return this.#addEdge(reader);
      case RECORD.changes:
        while (!reader.done) this.#addChange(reader);
        return;
      case RECORD.leases:
        return this.#addLeases(reader);
      case RECORD.callers:
        return this.#addCaller(reader);
      case RECORD.auth:
        return this.#addAuth(reader);
      case RECORD.end:
        this.#finish();
        return;
      default:
        throw new Malformed("an unknown record");
    }
  }

  /** Whether the end record has been read. */
  get ended(): boolean {
    return this.#lastKind === RECORD.end;
  }

  /** The base, once the end record has been read. */
  take(): Base {
    if (!this.ended) throw new Malformed("a snapshot without its end");
    return this.base;
  }

  #addMeta(bytes: Bytes): void {
    const { meta, instants } = decodeMeta(bytes);
    this.#meta = meta;
    this.base.versions.compactRevision = meta.compactRevision;
    if (!this.base.timeline.load(instants)) throw new Malformed("a timeline out of order");
  }

  #addKey(reader: ByteReader): void {
    const key = reader.bytes();
    if (this.#lastKey !== undefined && this.#lastKey >= key)
      throw new Malformed("keys out of order");
    this.#lastKey = key;
    const kv = readKey(reader, key);
    if (kv !== undefined && kv.modRevision > this.meta.compactRevision)
      throw new Malformed("a base version too new");
    const version = kv === undefined ? undefined : new Version(kv, undefined);
    const entry = this.base.versions.loadKey(key, version);
    this.#keys.push(key);
    this.#entries.push(entry);
    if (version === undefined) this.#unborn++;
    else if (version.lease !== 0n) this.#leased.add(entry);
  }

  #addEdge(reader: ByteReader): void {
    const key = reader.bytes();
    const gone = { key, value: "" as Bytes, createRevision: 0, version: 0, lease: 0n };
    this.base.versions.loadEdge({
      ...(readKey(reader, key) ?? gone),
      modRevision: this.meta.compactRevision,
    });
  }

  #addChange(reader: ByteReader): void {
    const ordinal = reader.uint();
    const entry = this.#entries.at(ordinal);
    const key = this.#keys.at(ordinal);
    if (entry === undefined || key === undefined) throw new Malformed("a change of an unknown key");
    const modRevision = reader.uint();
    const version = reader.uint();
    const { compactRevision, revision } = this.meta;
    if (
      modRevision < this.#lastRevision ||
      modRevision <= compactRevision ||
      modRevision > revision
    ) {
      throw new Malformed("changes out of order");
    }
    this.#lastRevision = modRevision;
    if (Versions.unborn(entry)) this.#unborn--;
    if (version === 0) {
      this.base.versions.loadChange(entry, {
        key,
        value: "" as Bytes,
        createRevision: 0,
        modRevision,
        version,
        lease: 0n,
      });
      return;
    }
    const createRevision = reader.uint();
    const value = reader.bytes();
    const lease = reader.int64();
    const kv = { key, value, createRevision, modRevision, version, lease };
    this.base.versions.loadChange(entry, kv);
    if (lease !== 0n) this.#leased.add(entry);
  }

  #addLeases(reader: ByteReader): void {
    for (let left = reader.uint(); left > 0; left--) {
      const id = reader.int64();
      this.base.leases.grant(id, reader.uint(), 0);
      if (reader.u8() === 1) this.base.leases.fence(id);
    }
  }

  #addCaller(reader: ByteReader): void {
    const [id, firstUnacked, time] = [reader.int64(), reader.uint(), reader.uint() / 1_000];
    const kept: [number, KeptReply][] = [];
    for (let left = reader.uint(); left > 0; left--) {
      const sequence = reader.uint();
      const request = requestKindCodec.decode(reader);
      kept.push([sequence, { request, reply: decodeReply(reader) }]);
    }
    this.base.callers.open(id, time, reader.done ? "" : textCodec.decode(reader));
    for (const [sequence, reply] of kept)
      this.base.callers.record(id, sequence, firstUnacked, reply, time);
    const caller = this.base.callers.get(id);
    if (caller !== undefined) caller.firstUnacked = firstUnacked;
  }

  #addAuth(reader: ByteReader): void {
    const { users } = this.base;
    const what = reader.u8();
    const sameRecords = users.state !== FRESH;
    if ((what === USERS.state) === sameRecords) throw new Malformed("users out of order");
    if (what === USERS.state) {
      users.state = { enabled: reader.u8() === 1, revision: reader.uint() };
      this.#usersLeft = reader.uint();
    } else if (what === USERS.user) users.setUser(userCodec.decode(reader));
    else if (what === USERS.role) users.setRole(roleCodec.decode(reader));
    else throw new Malformed("an unknown record of users");
    if (what !== USERS.state) this.#usersLeft--;
    if (!reader.done) throw new Malformed("bytes after a record of users");
  }

  #finish(): void {
    const { base } = this;
    const { meta } = this;
    if (this.#unborn > 0) throw new Malformed("a key without a version");
    if (this.#usersLeft !== 0) throw new Malformed("users missing or doubled");
    for (const { newest } of this.#leased)
      if (newest.lease !== 0n) base.leases.attach(newest.lease, newest.key);
    base.versions.revision = meta.revision;
    base.appliedIndex = meta.index;
    base.term = meta.term;
    base.time = meta.time;
    for (const alarm of meta.alarms) base.alarms.add(alarm);
    base.members.configure(meta.membership ?? NO_MEMBERS);
    for (const member of meta.members ?? []) base.members.set(member);
    base.members.load(keptIn(meta));
    this.#keys = new Sequence();
    this.#entries = new Sequence();
    this.#leased.clear();
  }
}
