/**
 * etcd's requests as the contract's. What etcd refuses for its shape is refused here, in etcd's order and words; what
 * depends on state is the keyspace's to refuse.
 *
 * Source: etcd `api/v3rpc/key.go`. Throws `RpcStatus`.
 */
import type { Bytes } from "../../base/bytes.ts";
import type * as contract from "../../contract/requests.ts";
import type * as etcd from "../../wire/etcd/messages.ts";
import { said } from "../../wire/etcd/statuses.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";

/** Operations that a branch may hold, nested ones included: etcd's default. */
const OPERATIONS_MAX = 128;

const SORT_ORDERS = ["none", "ascend", "descend"] as const;
const SORT_TARGETS = ["key", "version", "create", "mod", "value"] as const;
const RESULTS = ["equal", "greater", "less", "notEqual"] as const;

/** etcd's range end: empty means the single key. */
export function endOf(rangeEnd: Bytes): Bytes | undefined {
  return rangeEnd === "" ? undefined : rangeEnd;
}

export function rangeOf(message: etcd.RangeRequest): contract.RangeRequest {
  if (message.key === "") throw said("emptyKey");
  const order = SORT_ORDERS[message.sortOrder];
  const target = SORT_TARGETS[message.sortTarget];
  if (order === undefined || target === undefined) throw said("invalidSort");
  return {
    kind: "range",
    key: message.key,
    end: endOf(message.rangeEnd),
    revision: message.revision,
    limit: message.limit,
    sort: order === "none" && target === "key" ? undefined : { target, order },
    keysOnly: message.keysOnly,
    countOnly: message.countOnly,
    minModRevision: message.minModRevision,
    maxModRevision: message.maxModRevision,
    minCreateRevision: message.minCreateRevision,
    maxCreateRevision: message.maxCreateRevision,
    consistency: message.serializable ? "serializable" : "linearizable",
  };
}

export function putOf(message: etcd.PutRequest): contract.PutRequest {
  if (message.key === "") throw said("emptyKey");
  if (message.ignoreValue && message.value !== "") throw said("valueProvided");
  if (message.ignoreLease && message.lease !== 0n) throw said("leaseProvided");
  return { kind: "put", ...message };
}

export function deleteOf(message: etcd.DeleteRangeRequest): contract.DeleteRangeRequest {
  if (message.key === "") throw said("emptyKey");
  const { key, rangeEnd, prevKv } = message;
  return { kind: "deleteRange", key, end: endOf(rangeEnd), prevKv };
}

export function txnOf(
  message: etcd.TxnRequest,
  budget: number = OPERATIONS_MAX,
): contract.TxnRequest {
  const { compare, success, failure } = message;
  const widest = Math.max(compare.length, success.length, failure.length);
  if (widest > budget) throw said("tooManyOperations");
  const operation = (each: etcd.RequestOp): contract.TxnOperation =>
    operationOf(each, budget - widest);
  return {
    kind: "txn",
    compare: compare.map(compareOf),
    success: success.map(operation),
    failure: failure.map(operation),
  };
}

function operationOf(message: etcd.RequestOp, budget: number): contract.TxnOperation {
  const { range, put, deleteRange, txn } = message;
  if (range !== undefined) return rangeOf(range);
  if (put !== undefined) return putOf(put);
  if (deleteRange !== undefined) return deleteOf(deleteRange);
  if (txn !== undefined) return txnOf(txn, budget);
  throw said("keyNotFound");
}

type Target = contract.Compare["target"];
/** By etcd's number of the target; an operand that is not given is zero. */
const TARGETS: readonly ((message: etcd.Compare) => Target)[] = [
  ({ version }) => ({ kind: "version", value: version ?? 0 }),
  ({ createRevision }) => ({ kind: "create", value: createRevision ?? 0 }),
  ({ modRevision }) => ({ kind: "mod", value: modRevision ?? 0 }),
  ({ value }) => ({ kind: "value", value: value ?? ("" as Bytes) }),
  ({ lease }) => ({ kind: "lease", value: lease ?? 0n }),
];

function compareOf(message: etcd.Compare): contract.Compare {
  if (message.key === "") throw said("emptyKey");
  const result = RESULTS[message.result];
  const target = TARGETS[message.target]?.(message);
  if (result === undefined || target === undefined)
    throw new RpcStatus(GRPC.invalidArgument, "quorate: unknown result or target of a compare");
  return { key: message.key, end: endOf(message.rangeEnd), result, target };
}
