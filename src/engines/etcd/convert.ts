/** Requests and responses of the contract as etcd's messages, and back. */
import type { Bytes } from "../../base/bytes.ts";
import { EMPTY } from "../../base/bytes.ts";
import type * as contract from "../../contract/requests.ts";
import type * as etcd from "../../wire/etcd/messages.ts";
import type { Init } from "../../wire/protobuf.ts";

const SORT_ORDER = { none: 0, ascend: 1, descend: 2 } as const;
const SORT_TARGET = { key: 0, version: 1, create: 2, mod: 3, value: 4 } as const;
const COMPARE_RESULT = { equal: 0, greater: 1, less: 2, notEqual: 3 } as const;
const COMPARE_TARGET = { version: 0, create: 1, mod: 2, value: 3, lease: 4 } as const;

export function rangeRequest(request: contract.RangeRequest): Init<etcd.RangeRequest> {
  return {
    ...request,
    rangeEnd: request.end,
    sortOrder: SORT_ORDER[request.sort?.order ?? "none"],
    sortTarget: SORT_TARGET[request.sort?.target ?? "key"],
    serializable: request.consistency === "serializable",
  };
}

export function putRequest(request: contract.PutRequest): Init<etcd.PutRequest> {
  return request;
}

export function deleteRequest(request: contract.DeleteRangeRequest): Init<etcd.DeleteRangeRequest> {
  return { ...request, rangeEnd: request.end };
}

export function txnRequest(request: contract.TxnRequest): Init<etcd.TxnRequest> {
  return {
    compare: request.compare.map(compare),
    success: request.success.map(operation),
    failure: request.failure.map(operation),
  };
}

function compare({ key, end, result, target }: contract.Compare): Init<etcd.Compare> {
  const common = {
    key,
    rangeEnd: end,
    result: COMPARE_RESULT[result],
    target: COMPARE_TARGET[target.kind],
  };
  switch (target.kind) {
    case "version":
      return { ...common, version: target.value };
    case "create":
      return { ...common, createRevision: target.value };
    case "mod":
      return { ...common, modRevision: target.value };
    case "value":
      return { ...common, value: target.value };
    case "lease":
      return { ...common, lease: target.value };
  }
}

function operation(request: contract.TxnOperation): Init<etcd.RequestOp> {
  switch (request.kind) {
    case "range":
      return { range: rangeRequest(request) };
    case "put":
      return { put: putRequest(request) };
    case "deleteRange":
      return { deleteRange: deleteRequest(request) };
    case "txn":
      return { txn: txnRequest(request) };
  }
}

/** The revision that a response speaks of. */
export function revisionOf(response: etcd.Headed): number {
  return response.header?.revision ?? 0;
}

export function keyValue(kv: etcd.KeyValue): contract.KeyValue {
  const { key, value, createRevision, modRevision, version, lease } = kv;
  return { key, value, createRevision, modRevision, version, lease };
}

function maybeKeyValue(kv: etcd.KeyValue | undefined): contract.KeyValue | undefined {
  return kv === undefined ? undefined : keyValue(kv);
}

export function rangeResponse(response: etcd.RangeResponse): contract.RangeResponse {
  const { kvs, more, count } = response;
  return { revision: revisionOf(response), kvs: kvs.map(keyValue), more, count };
}

export function putResponse(response: etcd.PutResponse): contract.PutResponse {
  return { revision: revisionOf(response), prevKv: maybeKeyValue(response.prevKv) };
}

export function deleteResponse(response: etcd.DeleteRangeResponse): contract.DeleteRangeResponse {
  const { deleted, prevKvs } = response;
  return { revision: revisionOf(response), deleted, prevKvs: prevKvs.map(keyValue) };
}

export function txnResponse(response: etcd.TxnResponse): contract.TxnResponse {
  const { succeeded } = response;
  const responses = response.responses.map(operationResponse);
  return { revision: revisionOf(response), succeeded, responses };
}

function operationResponse(response: etcd.ResponseOp): contract.TxnOperationResponse {
  const { range, put, deleteRange, txn } = response;
  if (range !== undefined) return { kind: "range", ...rangeResponse(range) };
  if (put !== undefined) return { kind: "put", ...putResponse(put) };
  if (deleteRange !== undefined) return { kind: "deleteRange", ...deleteResponse(deleteRange) };
  return { kind: "txn", ...txnResponse(txn as etcd.TxnResponse) };
}

export const ALARMS = ["NONE", "NOSPACE", "CORRUPT"] as const;

/** Alarms that both know. */
export function alarmKinds(response: etcd.AlarmResponse): readonly contract.AlarmKind[] {
  const names = response.alarms.map((each) => ALARMS[each.alarm]);
  return [...new Set(names)].filter((name) => name === "NOSPACE" || name === "CORRUPT");
}

export function watchCreate(
  request: {
    readonly key: Bytes;
    readonly end?: Bytes | undefined;
    readonly without?: "put" | "delete" | undefined;
    readonly prevKv?: boolean | undefined;
    readonly progress?: boolean | undefined;
    readonly fragment?: boolean | undefined;
  },
  startRevision: number,
): Init<etcd.WatchRequest> {
  const filters = { put: [0], delete: [1] };
  return {
    create: {
      key: request.key,
      rangeEnd: request.end ?? EMPTY,
      startRevision,
      filters: request.without === undefined ? [] : filters[request.without],
      prevKv: request.prevKv,
      progressNotify: request.progress,
      fragment: request.fragment,
    },
  };
}

export function batchEvents(response: etcd.WatchResponse): readonly {
  readonly kind: "put" | "delete";
  readonly kv: contract.KeyValue;
  readonly prevKv?: contract.KeyValue | undefined;
}[] {
  return response.events.map(({ type, kv, prevKv }) => ({
    kind: type === 1 ? "delete" : "put",
    kv: keyValue(kv as etcd.KeyValue),
    prevKv: maybeKeyValue(prevKv),
  }));
}
