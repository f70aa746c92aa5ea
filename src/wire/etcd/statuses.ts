/**
 * Failures as etcd says them: clients tell errors apart by these codes and texts, so both are etcd's to the letter.
 * Source: etcd `api/v3rpc/rpctypes/error.go` (3.4 to 3.6).
 */
import type { ErrorCode, Failure } from "../../base/errors.ts";
import { QuorateError } from "../../base/errors.ts";
import { Malformed } from "../../base/codec.ts";
import { GRPC, RpcStatus } from "../grpc/status.ts";

type Said = readonly [code: number, text: string];

const BY_CODE: Partial<Record<ErrorCode, Said>> = {
  COMPACTED: [GRPC.outOfRange, "etcdserver: mvcc: required revision has been compacted"],
  FUTURE_REVISION: [GRPC.outOfRange, "etcdserver: mvcc: required revision is a future revision"],
  QUOTA: [GRPC.resourceExhausted, "etcdserver: mvcc: database space exceeded"],
  TOO_LARGE: [GRPC.invalidArgument, "etcdserver: request is too large"],
  TOO_MANY_OPERATIONS: [GRPC.invalidArgument, "etcdserver: too many operations in txn request"],
  DUPLICATE_KEY: [GRPC.invalidArgument, "etcdserver: duplicate key given in txn request"],
  KEY_NOT_FOUND: [GRPC.invalidArgument, "etcdserver: key not found"],
  LEASE_NOT_FOUND: [GRPC.notFound, "etcdserver: requested lease not found"],
  LEASE_EXISTS: [GRPC.failedPrecondition, "etcdserver: lease already exists"],
  LEASE_TTL: [GRPC.outOfRange, "etcdserver: too large lease TTL"],
  OVERLOADED: [GRPC.resourceExhausted, "etcdserver: too many requests"],
  TIMEOUT: [GRPC.unavailable, "etcdserver: request timed out"],
  NOT_LEADER: [GRPC.unavailable, "etcdserver: no leader"],
  LEADER_CHANGED: [GRPC.unavailable, "etcdserver: leader changed"],
  SHUTDOWN: [GRPC.unavailable, "etcdserver: server stopped"],
  CLOSED: [GRPC.unavailable, "etcdserver: server stopped"],
  DISK: [GRPC.unavailable, "etcdserver: server stopped"],
  DAMAGED: [GRPC.dataLoss, "etcdserver: corrupt cluster"],
  ABORTED: [GRPC.cancelled, "etcdserver: request canceled"],
  PERMISSION_DENIED: [GRPC.permissionDenied, "etcdserver: permission denied"],
  AUTH_STALE: [GRPC.invalidArgument, "etcdserver: revision of auth store is old"],
};

const NO_USER: Said = [GRPC.invalidArgument, "etcdserver: user name is empty"];
const BAD_TOKEN: Said = [GRPC.unauthenticated, "etcdserver: invalid auth token"];
const BAD_MANAGEMENT: Said = [GRPC.invalidArgument, "etcdserver: invalid auth management"];
const missing = (what: string): Said => [GRPC.failedPrecondition, `etcdserver: ${what}`];
/** Of failures that say more, by `details.reason`. */
const BY_REASON: Readonly<Record<string, Said>> = {
  rootUserMissing: missing("root user does not exist"),
  rootRoleMissing: missing("root user does not have root role"),
  userExists: missing("user name already exists"),
  userEmpty: NO_USER,
  userMissing: missing("user name not found"),
  roleExists: missing("role name already exists"),
  roleEmpty: [GRPC.invalidArgument, "etcdserver: role name is empty"],
  roleMissing: missing("role name not found"),
  roleNotGranted: missing("role is not granted to the user"),
  permissionNotGranted: missing("permission is not granted to the role"),
  notEnabled: missing("authentication is not enabled"),
  guarding: [
    GRPC.failedPrecondition,
    "quorate: authentication guards an address that other machines can reach",
  ],
  rootProtected: BAD_MANAGEMENT,
  rangeInvalid: BAD_MANAGEMENT,
  noUser: NO_USER,
  badToken: BAD_TOKEN,
  changed: BAD_TOKEN,
  memberNotFound: [GRPC.notFound, "etcdserver: member not found"],
  // Etcd's own table would say FAILED_PRECONDITION; its servers do not.
  notEnoughStarted: [
    GRPC.unknown,
    "etcdserver: re-configuration failed due to not enough started members",
  ],
  unhealthy: [GRPC.unavailable, "etcdserver: unhealthy cluster"],
  notLearner: missing("can only promote a learner member"),
  badPeerUrls: [GRPC.invalidArgument, "etcdserver: given member URLs are invalid"],
  peerUrlExists: missing("Peer URLs already exists"),
  oneMember: [GRPC.unimplemented, "quorate: this server is the only member of its cluster"],
  badTransferee: missing("bad leader transferee"),
  badPassword: [
    GRPC.invalidArgument,
    "etcdserver: authentication failed, invalid user ID or password",
  ],
};

/** What only the faces of etcd find wrong. */
export type Word =
  | "emptyKey"
  | "valueProvided"
  | "leaseProvided"
  | "keyNotFound"
  | "invalidSort"
  | "tooManyOperations"
  | "tooLarge"
  | "stopped"
  | "memberNotFound"
  | "learnerNotReady"
  | "notLeader"
  | "notForLearners"
  | "wrongVersion"
  | "badTarget"
  | "noDowngrade"
  | "unknownMethod"
  | "noPermission"
  | "badManagement";
const SAID: Readonly<Record<Word, Said>> = {
  emptyKey: [GRPC.invalidArgument, "etcdserver: key is not provided"],
  valueProvided: [GRPC.invalidArgument, "etcdserver: value is provided"],
  leaseProvided: [GRPC.invalidArgument, "etcdserver: lease is provided"],
  keyNotFound: [GRPC.invalidArgument, "etcdserver: key not found"],
  invalidSort: [GRPC.invalidArgument, "etcdserver: invalid sort option"],
  tooManyOperations: [GRPC.invalidArgument, "etcdserver: too many operations in txn request"],
  tooLarge: [GRPC.invalidArgument, "etcdserver: request is too large"],
  stopped: [GRPC.unavailable, "etcdserver: server stopped"],
  memberNotFound: [GRPC.notFound, "etcdserver: member not found"],
  learnerNotReady: missing("can only promote a learner member which is in sync with leader"),
  notLeader: missing("not leader"),
  notForLearners: missing("rpc not supported for learner"),
  wrongVersion: [GRPC.invalidArgument, "etcdserver: wrong downgrade target version format"],
  badTarget: [GRPC.invalidArgument, "etcdserver: invalid downgrade target version"],
  noDowngrade: missing("no inflight downgrade job"),
  unknownMethod: [GRPC.unknown, "etcdserver: unknown method"],
  noPermission: [GRPC.invalidArgument, "etcdserver: permission not given"],
  badManagement: BAD_MANAGEMENT,
};

export function said(word: Word): RpcStatus {
  return new RpcStatus(...SAID[word]);
}

/** What a failure of ours is to a client of etcd. */
function ofFailure(failure: Failure): RpcStatus {
  const known = BY_REASON[String(failure.details?.["reason"])] ?? BY_CODE[failure.code];
  if (known !== undefined) return new RpcStatus(...known);
  const code = failure.code === "INVALID" ? GRPC.invalidArgument : GRPC.unknown;
  return new RpcStatus(code, `quorate: ${failure.code} ${failure.object} ${failure.what}`);
}

/** The status with which a call ends that threw `error`. */
export function statusOf(error: unknown): RpcStatus {
  if (error instanceof RpcStatus) return error;
  if (QuorateError.is(error)) return ofFailure(error.failure);
  if (error instanceof Malformed)
    return new RpcStatus(GRPC.internal, `grpc: error unmarshalling request: ${error.message}`);
  return new RpcStatus(GRPC.unknown, error instanceof Error ? error.message : String(error));
}
