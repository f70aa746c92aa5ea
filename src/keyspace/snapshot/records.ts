/** The kinds of records of a snapshot, their order, and how a key with its version is written in more than one of them. */
import type { Bytes } from "../../base/bytes.ts";
import type { ByteReader, ByteWriter } from "../../base/codec.ts";
import { Malformed } from "../../base/codec.ts";
import type { KeyValue } from "../../contract/requests.ts";
import type { Version } from "../versions.ts";

/** What a record begins with. */
export const RECORD = {
  meta: 1,
  keys: 2,
  edge: 3,
  changes: 4,
  leases: 5,
  callers: 6,
  end: 7,
  auth: 8,
} as const;
/** The kinds in the order in which they come. */
export const ORDER: readonly number[] = [
  RECORD.meta,
  RECORD.keys,
  RECORD.edge,
  RECORD.changes,
  RECORD.leases,
  RECORD.callers,
  RECORD.auth,
  RECORD.end,
];
/** What follows in a record of users and roles. */
export const USERS = { state: 1, user: 2, role: 3 } as const;

export function encodeKey(writer: ByteWriter, key: Bytes, version: Version | undefined): void {
  writer.bytes(key);
  writer.u8(version === undefined ? 0 : 1);
  if (version === undefined) return;
  writer.bytes(version.value);
  writer.uint(version.createRevision);
  writer.uint(version.modRevision);
  writer.uint(version.version);
  writer.int64(version.lease);
}

export function readKey(reader: ByteReader, key: Bytes): KeyValue | undefined {
  if (reader.u8() === 0) return undefined;
  const value = reader.bytes();
  const createRevision = reader.uint();
  const modRevision = reader.uint();
  const version = reader.uint();
  if (version === 0) throw new Malformed("a version numbered zero");
  return { key, value, createRevision, modRevision, version, lease: reader.int64() };
}
