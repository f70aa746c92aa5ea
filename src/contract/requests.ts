/**
 * What can be asked of a keyspace, as plain data: the same objects are called in process, carried by the wire and
 * given to the replica. The semantics are etcd v3's (ranges, transactions, leases); what is added says so.
 *
 * Conventions: `end` absent means the single key; `end === OPEN_END` means every key ≥ `key`; otherwise [key, end).
 * Revisions are safe integers; lease and caller ids are signed 64-bit bigints, 0n meaning none. Times are in ms.
 */
import type { Bytes } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import type { AuthOrder, Permission } from "./auth.ts";

/** The `end` of a range without an upper bound. */
export const OPEN_END: Bytes = "\0" as Bytes;

/** One version of a key. */
export interface KeyValue {
  readonly key: Bytes;
  readonly value: Bytes;
  readonly createRevision: number;
  readonly modRevision: number;
  /** 1 for a key just created; grows with each put. */
  readonly version: number;
  readonly lease: bigint;
}

export type SortTarget = "key" | "version" | "create" | "mod" | "value";

export interface RangeRequest {
  readonly kind: "range";
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
  /** Reads at this revision; absent or ≤ 0: now. */
  readonly revision?: number | undefined;
  /** At most this many keys; absent or 0: all. */
  readonly limit?: number | undefined;
  readonly sort?:
    | { readonly target: SortTarget; readonly order: "none" | "ascend" | "descend" }
    | undefined;
  readonly keysOnly?: boolean | undefined;
  readonly countOnly?: boolean | undefined;
  readonly minModRevision?: number | undefined;
  readonly maxModRevision?: number | undefined;
  readonly minCreateRevision?: number | undefined;
  readonly maxCreateRevision?: number | undefined;
  /** `serializable` may be answered by a member that is behind; default `linearizable`. */
  readonly consistency?: "linearizable" | "serializable" | undefined;
}
export interface RangeResponse {
  /** The store's present revision, also when a past one was read. */
  readonly revision: number;
  readonly kvs: readonly KeyValue[];
  /** True if `limit` cut the answer. */
  readonly more: boolean;
  /** Keys in the range, whatever the limit and the filters. */
  readonly count: number;
}

export interface PutRequest {
  readonly kind: "put";
  readonly key: Bytes;
  readonly value: Bytes;
  readonly lease?: bigint | undefined;
  readonly prevKv?: boolean | undefined;
  readonly ignoreValue?: boolean | undefined;
  readonly ignoreLease?: boolean | undefined;
}
export interface PutResponse {
  readonly revision: number;
  readonly prevKv?: KeyValue | undefined;
}

export interface DeleteRangeRequest {
  readonly kind: "deleteRange";
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
  readonly prevKv?: boolean | undefined;
}
export interface DeleteRangeResponse {
  readonly revision: number;
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}

/** A condition; with `end` it must hold for every key of the range. An absent key reads as zeros. */
export interface Compare {
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
  readonly result: "equal" | "greater" | "less" | "notEqual";
  readonly target:
    | { readonly kind: "version" | "create" | "mod"; readonly value: number }
    | { readonly kind: "lease"; readonly value: bigint }
    | { readonly kind: "value"; readonly value: Bytes };
}
export interface TxnRequest {
  readonly kind: "txn";
  readonly compare: readonly Compare[];
  readonly success: readonly TxnOperation[];
  readonly failure: readonly TxnOperation[];
}
export type TxnOperation = RangeRequest | PutRequest | DeleteRangeRequest | TxnRequest;
export interface TxnResponse {
  readonly revision: number;
  readonly succeeded: boolean;
  readonly responses: readonly TxnOperationResponse[];
}
export type TxnOperationResponse =
  | ({ readonly kind: "range" } & RangeResponse)
  | ({ readonly kind: "put" } & PutResponse)
  | ({ readonly kind: "deleteRange" } & DeleteRangeResponse)
  | ({ readonly kind: "txn" } & TxnResponse);

/** Runs a named procedure atomically. Added to etcd's model. */
export interface RunRequest {
  readonly kind: "run";
  /** `room/thing/verb@version`. */
  readonly procedure: string;
  /** JSON text. */
  readonly args: Bytes;
  /** Put before every key that the procedure names: the namespace. */
  readonly prefix?: Bytes | undefined;
}
export interface RunResponse {
  /** The revision of the commit, or of the state that was read if nothing was written. */
  readonly revision: number;
  /** JSON text, with `tx.commitRevision` filled in. */
  readonly result: Bytes;
}

export interface LeaseGrantRequest {
  readonly kind: "leaseGrant";
  /** 0n: the keyspace chooses. */
  readonly id: bigint;
  readonly ttlMs: number;
}
export interface LeaseGrantResponse {
  readonly revision: number;
  readonly id: bigint;
  /** What was granted: at least the minimum of the server. */
  readonly ttlMs: number;
}
export interface LeaseRevokeRequest {
  readonly kind: "leaseRevoke";
  readonly id: bigint;
}
export interface LeaseRevokeResponse {
  readonly revision: number;
}
export interface LeaseKeepAliveRequest {
  readonly kind: "leaseKeepAlive";
  readonly id: bigint;
}
export interface LeaseKeepAliveResponse {
  readonly revision: number;
  /** Time left after the renewal; 0 if the lease is gone. */
  readonly ttlMs: number;
}
export interface LeaseTimeToLiveRequest {
  readonly kind: "leaseTimeToLive";
  readonly id: bigint;
  readonly keys?: boolean | undefined;
}
export interface LeaseTimeToLiveResponse {
  readonly revision: number;
  /** Time left; -1 if there is no such lease. */
  readonly ttlMs: number;
  readonly grantedTtlMs: number;
  readonly keys: readonly Bytes[];
}
export interface LeasesRequest {
  readonly kind: "leases";
}
export interface LeasesResponse {
  readonly revision: number;
  readonly ids: readonly bigint[];
}

export interface CompactRequest {
  readonly kind: "compact";
  readonly revision: number;
  /** Answer only when the old versions are gone from memory. */
  readonly physical?: boolean | undefined;
}
export interface CompactResponse {
  readonly revision: number;
}

export type AlarmKind = "NOSPACE" | "CORRUPT" | "CLOCK";
export const ALARM_KINDS: readonly AlarmKind[] = ["NOSPACE", "CORRUPT", "CLOCK"];
export interface AlarmRequest {
  readonly kind: "alarm";
  readonly action: "get" | "activate" | "deactivate";
  readonly alarm?: AlarmKind | undefined;
}
export interface AlarmResponse {
  readonly revision: number;
  readonly alarms: readonly AlarmKind[];
}

export interface HashRequest {
  readonly kind: "hash";
  /** Hash of the state at this revision; absent: now. */
  readonly revision?: number | undefined;
  /** Users and roles as they are now count too. */
  readonly withAuth?: boolean | undefined;
}
export interface HashResponse {
  readonly revision: number;
  readonly hash: number;
  readonly compactRevision: number;
}

export interface StatusRequest {
  readonly kind: "status";
}
export interface StatusResponse {
  readonly revision: number;
  readonly compactRevision: number;
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly leader: bigint;
  readonly term: number;
  readonly commitIndex: number;
  readonly version: string;
  readonly keys: number;
  readonly bytes: number;
  readonly quotaBytes: number;
  readonly leases: number;
  readonly watchers: number;
  readonly alarms: readonly AlarmKind[];
  /** Keyspace time, ms since 1970. */
  readonly time: number;
  /** Named procedures that the keyspace can run. */
  readonly procedures: readonly string[];
}

/** Opens a deduplication identity; the only way one comes to exist. Added to etcd's model. */
export interface CallerOpenRequest {
  readonly kind: "callerOpen";
  readonly id: bigint;
}
export interface CallerOpenResponse {
  readonly revision: number;
}
export interface CallerCloseRequest {
  readonly kind: "callerClose";
  readonly id: bigint;
}
export interface CallerCloseResponse {
  readonly revision: number;
}

/** Changes users, roles or permissions, or enables them. */
export interface AuthRequest {
  readonly kind: "auth";
  readonly order: AuthOrder;
}
export interface AuthResponse {
  readonly revision: number;
  readonly authRevision: number;
}
/** Asks for what is known of users and roles: the state, the names of all, or what one has. */
export interface AuthShowRequest {
  readonly kind: "authShow";
  readonly of: "state" | "users" | "roles" | "user" | "role";
  /** Of the user or role. */
  readonly name?: string | undefined;
}
export interface AuthShowResponse {
  readonly revision: number;
  readonly authRevision: number;
  readonly enabled: boolean;
  /** Of all users, of all roles, or of the roles of the user. */
  readonly names: readonly string[];
  /** Of the role. */
  readonly permissions: readonly Permission[];
}

/** Requests that may change state: evaluated at the head, logged. */
export type Command =
  | PutRequest
  | DeleteRangeRequest
  | TxnRequest
  | RunRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest
  | CallerOpenRequest
  | CallerCloseRequest
  | CompactRequest
  | AlarmRequest
  | AuthRequest;
/** Requests answered from committed state. */
export type Query =
  | RangeRequest
  | LeaseTimeToLiveRequest
  | LeasesRequest
  | LeaseKeepAliveRequest
  | HashRequest
  | StatusRequest
  | AuthShowRequest;
export type Request = Command | Query;

/** The response that each request gets. */
export interface ResponseOf {
  range: RangeResponse;
  put: PutResponse;
  deleteRange: DeleteRangeResponse;
  txn: TxnResponse;
  run: RunResponse;
  leaseGrant: LeaseGrantResponse;
  leaseRevoke: LeaseRevokeResponse;
  leaseKeepAlive: LeaseKeepAliveResponse;
  leaseTimeToLive: LeaseTimeToLiveResponse;
  leases: LeasesResponse;
  compact: CompactResponse;
  alarm: AlarmResponse;
  hash: HashResponse;
  status: StatusResponse;
  callerOpen: CallerOpenResponse;
  callerClose: CallerCloseResponse;
  auth: AuthResponse;
  authShow: AuthShowResponse;
}
export type Response = ResponseOf[Request["kind"]];

/** Who asks, for exactly-once retries: sequence numbers start at 1; replies below `firstUnacked` may be forgotten. */
export interface CallerStamp {
  readonly id: bigint;
  readonly sequence: number;
  readonly firstUnacked: number;
}

/** What a request came to. */
export type Reply =
  | { readonly ok: true; readonly response: Response }
  | { readonly ok: false; readonly failure: Failure };
