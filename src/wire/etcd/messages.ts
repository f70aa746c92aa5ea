/**
 * The messages of etcd's v3 API that carry keys, leases and watches, as `api/etcdserverpb/rpc.proto`, `mvccpb/kv.proto`
 * and `v3lockpb` declare them: the same names (in camel case) and numbers.
 *
 * Revisions, counts and TTLs are numbers (beyond 2^53: Malformed); lease, member and cluster ids are bigints.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Message } from "../protobuf.ts";
import * as pb from "../protobuf.ts";

export interface Header {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly revision: number;
  readonly raftTerm: number;
}
export const Header: Message<Header> = pb.message<Header>({
  // The same in every answer.
  clusterId: pb.shared(pb.big64(1)),
  memberId: pb.shared(pb.big64(2)),
  revision: pb.int64(3),
  raftTerm: pb.int64(4),
});

/** What every response begins with. */
export interface Headed {
  readonly header: Header | undefined;
}
export const header: pb.Field<Header | undefined> = pb.shared(pb.nested(1, () => Header));
export const HeaderOnly: Message<Headed> = pb.message<Headed>({ header });

export interface KeyValue {
  readonly key: Bytes;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Bytes;
  readonly lease: bigint;
}
export const KeyValue: Message<KeyValue> = pb.message<KeyValue>({
  key: pb.bytes(1),
  createRevision: pb.int64(2),
  modRevision: pb.int64(3),
  version: pb.int64(4),
  value: pb.bytes(5),
  lease: pb.big64(6),
});

/** `type`: 0 put, 1 delete. */
export interface Event {
  readonly type: number;
  readonly kv: KeyValue | undefined;
  readonly prevKv: KeyValue | undefined;
}
export const Event: Message<Event> = pb.message<Event>({
  type: pb.int32(1),
  kv: pb.nested(2, () => KeyValue),
  prevKv: pb.nested(3, () => KeyValue),
});

/** `sortOrder`: none, ascend, descend. `sortTarget`: key, version, create, mod, value. */
export interface RangeRequest {
  readonly key: Bytes;
  readonly rangeEnd: Bytes;
  readonly limit: number;
  readonly revision: number;
  readonly sortOrder: number;
  readonly sortTarget: number;
  readonly serializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}
export const RangeRequest: Message<RangeRequest> = pb.message<RangeRequest>({
  key: pb.bytes(1),
  rangeEnd: pb.bytes(2),
  limit: pb.int64(3),
  revision: pb.int64(4),
  sortOrder: pb.int32(5),
  sortTarget: pb.int32(6),
  serializable: pb.bool(7),
  keysOnly: pb.bool(8),
  countOnly: pb.bool(9),
  minModRevision: pb.int64(10),
  maxModRevision: pb.int64(11),
  minCreateRevision: pb.int64(12),
  maxCreateRevision: pb.int64(13),
});

export interface RangeResponse extends Headed {
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: number;
}
export const RangeResponse: Message<RangeResponse> = pb.message<RangeResponse>({
  header,
  kvs: pb.list(2, () => KeyValue),
  more: pb.bool(3),
  count: pb.int64(4),
});

export interface PutRequest {
  readonly key: Bytes;
  readonly value: Bytes;
  readonly lease: bigint;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}
export const PutRequest: Message<PutRequest> = pb.message<PutRequest>({
  key: pb.bytes(1),
  value: pb.bytes(2),
  lease: pb.big64(3),
  prevKv: pb.bool(4),
  ignoreValue: pb.bool(5),
  ignoreLease: pb.bool(6),
});

export interface PutResponse extends Headed {
  readonly prevKv: KeyValue | undefined;
}
export const PutResponse: Message<PutResponse> = pb.message<PutResponse>({
  header,
  prevKv: pb.nested(2, () => KeyValue),
});

export interface DeleteRangeRequest {
  readonly key: Bytes;
  readonly rangeEnd: Bytes;
  readonly prevKv: boolean;
}
export const DeleteRangeRequest: Message<DeleteRangeRequest> = pb.message<DeleteRangeRequest>({
  key: pb.bytes(1),
  rangeEnd: pb.bytes(2),
  prevKv: pb.bool(3),
});

export interface DeleteRangeResponse extends Headed {
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}
export const DeleteRangeResponse: Message<DeleteRangeResponse> = pb.message<DeleteRangeResponse>({
  header,
  deleted: pb.int64(2),
  prevKvs: pb.list(3, () => KeyValue),
});

/** `result`: equal, greater, less, not equal. `target`: version, create, mod, value, lease; its arm holds the operand. */
export interface Compare {
  readonly result: number;
  readonly target: number;
  readonly key: Bytes;
  readonly version: number | undefined;
  readonly createRevision: number | undefined;
  readonly modRevision: number | undefined;
  readonly value: Bytes | undefined;
  readonly lease: bigint | undefined;
  readonly rangeEnd: Bytes;
}
export const Compare: Message<Compare> = pb.message<Compare>({
  result: pb.int32(1),
  target: pb.int32(2),
  key: pb.bytes(3),
  version: pb.present(pb.int64(4)),
  createRevision: pb.present(pb.int64(5)),
  modRevision: pb.present(pb.int64(6)),
  value: pb.present(pb.bytes(7)),
  lease: pb.present(pb.big64(8)),
  rangeEnd: pb.bytes(64),
});

export interface RequestOp {
  readonly range: RangeRequest | undefined;
  readonly put: PutRequest | undefined;
  readonly deleteRange: DeleteRangeRequest | undefined;
  readonly txn: TxnRequest | undefined;
}
export const RequestOp: Message<RequestOp> = pb.message<RequestOp>({
  range: pb.nested(1, () => RangeRequest),
  put: pb.nested(2, () => PutRequest),
  deleteRange: pb.nested(3, () => DeleteRangeRequest),
  txn: pb.nested(4, () => TxnRequest),
});

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}
export const TxnRequest: Message<TxnRequest> = pb.message<TxnRequest>({
  compare: pb.list(1, () => Compare),
  success: pb.list(2, () => RequestOp),
  failure: pb.list(3, () => RequestOp),
});

export interface ResponseOp {
  readonly range: RangeResponse | undefined;
  readonly put: PutResponse | undefined;
  readonly deleteRange: DeleteRangeResponse | undefined;
  readonly txn: TxnResponse | undefined;
}
export const ResponseOp: Message<ResponseOp> = pb.message<ResponseOp>({
  range: pb.nested(1, () => RangeResponse),
  put: pb.nested(2, () => PutResponse),
  deleteRange: pb.nested(3, () => DeleteRangeResponse),
  txn: pb.nested(4, () => TxnResponse),
});

export interface TxnResponse extends Headed {
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}
export const TxnResponse: Message<TxnResponse> = pb.message<TxnResponse>({
  header,
  succeeded: pb.bool(2),
  responses: pb.list(3, () => ResponseOp),
});

export interface CompactionRequest {
  readonly revision: number;
  readonly physical: boolean;
}
export const CompactionRequest: Message<CompactionRequest> = pb.message<CompactionRequest>({
  revision: pb.int64(1),
  physical: pb.bool(2),
});

/** `filters`: 0 no puts, 1 no deletes. */
export interface WatchCreateRequest {
  readonly key: Bytes;
  readonly rangeEnd: Bytes;
  readonly startRevision: number;
  readonly progressNotify: boolean;
  readonly filters: readonly number[];
  readonly prevKv: boolean;
  readonly watchId: number;
  readonly fragment: boolean;
}
export const WatchCreateRequest: Message<WatchCreateRequest> = pb.message<WatchCreateRequest>({
  key: pb.bytes(1),
  rangeEnd: pb.bytes(2),
  startRevision: pb.int64(3),
  progressNotify: pb.bool(4),
  filters: pb.enums(5),
  prevKv: pb.bool(6),
  watchId: pb.int64(7),
  fragment: pb.bool(8),
});

export interface WatchCancelRequest {
  readonly watchId: number;
}
export const WatchCancelRequest: Message<WatchCancelRequest> = pb.message<WatchCancelRequest>({
  watchId: pb.int64(1),
});
export type WatchProgressRequest = Readonly<Record<never, never>>;
export const WatchProgressRequest: Message<WatchProgressRequest> = pb.message<WatchProgressRequest>(
  {},
);

export interface WatchRequest {
  readonly create: WatchCreateRequest | undefined;
  readonly cancel: WatchCancelRequest | undefined;
  readonly progress: WatchProgressRequest | undefined;
}
export const WatchRequest: Message<WatchRequest> = pb.message<WatchRequest>({
  create: pb.nested(1, () => WatchCreateRequest),
  cancel: pb.nested(2, () => WatchCancelRequest),
  progress: pb.nested(3, () => WatchProgressRequest),
});

export interface WatchResponse extends Headed {
  readonly watchId: number;
  readonly created: boolean;
  readonly canceled: boolean;
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly fragment: boolean;
  readonly events: readonly Event[];
}
export const WatchResponse: Message<WatchResponse> = pb.message<WatchResponse>({
  header,
  watchId: pb.int64(2),
  created: pb.bool(3),
  canceled: pb.bool(4),
  compactRevision: pb.int64(5),
  cancelReason: pb.string(6),
  fragment: pb.bool(7),
  // One change goes to many watches.
  events: pb.shared(pb.list(11, () => Event)),
});

/** Times are in seconds. */
export interface LeaseGrantRequest {
  readonly ttl: number;
  readonly id: bigint;
}
export const LeaseGrantRequest: Message<LeaseGrantRequest> = pb.message<LeaseGrantRequest>({
  ttl: pb.int64(1),
  id: pb.big64(2),
});
export interface LeaseGrantResponse extends Headed {
  readonly id: bigint;
  readonly ttl: number;
  readonly error: string;
}
export const LeaseGrantResponse: Message<LeaseGrantResponse> = pb.message<LeaseGrantResponse>({
  header,
  id: pb.big64(2),
  ttl: pb.int64(3),
  error: pb.string(4),
});

export interface LeaseId {
  readonly id: bigint;
}
export const LeaseId: Message<LeaseId> = pb.message<LeaseId>({ id: pb.big64(1) });

export interface LeaseKeepAliveResponse extends Headed {
  readonly id: bigint;
  readonly ttl: number;
}
export const LeaseKeepAliveResponse: Message<LeaseKeepAliveResponse> =
  pb.message<LeaseKeepAliveResponse>({ header, id: pb.big64(2), ttl: pb.int64(3) });

export interface LeaseTimeToLiveRequest {
  readonly id: bigint;
  readonly keys: boolean;
}
export const LeaseTimeToLiveRequest: Message<LeaseTimeToLiveRequest> =
  pb.message<LeaseTimeToLiveRequest>({ id: pb.big64(1), keys: pb.bool(2) });
export interface LeaseTimeToLiveResponse extends Headed {
  readonly id: bigint;
  readonly ttl: number;
  readonly grantedTtl: number;
  readonly keys: readonly Bytes[];
}
export const LeaseTimeToLiveResponse: Message<LeaseTimeToLiveResponse> =
  pb.message<LeaseTimeToLiveResponse>({
    header,
    id: pb.big64(2),
    ttl: pb.int64(3),
    grantedTtl: pb.int64(4),
    keys: pb.byteStrings(5),
  });

export interface LeaseLeasesResponse extends Headed {
  readonly leases: readonly LeaseId[];
}
export const LeaseLeasesResponse: Message<LeaseLeasesResponse> = pb.message<LeaseLeasesResponse>({
  header,
  leases: pb.list(2, () => LeaseId),
});

/** `action`: get, activate, deactivate. `alarm`: none, NOSPACE, CORRUPT. */
export interface AlarmRequest {
  readonly action: number;
  readonly memberId: bigint;
  readonly alarm: number;
}
export const AlarmRequest: Message<AlarmRequest> = pb.message<AlarmRequest>({
  action: pb.int32(1),
  memberId: pb.big64(2),
  alarm: pb.int32(3),
});
export interface AlarmMember {
  readonly memberId: bigint;
  readonly alarm: number;
}
export const AlarmMember: Message<AlarmMember> = pb.message<AlarmMember>({
  memberId: pb.big64(1),
  alarm: pb.int32(2),
});
export interface AlarmResponse extends Headed {
  readonly alarms: readonly AlarmMember[];
}
export const AlarmResponse: Message<AlarmResponse> = pb.message<AlarmResponse>({
  header,
  alarms: pb.list(2, () => AlarmMember),
});

export interface StatusResponse extends Headed {
  readonly version: string;
  readonly dbSize: number;
  readonly leader: bigint;
  readonly raftIndex: number;
  readonly raftTerm: number;
  readonly raftAppliedIndex: number;
  readonly errors: readonly string[];
  readonly dbSizeInUse: number;
  readonly isLearner: boolean;
}
export const StatusResponse: Message<StatusResponse> = pb.message<StatusResponse>({
  header,
  version: pb.string(2),
  dbSize: pb.int64(3),
  leader: pb.big64(4),
  raftIndex: pb.int64(5),
  raftTerm: pb.int64(6),
  raftAppliedIndex: pb.int64(7),
  errors: pb.strings(8),
  dbSizeInUse: pb.int64(9),
  isLearner: pb.bool(10),
});

export interface HashKvRequest {
  readonly revision: number;
}
export const HashKvRequest: Message<HashKvRequest> = pb.message<HashKvRequest>({
  revision: pb.int64(1),
});
export interface HashKvResponse extends Headed {
  readonly hash: number;
  readonly compactRevision: number;
}
export const HashKvResponse: Message<HashKvResponse> = pb.message<HashKvResponse>({
  header,
  hash: pb.int32(2),
  compactRevision: pb.int64(3),
});

/** A request without fields. */
export type Empty = Readonly<Record<never, never>>;
export const Empty: Message<Empty> = pb.message<Empty>({});

/** A method: full name, request and response. */
export interface Method<Q extends object, S extends object> {
  readonly path: string;
  readonly request: Message<Q>;
  readonly response: Message<S>;
}
/** `path` without its package. */
export function method<Q extends object, S extends object>(
  path: string,
  request: Message<Q>,
  response: Message<S>,
): Method<Q, S> {
  return { path: `/etcdserverpb.${path}`, request, response };
}

export const METHODS: {
  readonly range: Method<RangeRequest, RangeResponse>;
  readonly put: Method<PutRequest, PutResponse>;
  readonly deleteRange: Method<DeleteRangeRequest, DeleteRangeResponse>;
  readonly txn: Method<TxnRequest, TxnResponse>;
  readonly compact: Method<CompactionRequest, Headed>;
  readonly watch: Method<WatchRequest, WatchResponse>;
  readonly leaseGrant: Method<LeaseGrantRequest, LeaseGrantResponse>;
  readonly leaseRevoke: Method<LeaseId, Headed>;
  readonly leaseKeepAlive: Method<LeaseId, LeaseKeepAliveResponse>;
  readonly leaseTimeToLive: Method<LeaseTimeToLiveRequest, LeaseTimeToLiveResponse>;
  readonly leaseLeases: Method<Empty, LeaseLeasesResponse>;
  readonly alarm: Method<AlarmRequest, AlarmResponse>;
  readonly status: Method<Empty, StatusResponse>;
  readonly hashKv: Method<HashKvRequest, HashKvResponse>;
} = {
  range: method("KV/Range", RangeRequest, RangeResponse),
  put: method("KV/Put", PutRequest, PutResponse),
  deleteRange: method("KV/DeleteRange", DeleteRangeRequest, DeleteRangeResponse),
  txn: method("KV/Txn", TxnRequest, TxnResponse),
  compact: method("KV/Compact", CompactionRequest, HeaderOnly),
  watch: method("Watch/Watch", WatchRequest, WatchResponse),
  leaseGrant: method("Lease/LeaseGrant", LeaseGrantRequest, LeaseGrantResponse),
  leaseRevoke: method("Lease/LeaseRevoke", LeaseId, HeaderOnly),
  leaseKeepAlive: method("Lease/LeaseKeepAlive", LeaseId, LeaseKeepAliveResponse),
  leaseTimeToLive: method("Lease/LeaseTimeToLive", LeaseTimeToLiveRequest, LeaseTimeToLiveResponse),
  leaseLeases: method("Lease/LeaseLeases", Empty, LeaseLeasesResponse),
  alarm: method("Maintenance/Alarm", AlarmRequest, AlarmResponse),
  status: method("Maintenance/Status", Empty, StatusResponse),
  hashKv: method("Maintenance/HashKV", HashKvRequest, HashKvResponse),
};
