/**
 * The state as a stream of records, written while the store goes on.
 *
 * Order: meta; every key in order with its version at the compacted revision, if it had one; the changes of that
 * revision (the edge of the history); the changes after it, each naming its key by number; leases; callers; users and
 * roles, if there ever were any; end. A watch from any revision that was readable before is readable after, because the
 * history is part of the state.
 * Invariants: I1 the stream is of one revision and one applied index, whatever is applied while it is written. I2 a step
 * is short, however large a value or long a history.
 */
import { assert } from "../../base/assert.ts";
import type { Bytes } from "../../base/bytes.ts";
import { after } from "../../base/bytes.ts";
import { ByteWriter, textCodec } from "../../base/codec.ts";
import { encodeReply, requestKindCodec } from "../../contract/request-codec.ts";
import type { AuthState, Role, User } from "../auth/users.ts";
import { FRESH, roleCodec, userCodec } from "../auth/users.ts";
import type { Base } from "../base.ts";
import type { Caller } from "../callers.ts";
import type { Lease } from "../leases.ts";
import type { KeyEntry, Version } from "../versions.ts";
import type { SnapshotMeta } from "./meta.ts";
import { encodeMeta, metaOf } from "./meta.ts";
import { encodeKey, RECORD, USERS } from "./records.ts";

/** A record is closed at about this size, or when so many keys or changes have been looked at: a step is short. */
const RECORD_BYTES: number = 128 << 10;
const RECORD_LOOKS = 1_024;
/** Keys found at once. */
const PAGE = 256;
/** Leases in one record. */
const LEASES_PER_RECORD = 4_096;

/** Yields the records of the present state. The base may go on being applied to between two steps. */
export function* exportWork(base: Base): Generator<Uint8Array, undefined> {
  const meta = metaOf(base);
  const first = encodeMeta(meta, base.timeline.instants);
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
    yield record(RECORD.meta, (writer) => writer.bytes(first));
    // By slot, as the entries of this revision keep theirs while it is pinned. A map would hash itself anew as it grows.
    const ordinals: Ordinals = new Uint32Array(base.versions.slots);
    yield* exportKeys(base, meta, ordinals);
    for (const change of edge) yield record(RECORD.edge, (writer) => encodeEdge(writer, change));
    yield* exportChanges(base, meta, ordinals);
    for (let at = 0; at < leases.length; at += LEASES_PER_RECORD) {
      const some = leases.slice(at, at + LEASES_PER_RECORD);
      yield record(RECORD.leases, (writer) => encodeLeases(writer, some, fenced));
    }
    for (const caller of callers)
      yield record(RECORD.callers, (writer) => encodeCaller(writer, caller));
    if (state !== FRESH) yield* exportAuth(state, users, roles);
    yield record(RECORD.end, () => {});
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
  yield record(RECORD.auth, (writer) => {
    writer.u8(USERS.state);
    writer.u8(enabled ? 1 : 0);
    writer.uint(revision);
    writer.uint(users.length + roles.length);
  });
  for (const role of roles) {
    yield record(RECORD.auth, (writer) => {
      writer.u8(USERS.role);
      roleCodec.encode(writer, role);
    });
  }
  for (const user of users) {
    yield record(RECORD.auth, (writer) => {
      writer.u8(USERS.user);
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
    writer.u8(RECORD.keys);
    return taken;
  };
  writer.u8(RECORD.keys);
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

function* exportChanges(
  base: Base,
  meta: SnapshotMeta,
  ordinals: Ordinals,
): Generator<Uint8Array, undefined> {
  const writer = new ByteWriter(RECORD_BYTES * 2);
  const end = base.changesFrom(meta.revision + 1);
  for (let at = base.changesFrom(meta.compactRevision + 1); ;) {
    writer.reset();
    writer.u8(RECORD.changes);
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
