/**
 * Where the methods of the etcd face are in the JSON gateway, and what their statuses are to HTTP.
 *
 * Source: the `google.api.http` options of etcd's protos; grpc-gateway v1 `runtime/errors.go` and `runtime/handler.go`.
 */
import { AUTH } from "../../wire/etcd/auth.ts";
import { CARE, CLUSTER } from "../../wire/etcd/cluster.ts";
import { ELECTION, LOCK } from "../../wire/etcd/concurrency.ts";
import { METHODS } from "../../wire/etcd/messages.ts";
import type { RpcStatus } from "../../wire/grpc/status.ts";
import type { Methods, StreamMethod, UnaryMethod } from "../grpc/method.ts";

const PREFIX = "/v3/";
/** Longest body that is read; base64 and names make it longer than the message. */
export const JSON_BYTES_MAX: number = 3 << 20;

/** All of them are POST. */
const ROUTES: Readonly<Record<string, { readonly path: string }>> = {
  "kv/range": METHODS.range,
  "kv/put": METHODS.put,
  "kv/deleterange": METHODS.deleteRange,
  "kv/txn": METHODS.txn,
  "kv/compaction": METHODS.compact,
  "kv/lease/revoke": METHODS.leaseRevoke,
  "kv/lease/timetolive": METHODS.leaseTimeToLive,
  "kv/lease/leases": METHODS.leaseLeases,
  watch: METHODS.watch,
  "lease/grant": METHODS.leaseGrant,
  "lease/revoke": METHODS.leaseRevoke,
  "lease/keepalive": METHODS.leaseKeepAlive,
  "lease/timetolive": METHODS.leaseTimeToLive,
  "lease/leases": METHODS.leaseLeases,
  "cluster/member/add": CLUSTER.add,
  "cluster/member/remove": CLUSTER.remove,
  "cluster/member/update": CLUSTER.update,
  "cluster/member/list": CLUSTER.list,
  "cluster/member/promote": CLUSTER.promote,
  "maintenance/alarm": METHODS.alarm,
  "maintenance/status": METHODS.status,
  "maintenance/defragment": CARE.defragment,
  "maintenance/hash": CARE.hash,
  "maintenance/hashkv": METHODS.hashKv,
  "maintenance/snapshot": CARE.snapshot,
  "maintenance/transfer-leadership": CARE.moveLeader,
  "maintenance/downgrade": CARE.downgrade,
  "auth/enable": AUTH.enable,
  "auth/disable": AUTH.disable,
  "auth/status": AUTH.status,
  "auth/authenticate": AUTH.authenticate,
  "auth/user/add": AUTH.userAdd,
  "auth/user/get": AUTH.userGet,
  "auth/user/list": AUTH.userList,
  "auth/user/delete": AUTH.userDelete,
  "auth/user/changepw": AUTH.userChangePassword,
  "auth/user/grant": AUTH.userGrantRole,
  "auth/user/revoke": AUTH.userRevokeRole,
  "auth/role/add": AUTH.roleAdd,
  "auth/role/get": AUTH.roleGet,
  "auth/role/list": AUTH.roleList,
  "auth/role/delete": AUTH.roleDelete,
  "auth/role/grant": AUTH.roleGrantPermission,
  "auth/role/revoke": AUTH.roleRevokePermission,
  "lock/lock": LOCK.lock,
  "lock/unlock": LOCK.unlock,
  "election/campaign": ELECTION.campaign,
  "election/proclaim": ELECTION.proclaim,
  "election/leader": ELECTION.leader,
  "election/observe": ELECTION.observe,
  "election/resign": ELECTION.resign,
};

/** Whether `path` is the gateway's at all. */
export function isGateway(path: string): boolean {
  return path.startsWith(PREFIX);
}

/** The methods by their path in HTTP. */
export function gatewayRoutes(methods: Methods): ReadonlyMap<string, UnaryMethod | StreamMethod> {
  const found = new Map<string, UnaryMethod | StreamMethod>();
  for (const [path, { path: name }] of Object.entries(ROUTES)) {
    const method = methods.get(name);
    if (method !== undefined) found.set(PREFIX + path, method);
  }
  return found;
}

const HTTP_STATUS: Readonly<Record<number, number>> = {
  0: 200,
  1: 408,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
  11: 400,
  12: 501,
  14: 503,
  16: 401,
};

export function httpStatus(code: number): number {
  return HTTP_STATUS[code] ?? 500;
}

/** The body of a call that failed. */
export function errorBody({ code, message }: RpcStatus): object {
  return { error: message, message, code };
}

/** The line that ends a stream that failed; `reason` is the text of the HTTP status. */
export function errorLine({ code, message }: RpcStatus, reason: string): object {
  const http = httpStatus(code);
  return { error: { grpc_code: code, http_code: http, message, http_status: reason } };
}
