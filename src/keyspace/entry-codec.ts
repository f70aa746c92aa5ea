/**
 * The binary form of what the log keeps of an entry. Bytes that are no entry throw `Malformed`, whatever they are.
 */
import { must } from "../base/assert.ts";
import type { Bytes } from "../base/bytes.ts";
import type { ByteWriter } from "../base/codec.ts";
import { ByteReader, Malformed, oneOf, textCodec } from "../base/codec.ts";
import { decodeReply, encodeReply, requestKindCodec } from "../contract/request-codec.ts";
import { ALARM_KINDS } from "../contract/requests.ts";
import { roleCodec, userCodec } from "./auth/users.ts";
import type { Change, Effects, Logged, MetaChange } from "./effects.ts";
import { memberCodec } from "./members.ts";

const PUT = 1;
const PUT_LEASED = 2;
const DELETE = 3;
const META: readonly MetaChange["kind"][] = [
  "leaseGranted",
  "leaseRevoked",
  "leaseFenced",
  "callerOpened",
  "callerClosed",
  "replied",
  "compacted",
  "restored",
  "alarmed",
  "callerOwned",
  "authSet",
  "userSet",
  "userGone",
  "roleSet",
  "roleGone",
  "memberSet",
  // From format 3 on.
  "formatRaised",
  "voteDue",
  "tokenGiven",
];
const META_CODES: ReadonlyMap<MetaChange["kind"], number> = new Map(
  META.map((kind, code) => [kind, code]),
);
const alarms = oneOf(ALARM_KINDS);

export function encodeEntry(writer: ByteWriter, entry: Logged): void {
  // Time is kept to a thousandth of a millisecond. Rounding, because k / 1000 * 1000 may fall short of k.
  writer.uint(Math.round(entry.time * 1_000));
  writer.uint(entry.transactions.length);
  for (const effects of entry.transactions) encodeEffects(writer, effects);
}

/** Keyspace time as the log keeps it: applying what was decoded gives the state that applying the original gives. */
export function loggedTime(time: number): number {
  return Math.floor(time * 1_000) / 1_000;
}

function encodeEffects(writer: ByteWriter, effects: Effects): void {
  writer.uint(effects.revision);
  writer.uint(effects.changes.length);
  for (const change of effects.changes) encodeChange(writer, change);
  writer.uint(effects.meta.length);
  for (const meta of effects.meta) encodeMeta(writer, meta);
}

function encodeChange(writer: ByteWriter, change: Change): void {
  if (change.kind === "delete") {
    writer.u8(DELETE);
    writer.bytes(change.key);
    return;
  }
  writer.u8(change.lease === 0n ? PUT : PUT_LEASED);
  writer.bytes(change.key);
  writer.bytes(change.value);
  if (change.lease !== 0n) writer.int64(change.lease);
}

function encodeMeta(writer: ByteWriter, meta: MetaChange): void {
  writer.u8(must(META_CODES.get(meta.kind), "every kind has a code"));
  switch (meta.kind) {
    case "leaseGranted":
      writer.int64(meta.id);
      writer.uint(Math.floor(meta.ttlMs));
      return;
    case "leaseRevoked":
    case "leaseFenced":
    case "callerOpened":
    case "callerClosed":
      return writer.int64(meta.id);
    case "replied":
      writer.int64(meta.id);
      writer.uint(meta.sequence);
      writer.uint(meta.firstUnacked);
      requestKindCodec.encode(writer, meta.request);
      return encodeReply(writer, meta.request, meta.reply);
    case "compacted":
    case "restored":
      return writer.uint(meta.revision);
    case "alarmed":
      alarms.encode(writer, meta.alarm);
      return writer.u8(meta.on ? 1 : 0);
    case "callerOwned":
      writer.int64(meta.id);
      return textCodec.encode(writer, meta.owner);
    case "authSet":
      writer.u8(meta.enabled ? 1 : 0);
      return writer.uint(meta.revision);
    case "userSet":
      return userCodec.encode(writer, meta.user);
    case "roleSet":
      return roleCodec.encode(writer, meta.role);
    case "userGone":
    case "roleGone":
      return textCodec.encode(writer, meta.name);
    case "memberSet":
      return memberCodec.encode(writer, meta.member);
    case "formatRaised":
      return writer.uint(meta.format);
    case "voteDue":
      return writer.uint(meta.id);
    case "tokenGiven":
      textCodec.encode(writer, meta.name);
      writer.bytes(meta.digest);
      return writer.uint(meta.revision);
  }
}

/** Reads one entry that fills `array[start, end)`. */
export function decodeEntry(array: Uint8Array, start = 0, end: number = array.length): Logged {
  const reader = new ByteReader(array, start, end);
  const time = reader.uint() / 1_000;
  const count = reader.uint();
  const transactions: Effects[] = [];
  for (let at = 0; at < count; at++) transactions.push(decodeEffects(reader));
  if (!reader.done) throw new Malformed("bytes after the entry");
  return { time, transactions };
}

function decodeEffects(reader: ByteReader): Effects {
  const revision = reader.uint();
  const changes: Change[] = [];
  for (let left = reader.uint(); left > 0; left--) changes.push(decodeChange(reader));
  const meta: MetaChange[] = [];
  for (let left = reader.uint(); left > 0; left--) meta.push(decodeMeta(reader));
  return { revision, changes, meta };
}

function decodeChange(reader: ByteReader): Change {
  const code = reader.u8();
  const key: Bytes = reader.bytes();
  if (code === DELETE) return { kind: "delete", key };
  if (code !== PUT && code !== PUT_LEASED) throw new Malformed("an unknown change");
  const value = reader.bytes();
  return { kind: "put", key, value, lease: code === PUT ? 0n : reader.int64() };
}

function decodeMeta(reader: ByteReader): MetaChange {
  const kind = META[reader.u8()];
  switch (kind) {
    case "leaseGranted":
      return { kind, id: reader.int64(), ttlMs: reader.uint() };
    case "leaseRevoked":
    case "leaseFenced":
    case "callerOpened":
    case "callerClosed":
      return { kind, id: reader.int64() };
    case "replied": {
      const [id, sequence, firstUnacked] = [reader.int64(), reader.uint(), reader.uint()];
      const request = requestKindCodec.decode(reader);
      return { kind, id, sequence, firstUnacked, request, reply: decodeReply(reader) };
    }
    case "compacted":
    case "restored":
      return { kind, revision: reader.uint() };
    case "alarmed":
      return { kind, alarm: alarms.decode(reader), on: reader.u8() === 1 };
    case "callerOwned":
      return { kind, id: reader.int64(), owner: textCodec.decode(reader) };
    case "authSet":
      return { kind, enabled: reader.u8() === 1, revision: reader.uint() };
    case "userSet":
      return { kind, user: userCodec.decode(reader) };
    case "roleSet":
      return { kind, role: roleCodec.decode(reader) };
    case "userGone":
    case "roleGone":
      return { kind, name: textCodec.decode(reader) };
    case "memberSet":
      return { kind, member: memberCodec.decode(reader) };
    case "formatRaised":
      return { kind, format: reader.uint() };
    case "voteDue":
      return { kind, id: reader.uint() };
    case "tokenGiven": {
      const name = textCodec.decode(reader);
      return { kind, name, digest: reader.bytes(), revision: reader.uint() };
    }
    default:
      throw new Malformed("an unknown kind of metadata");
  }
}
