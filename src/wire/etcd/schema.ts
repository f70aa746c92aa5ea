/**
 * The names under which etcd declares its types, for descriptors: files, messages, and what `names.ts` says of fields.
 *
 * Sources: etcd 3.5 `api/etcdserverpb/rpc.proto` and its neighbours; a type that only a field leads to stands in a table,
 * the others follow from the name of their method.
 */
import { must } from "../../base/assert.ts";
import type { Message } from "../protobuf.ts";
import { HEALTH } from "../grpc/health.ts";
import { REFLECTION } from "../grpc/reflection.ts";
import type { Declared, Naming } from "../grpc/schema.ts";
import { AUTH, Permission } from "./auth.ts";
import { Member } from "./cluster.ts";
import { ELECTION } from "./concurrency.ts";
import * as etcd from "./messages.ts";
import { fieldName, fieldNames } from "./names.ts";

const ETCD = "etcdserverpb";
const LOCKS = "v3lockpb";
const ELECTIONS = "v3electionpb";

const FILES: Readonly<Record<string, string>> = {
  mvccpb: "etcd/api/mvccpb/kv.proto",
  authpb: "etcd/api/authpb/auth.proto",
  [ETCD]: "etcd/api/etcdserverpb/rpc.proto",
  [LOCKS]: "etcd/server/etcdserver/api/v3lock/v3lockpb/v3lock.proto",
  [ELECTIONS]: "etcd/server/etcdserver/api/v3election/v3electionpb/v3election.proto",
  "grpc.health.v1": "grpc/health/v1/health.proto",
  "grpc.reflection.v1": "grpc/reflection/v1/reflection.proto",
  "grpc.reflection.v1alpha": "grpc/reflection/v1alpha/reflection.proto",
};

/** Requests and responses that are not called after their method. */
const OF_METHODS: Readonly<Record<string, readonly [request: string, response: string]>> = {
  [etcd.METHODS.compact.path]: [`${ETCD}.CompactionRequest`, `${ETCD}.CompactionResponse`],
  [ELECTION.observe.path]: [`${ELECTIONS}.LeaderRequest`, `${ELECTIONS}.LeaderResponse`],
  [HEALTH.check.path]: ["grpc.health.v1.HealthCheckRequest", "grpc.health.v1.HealthCheckResponse"],
  [HEALTH.watch.path]: ["grpc.health.v1.HealthCheckRequest", "grpc.health.v1.HealthCheckResponse"],
  ...Object.fromEntries(
    Object.entries(REFLECTION).map(([version, { path }]) => [
      path,
      [
        `grpc.reflection.${version}.ServerReflectionRequest`,
        `grpc.reflection.${version}.ServerReflectionResponse`,
      ],
    ]),
  ),
};

/** The message in field `key` of `message`. */
function within(message: Message<object>, key: string): Message<object> {
  const [, field] = must(
    message.fields.find(([name]) => name === key),
    `there is a field ${key}`,
  );
  return must(field.message, `the field ${key} holds a message`);
}

const any = (message: object): Message<object> => message as Message<object>;

/** Messages in fields. */
const OF_MESSAGES: ReadonlyMap<Message<object>, string> = new Map<Message<object>, string>([
  [any(etcd.KeyValue), "mvccpb.KeyValue"],
  [any(etcd.Event), "mvccpb.Event"],
  [any(Permission), "authpb.Permission"],
  [within(any(AUTH.userAdd.request), "options"), "authpb.UserAddOptions"],
  [any(etcd.Header), `${ETCD}.ResponseHeader`],
  [any(etcd.RangeRequest), `${ETCD}.RangeRequest`],
  [any(etcd.RangeResponse), `${ETCD}.RangeResponse`],
  [any(etcd.PutRequest), `${ETCD}.PutRequest`],
  [any(etcd.PutResponse), `${ETCD}.PutResponse`],
  [any(etcd.DeleteRangeRequest), `${ETCD}.DeleteRangeRequest`],
  [any(etcd.DeleteRangeResponse), `${ETCD}.DeleteRangeResponse`],
  [any(etcd.TxnRequest), `${ETCD}.TxnRequest`],
  [any(etcd.TxnResponse), `${ETCD}.TxnResponse`],
  [any(etcd.Compare), `${ETCD}.Compare`],
  [any(etcd.RequestOp), `${ETCD}.RequestOp`],
  [any(etcd.ResponseOp), `${ETCD}.ResponseOp`],
  [any(etcd.WatchCreateRequest), `${ETCD}.WatchCreateRequest`],
  [any(etcd.WatchCancelRequest), `${ETCD}.WatchCancelRequest`],
  [any(etcd.WatchProgressRequest), `${ETCD}.WatchProgressRequest`],
  [any(etcd.LeaseId), `${ETCD}.LeaseStatus`],
  [any(etcd.AlarmMember), `${ETCD}.AlarmMember`],
  [any(Member), `${ETCD}.Member`],
  [within(any(ELECTION.resign.request), "leader"), `${ELECTIONS}.LeaderKey`],
  ...Object.entries(REFLECTION).flatMap(([version, { parts }]) =>
    Object.entries(parts).map(
      ([name, part]) => [part, `grpc.reflection.${version}.${name}`] as const,
    ),
  ),
]);

function ofMethod(path: string): readonly [string, string] {
  const known = OF_METHODS[path];
  if (known !== undefined) return known;
  const [, service = "", name = ""] = path.split("/");
  const [home = "", last = ""] = service.split(".");
  const full = last === "Auth" && !name.startsWith("Auth") ? `Auth${name}` : name;
  return [`${home}.${full}Request`, `${home}.${full}Response`];
}

function ofField(message: Message<object>, key: string): Declared {
  const { unsigned = false, oneof, enumeration, words = [] } = fieldNames(message)[key] ?? {};
  return { name: fieldName(message, key), unsigned, oneof, enumeration, words };
}

export const ETCD_NAMING: Naming = {
  files: FILES,
  ofMethod,
  ofMessage: (message) => must(OF_MESSAGES.get(message), "a message in a field has a name"),
  ofField,
};
