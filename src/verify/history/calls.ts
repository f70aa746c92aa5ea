/**
 * What a recorded history tells of: calls and their answers. Those of the keyspace are the contract's own requests and
 * responses; beside them stand registers, ownership of locks and elections, and writes to a resource that checks tokens.
 *
 * Leaves out: procedures (`run`), which a checker cannot carry out; what they do shows as ownership, or lies outside the
 * scope that a header declares.
 */
import type {
  CompactRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseRevokeRequest,
  PutRequest,
  RangeRequest,
  ResponseOf,
  TxnRequest,
} from "../../contract/requests.ts";

export type KeyspaceCall =
  | RangeRequest
  | PutRequest
  | DeleteRangeRequest
  | TxnRequest
  | LeaseGrantRequest
  | LeaseRevokeRequest
  | LeaseKeepAliveRequest
  | CompactRequest;

/** What a register holds; null: it was never written. */
export type RegisterValue = string | null;
/** A register, or the one of a map that `key` names. */
export type RegisterCall =
  | { readonly kind: "read"; readonly key?: string | undefined }
  | { readonly kind: "write"; readonly key?: string | undefined; readonly value: RegisterValue }
  | { readonly kind: "append"; readonly key?: string | undefined; readonly value: string }
  | {
      readonly kind: "cas";
      readonly key?: string | undefined;
      readonly from: RegisterValue;
      readonly to: RegisterValue;
    };

/** Taking and giving back a lock, or the leadership of an election. */
export type OwnershipCall =
  | { readonly kind: "acquire" | "campaign"; readonly name: string }
  | { readonly kind: "release" | "resign"; readonly name: string; readonly token: number };

/** A write to a resource that refuses tokens lower than one that it has seen. */
export interface GuardedCall {
  readonly kind: "guarded";
  readonly resource: string;
  readonly token: number;
  readonly holder: string;
}

export type Call = KeyspaceCall | RegisterCall | OwnershipCall | GuardedCall;

/** What acquiring came to. */
export interface Acquired {
  /** null: not acquired. */
  readonly token: number | null;
  /** Create revision of the contender, where ownership goes by age. */
  readonly place?: number | undefined;
}
/** What giving back came to; `held`: it was owned until then. */
export interface Released {
  readonly held: boolean;
}

/** The answer of each kind of call. */
export interface AnswerOf {
  range: ResponseOf["range"];
  put: ResponseOf["put"];
  deleteRange: ResponseOf["deleteRange"];
  txn: ResponseOf["txn"];
  leaseGrant: ResponseOf["leaseGrant"];
  leaseRevoke: ResponseOf["leaseRevoke"];
  leaseKeepAlive: ResponseOf["leaseKeepAlive"];
  compact: ResponseOf["compact"];
  read: { readonly value: RegisterValue };
  write: Record<never, never>;
  append: Record<never, never>;
  cas: { readonly done: boolean };
  acquire: Acquired;
  campaign: Acquired;
  release: Released;
  resign: Released;
  guarded: { readonly accepted: boolean };
}
export type Answer = AnswerOf[Call["kind"]];

const KEYSPACE: ReadonlySet<string> = new Set<KeyspaceCall["kind"]>([
  "range",
  "put",
  "deleteRange",
  "txn",
  "leaseGrant",
  "leaseRevoke",
  "leaseKeepAlive",
  "compact",
]);
const REGISTER: ReadonlySet<string> = new Set<RegisterCall["kind"]>([
  "read",
  "write",
  "append",
  "cas",
]);

export function isKeyspaceCall(call: Call): call is KeyspaceCall {
  return KEYSPACE.has(call.kind);
}
export function isRegisterCall(call: Call): call is RegisterCall {
  return REGISTER.has(call.kind);
}
