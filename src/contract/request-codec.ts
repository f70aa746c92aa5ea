/**
 * The binary form of requests and replies: what the log keeps of a reply and what the native wire carries.
 * The order of kinds and fields is the format; additions go to the end. What every put brings along is written out by
 * hand, in the format of a struct, whose loops over field names are what a server did most for a put.
 */
import { must } from "../base/assert.ts";
import type { Codec } from "../base/codec.ts";
import {
  Malformed,
  booleanCodec,
  bytesCodec,
  int64Codec,
  intCodec,
  jsonCodec,
  lazily,
  listOf,
  numberCodec,
  oneOf,
  optional,
  struct,
  textCodec,
  uintCodec,
  union,
} from "../base/codec.ts";
import type { ErrorCode, Failure } from "../base/errors.ts";
import { ERROR_CODES } from "../base/errors.ts";
import type { AuthOrder, KeyRange, Permission } from "./auth.ts";
import type {
  AlarmKind,
  AuthShowResponse,
  CallerStamp,
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  Reply,
  Request,
  Response,
  ResponseOf,
  RunResponse,
  StatusResponse,
  TxnOperation,
  TxnOperationResponse,
  TxnRequest,
  TxnResponse,
} from "./requests.ts";
import { ALARM_KINDS } from "./requests.ts";

export const requestKindCodec: Codec<Request["kind"]> = oneOf<Request["kind"]>([
  "put",
  "range",
  "run",
  "deleteRange",
  "txn",
  "leaseGrant",
  "leaseRevoke",
  "leaseKeepAlive",
  "leaseTimeToLive",
  "leases",
  "compact",
  "alarm",
  "hash",
  "status",
  "callerOpen",
  "callerClose",
  "auth",
  "authShow",
]);
const alarmCodec: Codec<AlarmKind> = oneOf(ALARM_KINDS);
export const keyValueCodec: Codec<KeyValue> = struct<KeyValue>({
  key: bytesCodec,
  value: bytesCodec,
  createRevision: uintCodec,
  modRevision: uintCodec,
  version: uintCodec,
  lease: int64Codec,
});

type Body<T> = Omit<T, "kind">;
const rangeCodec: Codec<Body<RangeRequest>> = struct<Body<RangeRequest>>({
  key: bytesCodec,
  end: optional(bytesCodec),
  revision: optional(intCodec),
  limit: optional(intCodec),
  sort: optional(
    struct<NonNullable<RangeRequest["sort"]>>({
      target: oneOf(["key", "version", "create", "mod", "value"]),
      order: oneOf(["none", "ascend", "descend"]),
    }),
  ),
  keysOnly: optional(booleanCodec),
  countOnly: optional(booleanCodec),
  minModRevision: optional(uintCodec),
  maxModRevision: optional(uintCodec),
  minCreateRevision: optional(uintCodec),
  maxCreateRevision: optional(uintCodec),
  consistency: optional(oneOf(["linearizable", "serializable"])),
});
type PutOptions = Omit<Body<PutRequest>, "key" | "value">;
const putOptions: Codec<PutOptions> = struct<PutOptions>({
  lease: optional(int64Codec),
  prevKv: optional(booleanCodec),
  ignoreValue: optional(booleanCodec),
  ignoreLease: optional(booleanCodec),
});
const putCodec: Codec<Body<PutRequest>> = {
  encode: (writer, put) => {
    writer.bytes(put.key);
    writer.bytes(put.value);
    putOptions.encode(writer, put);
  },
  decode: (reader) => {
    const key = reader.bytes();
    const value = reader.bytes();
    return { ...putOptions.decode(reader), key, value };
  },
};
const deleteCodec: Codec<Body<DeleteRangeRequest>> = struct<Body<DeleteRangeRequest>>({
  key: bytesCodec,
  end: optional(bytesCodec),
  prevKv: optional(booleanCodec),
});
const number = struct<{ readonly value: number }>({ value: uintCodec });
const compareCodec: Codec<Compare> = struct<Compare>({
  key: bytesCodec,
  end: optional(bytesCodec),
  result: oneOf(["equal", "greater", "less", "notEqual"]),
  target: union<
    | { kind: "version"; value: number }
    | { kind: "create"; value: number }
    | { kind: "mod"; value: number }
    | Extract<Compare["target"], { kind: "lease" | "value" }>
  >({
    version: number,
    create: number,
    mod: number,
    lease: struct<{ readonly value: bigint }>({ value: int64Codec }),
    value: struct<{ readonly value: KeyValue["value"] }>({ value: bytesCodec }),
  }) as Codec<Compare["target"]>,
});
const operationCodec: Codec<TxnOperation> = lazily(() =>
  union<TxnOperation>({
    range: rangeCodec,
    put: putCodec,
    deleteRange: deleteCodec,
    txn: txnCodec,
  }),
);
const txnCodec: Codec<Body<TxnRequest>> = struct<Body<TxnRequest>>({
  compare: listOf(compareCodec),
  success: listOf(operationCodec),
  failure: listOf(operationCodec),
});

const nothing: Codec<object> = struct<object>({});
export const permissionCodec: Codec<Permission> = struct<Permission>({
  access: oneOf(["read", "write", "readwrite"]),
  key: bytesCodec,
  end: optional(bytesCodec),
});
const keyRangeCodec = struct<KeyRange>({ key: bytesCodec, end: optional(bytesCodec) });
const named = struct<{ readonly name: string }>({ name: textCodec });
const roleOfUser = struct<{ readonly name: string; readonly role: string }>({
  name: textCodec,
  role: textCodec,
});
const orderCodec: Codec<AuthOrder> = union<AuthOrder>({
  enable: nothing,
  disable: nothing,
  addUser: struct({ name: textCodec, password: optional(textCodec) }),
  deleteUser: named,
  changePassword: struct({ name: textCodec, password: textCodec }),
  grantRole: roleOfUser,
  revokeRole: roleOfUser,
  addRole: named,
  deleteRole: named,
  grantPermission: struct({ name: textCodec, permission: permissionCodec }),
  revokePermission: struct({ name: textCodec, range: keyRangeCodec }),
  giveToken: struct({ name: textCodec, digest: bytesCodec, revision: uintCodec }),
} as Parameters<typeof union<AuthOrder>>[0]);
const byId = struct<{ readonly id: bigint }>({ id: int64Codec });
export const requestCodec: Codec<Request> = union<Request>({
  put: putCodec,
  range: rangeCodec,
  run: struct({ procedure: textCodec, args: bytesCodec, prefix: optional(bytesCodec) }),
  deleteRange: deleteCodec,
  txn: txnCodec,
  leaseGrant: struct({ id: int64Codec, ttlMs: numberCodec }),
  leaseRevoke: byId,
  leaseKeepAlive: byId,
  leaseTimeToLive: struct({ id: int64Codec, keys: optional(booleanCodec) }),
  leases: nothing,
  compact: struct({ revision: intCodec, physical: optional(booleanCodec) }),
  alarm: struct({ action: oneOf(["get", "activate", "deactivate"]), alarm: optional(alarmCodec) }),
  hash: struct({ revision: optional(intCodec), withAuth: optional(booleanCodec) }),
  status: nothing,
  callerOpen: byId,
  callerClose: byId,
  auth: struct({ order: orderCodec }),
  authShow: struct({
    of: oneOf(["state", "users", "roles", "user", "role"]),
    name: optional(textCodec),
  }),
} as Parameters<typeof union<Request>>[0]);

const rangeResponse = struct<RangeResponse>({
  revision: uintCodec,
  kvs: listOf(keyValueCodec),
  more: booleanCodec,
  count: uintCodec,
});
const putResponse: Codec<PutResponse> = {
  encode: (writer, { revision, prevKv }) => {
    writer.uint(revision);
    writer.uint(prevKv === undefined ? 0 : 1);
    if (prevKv !== undefined) keyValueCodec.encode(writer, prevKv);
  },
  decode: (reader) => {
    const revision = reader.uint();
    return (reader.uint() & 1) === 0
      ? { revision }
      : { revision, prevKv: keyValueCodec.decode(reader) };
  },
};
const deleteResponse = struct<DeleteRangeResponse>({
  revision: uintCodec,
  deleted: uintCodec,
  prevKvs: listOf(keyValueCodec),
});
const operationResponse: Codec<TxnOperationResponse> = lazily(() =>
  union<TxnOperationResponse>({
    range: rangeResponse,
    put: putResponse,
    deleteRange: deleteResponse,
    txn: txnResponse,
  } as Parameters<typeof union<TxnOperationResponse>>[0]),
);
const txnResponse: Codec<TxnResponse> = struct<TxnResponse>({
  revision: uintCodec,
  succeeded: booleanCodec,
  responses: listOf(operationResponse),
});
const revisionOnly = struct<{ readonly revision: number }>({ revision: uintCodec });

/** The response of each kind of request. */
export const responseCodecs: { readonly [K in keyof ResponseOf]: Codec<ResponseOf[K]> } = {
  put: putResponse,
  range: rangeResponse,
  run: struct<RunResponse>({ revision: uintCodec, result: bytesCodec }),
  deleteRange: deleteResponse,
  txn: txnResponse,
  leaseGrant: struct({ revision: uintCodec, id: int64Codec, ttlMs: numberCodec }),
  leaseRevoke: revisionOnly,
  leaseKeepAlive: struct({ revision: uintCodec, ttlMs: numberCodec }),
  leaseTimeToLive: struct({
    revision: uintCodec,
    ttlMs: numberCodec,
    grantedTtlMs: numberCodec,
    keys: listOf(bytesCodec),
  }),
  leases: struct({ revision: uintCodec, ids: listOf(int64Codec) }),
  compact: revisionOnly,
  alarm: struct({ revision: uintCodec, alarms: listOf(alarmCodec) }),
  hash: struct({ revision: uintCodec, hash: uintCodec, compactRevision: uintCodec }),
  status: struct<StatusResponse>({
    revision: uintCodec,
    compactRevision: uintCodec,
    clusterId: int64Codec,
    memberId: int64Codec,
    leader: int64Codec,
    term: uintCodec,
    commitIndex: uintCodec,
    version: textCodec,
    keys: uintCodec,
    bytes: uintCodec,
    quotaBytes: uintCodec,
    leases: uintCodec,
    watchers: uintCodec,
    alarms: listOf(alarmCodec),
    time: numberCodec,
    procedures: listOf(textCodec),
  }),
  callerOpen: revisionOnly,
  callerClose: revisionOnly,
  auth: struct({ revision: uintCodec, authRevision: uintCodec }),
  authShow: struct<AuthShowResponse>({
    revision: uintCodec,
    authRevision: uintCodec,
    enabled: booleanCodec,
    names: listOf(textCodec),
    permissions: listOf(permissionCodec),
  }),
};

const codes = Object.keys(ERROR_CODES) as ErrorCode[];
const failureShape = struct<Omit<Failure, "code">>({
  outcome: oneOf(["definite", "indefinite"]),
  retry: oneOf(["never", "now", "backoff"]),
  object: textCodec,
  what: textCodec,
  holder: optional(textCodec),
  remedy: textCodec,
  details: optional(jsonCodec as Codec<NonNullable<Failure["details"]>>),
});
/** Codes travel by name: another version may know more of them; an unknown one reads as UNAVAILABLE. */
export const failureCodec: Codec<Failure> = {
  encode: (writer, value) => {
    textCodec.encode(writer, value.code);
    failureShape.encode(writer, value);
  },
  decode: (reader) => {
    const name = textCodec.decode(reader) as ErrorCode;
    return { code: codes.includes(name) ? name : "UNAVAILABLE", ...failureShape.decode(reader) };
  },
};

export const callerStampCodec: Codec<CallerStamp> = {
  encode: (writer, { id, sequence, firstUnacked }) => {
    writer.int64(id);
    writer.uint(sequence);
    writer.uint(firstUnacked);
  },
  decode: (reader) => {
    const id = reader.int64();
    const sequence = reader.uint();
    return { id, sequence, firstUnacked: reader.uint() };
  },
};

const kinds = Object.keys(responseCodecs) as (keyof ResponseOf)[];
const ofKind = new Map(
  kinds.map((kind, code) => [kind, { code, codec: responseCodecs[kind] as Codec<Response> }]),
);
const FAILED = 255;

/** Writes a reply to a request of `kind`. */
export function encodeReply(
  writer: Parameters<Codec<unknown>["encode"]>[0],
  kind: keyof ResponseOf,
  reply: Reply,
): void {
  if (!reply.ok) {
    writer.u8(FAILED);
    failureCodec.encode(writer, reply.failure);
    return;
  }
  const { code, codec } = must(ofKind.get(kind), "every kind of request has a response");
  writer.u8(code);
  codec.encode(writer, reply.response);
}

/** Reads what `encodeReply` wrote; Malformed if it is not the reply to a request of `kind`, where that is known. */
export function decodeReply(
  reader: Parameters<Codec<unknown>["decode"]>[0],
  kind?: keyof ResponseOf,
): Reply {
  const code = reader.u8();
  if (code === FAILED) return { ok: false, failure: failureCodec.decode(reader) };
  const found = oneKind(code);
  if (kind !== undefined && found !== kind)
    throw new Malformed(`a ${found} that answers a ${kind}`);
  const codec = responseCodecs[found] as Codec<Response>;
  return { ok: true, response: codec.decode(reader) };
}

function oneKind(code: number): keyof ResponseOf {
  const kind = kinds[code];
  if (kind === undefined) throw new Malformed("an unknown kind of response");
  return kind;
}
