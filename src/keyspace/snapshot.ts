/**
 * The state as a stream of records, written while the store goes on, and read back by bulk load.
 *
 * Order: meta; every key in order with its version at the compacted revision, if it had one; the changes of that
 * revision (the edge of the history); the changes after it, each naming its key by number; leases; callers; users and
 * roles, if there ever were any; end. A watch from any revision that was readable before is
 * readable after, because the history is part of the state.
 * Invariants: I1 the stream is of one revision and one applied index. I2 a stream without its end record is refused.
 */
import type { Bytes } from "../base/bytes.ts";
import { after, text, utf8 } from "../base/bytes.ts";
import { assert } from "../base/assert.ts";
import { ByteReader, ByteWriter, Malformed, textCodec } from "../base/codec.ts";
import { Sequence } from "../base/sequence.ts";
import { FORMATS, REMEMBERS_MEMBERS } from "../contract/formats.ts";
import { decodeReply, encodeReply, requestKindCodec } from "../contract/request-codec.ts";
import type { AlarmKind, KeyValue } from "../contract/requests.ts";
import type { AuthState, Role, User } from "./auth/users.ts";
import { FRESH, roleCodec, userCodec } from "./auth/users.ts";
import { Base } from "./base.ts";
import type { Caller, KeptReply } from "./callers.ts";
import type { Lease } from "./leases.ts";
import type { MemberRecord, Membership, MembersKept } from "./members.ts";
import { NO_MEMBERS } from "./members.ts";
import type { Instant } from "./timeline.ts";
import type { KeyEntry } from "./versions.ts";
import { Version, Versions } from "./versions.ts";

/** Of a snapshot before the state said of which format it is; later ones have that of the state. */
const UNSAID = 1;
/** A record is closed at about this size, or when so many keys or changes have been looked at: a step is short. */
const RECORD_BYTES: number = 128 << 10;
const RECORD_LOOKS = 1_024;
/** Keys found at once. */
const PAGE = 256;
const META = 1;
const KEYS = 2;
const EDGE = 3;
const CHANGES = 4;
const LEASES = 5;
const CALLERS = 6;
const END = 7;
const AUTH = 8;
/** The kinds in the order in which they come. */
const ORDER: readonly number[] = [META, KEYS, EDGE, CHANGES, LEASES, CALLERS, AUTH, END];
/** Leases in one record. */
const LEASES_PER_RECORD = 4_096;
/** What a record of users and roles begins with. */
const STATE = 1;
const USER = 2;
const ROLE = 3;

/** What identifies the state of a snapshot. */
export interface SnapshotMeta {
  readonly format: number;
  readonly index: number;
  readonly term: number;
  readonly time: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly alarms: readonly AlarmKind[];
  /** Absent in one of an earlier version. */
  readonly membership?: Membership | undefined;
  readonly members?: readonly MemberRecord[] | undefined;
  /** From format 3 on. */
  readonly removed?: readonly number[] | undefined;
  readonly toVote?: readonly number[] | undefined;
}

export function metaOf(base: Base): SnapshotMeta {
  const { format, removed, toVote } = base.members.kept;
  const remembers = format >= REMEMBERS_MEMBERS;
  return {
    format: remembers ? format : UNSAID,
    index: base.appliedIndex,
    term: base.term,
    time: base.time,
    revision: base.revision,
    compactRevision: base.compactRevision,
    alarms: [...base.alarms],
    membership: base.members.membership,
    members: base.members.records(),
    ...(remembers ? { removed, toVote } : {}),
  };
}

function keptIn({ format, removed = [], toVote = [] }: SnapshotMeta): MembersKept {
  return { format: format === UNSAID ? REMEMBERS_MEMBERS - 1 : format, removed, toVote };
}

/** Yields the records of the present state. The base may go on being applied to between two steps. */
export function* exportWork(base: Base): Generator<Uint8Array, undefined> {
  const meta = metaOf(base);
  const timeline = base.timeline.instants.map(({ time, revision }) => [time, revision]);
  const leases = [...base.leases.all()];
  const fenced = new Set(base.leases.fenced());
  const edge: Version[] = [];
  for (
    let at = base.changesFrom(meta.compactRevision), change = base.change(at);
    ;
    change = base.change(++at)
  ) {
    if (change?.modRevision !== meta.compactRevision) break;
    edge.push(change);
  }
  const callers = [...base.callers.all()].map((caller) => ({
    ...caller,
    replies: caller.replies.copy(),
  }));
  const { state } = base.users;
  const [users, roles] = [[...base.users.users()], [...base.users.roles()]];
  const release = base.pin(meta.compactRevision);
  try {
    yield record(META, (writer) => writer.bytes(utf8(JSON.stringify({ ...meta, timeline }))));
    // By slot, as the entries of this revision keep theirs while it is pinned. A map would hash itself anew as it grows.
    const ordinals: Ordinals = new Uint32Array(base.versions.slots);
    yield* exportKeys(base, meta, ordinals);
    for (const change of edge) yield record(EDGE, (writer) => encodeEdge(writer, change));
    yield* exportChanges(base, meta, ordinals);
    for (let at = 0; at < leases.length; at += LEASES_PER_RECORD) {
      const some = leases.slice(at, at + LEASES_PER_RECORD);
      yield record(LEASES, (writer) => encodeLeases(writer, some, fenced));
    }
    for (const caller of callers) yield record(CALLERS, (writer) => encodeCaller(writer, caller));
    if (state !== FRESH) yield* exportAuth(state, users, roles);
    yield record(END, () => {});
  } finally {
    release();
  }
  return undefined;
}

/** The number of a key among those of the snapshot, plus one, by its entry's slot; 0: the snapshot has none of it. */
type Ordinals = Uint32Array;

function record(kind: number, fill: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(4_096);
  writer.u8(kind);
  fill(writer);
  return writer.take();
}

function* exportAuth(
  { enabled, revision }: AuthState,
  users: readonly User[],
  roles: readonly Role[],
): Generator<Uint8Array, undefined> {
  yield record(AUTH, (writer) => {
    writer.u8(STATE);
    writer.u8(enabled ? 1 : 0);
    writer.uint(revision);
    writer.uint(users.length + roles.length);
  });
  for (const role of roles) {
    yield record(AUTH, (writer) => {
      writer.u8(ROLE);
      roleCodec.encode(writer, role);
    });
  }
  for (const user of users) {
    yield record(AUTH, (writer) => {
      writer.u8(USER);
      userCodec.encode(writer, user);
    });
  }
  return undefined;
}

function* exportKeys(
  base: Base,
  meta: SnapshotMeta,
  ordinals: Ordinals,
): Generator<Uint8Array, undefined> {
  const writer = new ByteWriter(RECORD_BYTES * 2);
  let ordinal = 0;
  let looks = 0;
  /** What is written so far as a record, if it is large or has taken long enough. */
  const closed = (): Uint8Array | undefined => {
    if (writer.length <= RECORD_BYTES && looks < RECORD_LOOKS) return undefined;
    looks = 0;
    const taken = writer.take();
    writer.reset();
    writer.u8(KEYS);
    return taken;
  };
  writer.u8(KEYS);
  for (let from: Bytes | undefined = "" as Bytes; from !== undefined;) {
    const page: readonly KeyEntry[] = base.versions.page(from, undefined, PAGE);
    for (const entry of page) {
      let at: Version | undefined = entry.newest;
      const { key } = at;
      let changed = false;
      for (; at !== undefined && at.modRevision > meta.compactRevision; at = at.older) {
        changed ||= at.modRevision <= meta.revision;
        looks++;
        // A key may have a million versions.
        const taken = closed();
        if (taken !== undefined) yield taken;
      }
      looks++;
      const version = at === undefined || at.deleted ? undefined : at;
      // One deleted before the history of the snapshot needs no record at all.
      if (version !== undefined || changed) {
        ordinal++;
        if (changed) ordinals[entry.slot] = ordinal;
        encodeKey(writer, key, version);
      }
      const taken = closed();
      if (taken !== undefined) yield taken;
    }
    from = page.length < PAGE ? undefined : after((page.at(-1) as KeyEntry).newest.key);
  }
  yield writer.take();
  return undefined;
}

function encodeKey(writer: ByteWriter, key: Bytes, version: Version | undefined): void {
  writer.bytes(key);
  writer.u8(version === undefined ? 0 : 1);
  if (version === undefined) return;
  writer.bytes(version.value);
  writer.uint(version.createRevision);
  writer.uint(version.modRevision);
  writer.uint(version.version);
  writer.int64(version.lease);
}

function* exportChanges(
  base: Base,
  meta: SnapshotMeta,
  ordinals: Ordinals,
): Generator<Uint8Array, undefined> {
  const writer = new ByteWriter(RECORD_BYTES * 2);
  const end = base.changesFrom(meta.revision + 1);
  for (let at = base.changesFrom(meta.compactRevision + 1); ;) {
    writer.reset();
    writer.u8(CHANGES);
    const until = Math.min(end, at + RECORD_LOOKS);
    for (; at < until && writer.length <= RECORD_BYTES; at++) {
      const change = base.change(at);
      assert(change !== undefined, "snapshot: the history that it pins is gone");
      encodeChange(writer, base, change, ordinals);
    }
    yield writer.take();
    if (at === end) return undefined;
  }
}

function encodeChange(writer: ByteWriter, base: Base, change: Version, ordinals: Ordinals): void {
  const entry = base.versions.entry(change.key);
  const ordinal = entry === undefined ? 0 : (ordinals[entry.slot] ?? 0);
  assert(ordinal > 0, "snapshot: a change of a key that was not written");
  writer.uint(ordinal - 1);
  writer.uint(change.modRevision);
  writer.uint(change.version);
  if (change.deleted) return;
  writer.uint(change.createRevision);
  writer.bytes(change.value);
  writer.int64(change.lease);
}

function encodeEdge(writer: ByteWriter, change: Version): void {
  encodeKey(writer, change.key, change.deleted ? undefined : change);
}

/** What leases were granted, and which were fenced then; how much of them is left is no part of the state. */
function encodeLeases(
  writer: ByteWriter,
  leases: readonly Lease[],
  fenced: ReadonlySet<bigint>,
): void {
  writer.uint(leases.length);
  for (const { id, ttlMs } of leases) {
    writer.int64(id);
    writer.uint(ttlMs);
    writer.u8(fenced.has(id) ? 1 : 0);
  }
}

function encodeCaller(writer: ByteWriter, caller: Caller): void {
  writer.int64(caller.id);
  writer.uint(caller.firstUnacked);
  writer.uint(Math.round(caller.lastTime * 1_000));
  writer.uint(caller.replies.size);
  for (const [sequence, kept] of caller.replies.entries()) {
    writer.uint(sequence);
    requestKindCodec.encode(writer, kept.request);
    encodeReply(writer, kept.request, kept.reply);
  }
  if (caller.owner !== "") textCodec.encode(writer, caller.owner);
}

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
    const repeats = kind === this.#lastKind && kind !== META && kind !== END;
    const [place, last] = [ORDER.indexOf(kind), ORDER.indexOf(this.#lastKind)];
    if ((place <= last && !repeats) || (kind === META) !== (this.#meta === undefined)) {
      throw new Malformed("records out of order");
    }
    if (kind > KEYS && this.#lastKind <= KEYS) this.base.versions.loaded();
    this.#lastKind = kind;
    switch (kind) {
      case META:
        this.#addMeta(parsed(reader.bytes()));
        return;
      case KEYS:
        while (!reader.done) this.#addKey(reader);
        return;
      case EDGE:
        return this.#addEdge(reader);
      case CHANGES:
        while (!reader.done) this.#addChange(reader);
        return;
      case LEASES:
        return this.#addLeases(reader);
      case CALLERS:
        return this.#addCaller(reader);
      case AUTH:
        return this.#addAuth(reader);
      case END:
        this.#finish();
        return;
      default:
        throw new Malformed("an unknown record");
    }
  }

  /** Whether the end record has been read. */
  get ended(): boolean {
    return this.#lastKind === END;
  }

  /** The base, once the end record has been read. */
  take(): Base {
    if (!this.ended) throw new Malformed("a snapshot without its end");
    return this.base;
  }

  #addMeta(read: unknown): void {
    const meta = readMeta(read);
    this.#meta = meta;
    this.base.versions.compactRevision = meta.compactRevision;
    if (!this.base.timeline.load(readTimeline(read, meta)))
      throw new Malformed("a timeline out of order");
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
    if ((what === STATE) === sameRecords) throw new Malformed("users out of order");
    if (what === STATE) {
      users.state = { enabled: reader.u8() === 1, revision: reader.uint() };
      this.#usersLeft = reader.uint();
    } else if (what === USER) users.setUser(userCodec.decode(reader));
    else if (what === ROLE) users.setRole(roleCodec.decode(reader));
    else throw new Malformed("an unknown record of users");
    if (what !== STATE) this.#usersLeft--;
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

function readKey(reader: ByteReader, key: Bytes): KeyValue | undefined {
  if (reader.u8() === 0) return undefined;
  const value = reader.bytes();
  const createRevision = reader.uint();
  const modRevision = reader.uint();
  const version = reader.uint();
  if (version === 0) throw new Malformed("a version numbered zero");
  return { key, value, createRevision, modRevision, version, lease: reader.int64() };
}

const ALARMS: readonly unknown[] = ["NOSPACE", "CORRUPT", "CLOCK"] satisfies readonly AlarmKind[];

function readMeta(given: unknown): SnapshotMeta {
  const read = given as Partial<SnapshotMeta> | null | undefined;
  const counts = [read?.index, read?.term, read?.revision, read?.compactRevision];
  const sound =
    read !== undefined &&
    read !== null &&
    isFormat(read.format) &&
    [read.removed ?? [], read.toVote ?? []].every(isIds) &&
    counts.every((count) => Number.isSafeInteger(count) && (count as number) >= 0) &&
    Number.isFinite(read.time) &&
    (read.compactRevision as number) <= (read.revision as number) &&
    Array.isArray(read.alarms) &&
    read.alarms.every((alarm) => ALARMS.includes(alarm)) &&
    (read.membership === undefined || isMembership(read.membership)) &&
    (read.members === undefined || (Array.isArray(read.members) && read.members.every(isMember)));
  if (!sound) throw new Malformed("a first record in an unknown format");
  return read as SnapshotMeta;
}

function isFormat(format: unknown): boolean {
  const isLater = (format as number) >= REMEMBERS_MEMBERS && (format as number) <= FORMATS.newest;
  return format === UNSAID || (Number.isSafeInteger(format) && isLater);
}

function isMembership(given: unknown): boolean {
  const { voters, outgoing, learners } = (given ?? {}) as Partial<Membership>;
  return [voters, outgoing, learners].every(isIds);
}

function isIds(ids: unknown): boolean {
  return Array.isArray(ids) && ids.every((id) => Number.isSafeInteger(id) && id > 0);
}

function isMember(given: unknown): boolean {
  const { id, name, peerUrls, clientUrls, identity } = (given ?? {}) as Partial<MemberRecord>;
  const isText = (each: unknown): boolean => typeof each === "string";
  const urls = [peerUrls, clientUrls];
  return (
    Number.isSafeInteger(id) &&
    isText(name) &&
    isText(identity) &&
    urls.every((each) => Array.isArray(each) && each.every(isText))
  );
}

/** Instants as pairs of time and revision. A snapshot of an earlier version has none: its history's age begins anew. */
function readTimeline(given: unknown, meta: SnapshotMeta): readonly Instant[] {
  const { timeline = [] } = given as { readonly timeline?: unknown };
  if (!Array.isArray(timeline)) throw new Malformed("a timeline in an unknown format");
  return timeline.map((pair: unknown) => {
    const [time, revision] = (Array.isArray(pair) ? pair : []) as readonly unknown[];
    const sound =
      Number.isFinite(time) &&
      (time as number) <= meta.time &&
      Number.isSafeInteger(revision) &&
      (revision as number) <= meta.revision;
    if (!sound) throw new Malformed("an instant in an unknown format");
    return { time: time as number, revision: revision as number };
  });
}

function parsed(bytes: Bytes): unknown {
  try {
    return JSON.parse(text(bytes));
  } catch {
    return undefined;
  }
}
