/**
 * What the fields of etcd's messages are called in its protos, and so in JSON, where it is not our name in snake case: ids,
 * sizes and URLs keep etcd's capitals; arms of a oneof have longer names; enumerations are words; ids of members are
 * unsigned.
 */
import { HEALTH } from "../grpc/health.ts";
import { REFLECTION } from "../grpc/reflection.ts";
import type { Message } from "../protobuf.ts";
import { AuthStatusResponse, Permission } from "./auth.ts";
import { CARE, CLUSTER, Member } from "./cluster.ts";
import * as etcd from "./messages.ts";

export interface FieldName {
  readonly name?: string | undefined;
  /** A number that is shown unsigned. */
  readonly unsigned?: true | undefined;
  /** The oneof of which it is an arm. */
  readonly oneof?: string | undefined;
  /** The enumeration whose words those are: of the message, or, with a dot, of the package. */
  readonly enumeration?: string | undefined;
  /** The words of an enumeration, by number. */
  readonly words?: readonly string[] | undefined;
}
type Names = Readonly<Record<string, FieldName>>;

const id: FieldName = { name: "ID" };
const ttl: FieldName = { name: "TTL" };
const ALARM_MEMBER: Names = {
  memberId: { name: "memberID", unsigned: true },
  alarm: { enumeration: "etcdserverpb.AlarmType", words: ["NONE", "NOSPACE", "CORRUPT"] },
};
const MEMBER: Names = {
  id: { name: "ID", unsigned: true },
  peerUrls: { name: "peerURLs" },
  clientUrls: { name: "clientURLs" },
  isLearner: { name: "isLearner" },
};
const REQUEST_OP: Names = {
  range: { name: "request_range", oneof: "request" },
  put: { name: "request_put", oneof: "request" },
  deleteRange: { name: "request_delete_range", oneof: "request" },
  txn: { name: "request_txn", oneof: "request" },
};
const RESPONSE_OP: Names = {
  range: { name: "response_range", oneof: "response" },
  put: { name: "response_put", oneof: "response" },
  deleteRange: { name: "response_delete_range", oneof: "response" },
  txn: { name: "response_txn", oneof: "response" },
};

const ASKED: FieldName = { oneof: "message_request" };
const REFLECTION_REQUEST: Names = {
  fileByFilename: ASKED,
  fileContainingSymbol: ASKED,
  fileContainingExtension: ASKED,
  allExtensionNumbersOfType: ASKED,
  listServices: ASKED,
};
const ANSWERED: FieldName = { oneof: "message_response" };
const REFLECTION_RESPONSE: Names = {
  fileDescriptorResponse: ANSWERED,
  allExtensionNumbersResponse: ANSWERED,
  listServicesResponse: ANSWERED,
  errorResponse: ANSWERED,
};

const TABLE: readonly (readonly [object, Names])[] = [
  [
    etcd.Header,
    {
      clusterId: { unsigned: true },
      memberId: { unsigned: true },
      raftTerm: { unsigned: true },
    },
  ],
  [etcd.Event, { type: { enumeration: "EventType", words: ["PUT", "DELETE"] } }],
  [
    etcd.RangeRequest,
    {
      sortOrder: { enumeration: "SortOrder", words: ["NONE", "ASCEND", "DESCEND"] },
      sortTarget: {
        enumeration: "SortTarget",
        words: ["KEY", "VERSION", "CREATE", "MOD", "VALUE"],
      },
    },
  ],
  [
    etcd.Compare,
    {
      result: { enumeration: "CompareResult", words: ["EQUAL", "GREATER", "LESS", "NOT_EQUAL"] },
      target: {
        enumeration: "CompareTarget",
        words: ["VERSION", "CREATE", "MOD", "VALUE", "LEASE"],
      },
      version: { oneof: "target_union" },
      createRevision: { oneof: "target_union" },
      modRevision: { oneof: "target_union" },
      value: { oneof: "target_union" },
      lease: { oneof: "target_union" },
    },
  ],
  [etcd.RequestOp, REQUEST_OP],
  [etcd.ResponseOp, RESPONSE_OP],
  [
    etcd.WatchRequest,
    {
      create: { name: "create_request", oneof: "request_union" },
      cancel: { name: "cancel_request", oneof: "request_union" },
      progress: { name: "progress_request", oneof: "request_union" },
    },
  ],
  [
    etcd.WatchCreateRequest,
    { filters: { enumeration: "FilterType", words: ["NOPUT", "NODELETE"] } },
  ],
  [etcd.LeaseGrantRequest, { id, ttl }],
  [etcd.LeaseGrantResponse, { id, ttl }],
  [etcd.LeaseId, { id }],
  [etcd.LeaseKeepAliveResponse, { id, ttl }],
  [etcd.LeaseTimeToLiveRequest, { id }],
  [etcd.LeaseTimeToLiveResponse, { id, ttl, grantedTtl: { name: "grantedTTL" } }],
  [
    etcd.AlarmRequest,
    {
      ...ALARM_MEMBER,
      action: { enumeration: "AlarmAction", words: ["GET", "ACTIVATE", "DEACTIVATE"] },
    },
  ],
  [etcd.AlarmMember, ALARM_MEMBER],
  [
    etcd.StatusResponse,
    {
      dbSize: { name: "dbSize" },
      leader: { unsigned: true },
      raftIndex: { name: "raftIndex", unsigned: true },
      raftTerm: { name: "raftTerm", unsigned: true },
      raftAppliedIndex: { name: "raftAppliedIndex", unsigned: true },
      dbSizeInUse: { name: "dbSizeInUse" },
      isLearner: { name: "isLearner" },
    },
  ],
  [AuthStatusResponse, { authRevision: { name: "authRevision", unsigned: true } }],
  [
    Permission,
    { permType: { name: "permType", enumeration: "Type", words: ["READ", "WRITE", "READWRITE"] } },
  ],
  [CLUSTER.add.request, MEMBER],
  [CLUSTER.remove.request, MEMBER],
  [CLUSTER.update.request, MEMBER],
  [Member, MEMBER],
  [
    CARE.downgrade.request,
    { action: { enumeration: "DowngradeAction", words: ["VALIDATE", "ENABLE", "CANCEL"] } },
  ],
  [CARE.moveLeader.request, { targetId: { name: "targetID", unsigned: true } }],
  [etcd.HashKvResponse, { hash: { unsigned: true } }],
  [CARE.hash.response, { hash: { unsigned: true } }],
  [CARE.snapshot.response, { remainingBytes: { unsigned: true } }],
  [
    HEALTH.check.response,
    {
      status: {
        enumeration: "ServingStatus",
        words: ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"],
      },
    },
  ],
  ...Object.values(REFLECTION).flatMap(({ request, response }) => [
    [request, REFLECTION_REQUEST] as const,
    [response, REFLECTION_RESPONSE] as const,
  ]),
];
const NAMES: ReadonlyMap<object, Names> = new Map(TABLE);

/** What is said of the fields of `message` beyond their codec. */
export function fieldNames(message: Message<object>): Names {
  return NAMES.get(message) ?? {};
}

/** What the field `key` of `message` is called. */
export function fieldName(message: Message<object>, key: string): string {
  const given = fieldNames(message)[key]?.name;
  return given ?? key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
