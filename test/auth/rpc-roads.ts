/** Every road of an RPC to a key: those of the requests, as the etcd face carries them, and those of its own services. */
import type { Bytes } from "../../src/base/bytes.ts";
import type { KeyRange } from "../../src/contract/auth.ts";
import type { Request } from "../../src/contract/requests.ts";
import * as convert from "../../src/engines/etcd/convert.ts";
import { AUTH } from "../../src/wire/etcd/auth.ts";
import { CARE, CLUSTER } from "../../src/wire/etcd/cluster.ts";
import { ELECTION, LOCK } from "../../src/wire/etcd/concurrency.ts";
import type { Method } from "../../src/wire/etcd/messages.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { HEALTH } from "../../src/wire/grpc/health.ts";
import { REFLECTION } from "../../src/wire/grpc/reflection.ts";
import { keysOf } from "./grid.ts";
import { ROADS } from "./roads.ts";

type AnyMethod = Method<object, object>;
interface Needed {
  readonly access: "read" | "write";
  readonly keys: readonly Bytes[];
}
export interface RpcRoad {
  readonly name: string;
  readonly method: AnyMethod;
  readonly single: boolean;
  /** The lease that the request names holds the keys of the range; else it holds none. */
  readonly leased: boolean;
  readonly streams: boolean;
  /** Somebody leads the election. */
  readonly led?: true;
  /** What it leaves behind would be in the way of the next: these keys. */
  readonly leaves?: (range: KeyRange) => KeyRange;
  readonly needs: (range: KeyRange, lease: bigint) => readonly Needed[];
  readonly request: (range: KeyRange, lease: bigint) => object;
}

function carried(request: Request): readonly [AnyMethod, object] | undefined {
  const as = (method: object, message: object): readonly [AnyMethod, object] => [
    method as AnyMethod,
    message,
  ];
  switch (request.kind) {
    case "range":
      return as(METHODS.range, convert.rangeRequest(request));
    case "put":
      return as(METHODS.put, convert.putRequest(request));
    case "deleteRange":
      return as(METHODS.deleteRange, convert.deleteRequest(request));
    case "txn":
      return as(METHODS.txn, convert.txnRequest(request));
    case "leaseRevoke":
      return as(METHODS.leaseRevoke, { id: request.id });
    case "leaseKeepAlive":
      return as(METHODS.leaseKeepAlive, { id: request.id });
    case "leaseTimeToLive":
      return as(METHODS.leaseTimeToLive, { id: request.id, keys: request.keys });
    default:
      return undefined;
  }
}

const ofRequests: readonly RpcRoad[] = ROADS.flatMap((road): readonly RpcRoad[] => {
  const { name, needs, single = false, leased = false } = road;
  const [method] = carried(road.request({ key: "k" as Bytes }, 1n)) ?? [];
  if (method === undefined) return [];
  return [
    {
      name: `${method.path} ${name}`,
      method,
      single,
      leased,
      streams: method === (METHODS.leaseKeepAlive as unknown),
      needs: (range) => {
        const keys = single ? [range.key] : keysOf(range);
        return needs.map((access) => ({ access, keys }));
      },
      request: (range, lease) => (carried(road.request(range, lease)) as [AnyMethod, object])[1],
    },
  ];
});

/** The range of a lock's or election's keys, and the key of a lease among them. */
const under = ({ key }: KeyRange): KeyRange => ({
  key: `${key}/` as Bytes,
  end: `${key}0` as Bytes,
});
const contender = ({ key }: KeyRange, lease: bigint): Bytes =>
  `${key}/${lease.toString(16)}` as Bytes;

/** Contending for a name. */
function joining(method: object, leased: boolean): RpcRoad {
  const path = (method as AnyMethod).path;
  return {
    name: leased ? `${path} by the keys of its lease` : `${path} by its name`,
    method: method as AnyMethod,
    single: !leased,
    leased,
    streams: false,
    leaves: under,
    needs: (range, lease) => [
      { access: "write", keys: [contender(range, lease)] },
      { access: "read", keys: [contender(range, lease)] },
      { access: "read", keys: keysOf(under(range)) },
      { access: "write", keys: leased ? keysOf(range) : [] },
    ],
    request: ({ key: name }, lease) => ({ name, lease, value: "v" }),
  };
}

/** Speaking as the holder of a key. */
function holding(method: object, leased: boolean): RpcRoad {
  const path = (method as AnyMethod).path;
  return {
    name: leased ? `${path} by the keys of its lease` : `${path} by the leader's key`,
    method: method as AnyMethod,
    single: !leased,
    leased,
    streams: false,
    needs: (range) => [
      { access: "read", keys: [range.key] },
      { access: "write", keys: leased ? keysOf(range) : [range.key] },
    ],
    request: ({ key }, lease) => {
      const leader = { name: "n", key, rev: 1, lease: leased ? lease : 0n };
      return { leader, value: "v" };
    },
  };
}

function looking(method: object, streams: boolean): RpcRoad {
  return {
    name: `${(method as AnyMethod).path} by its name`,
    method: method as AnyMethod,
    single: true,
    leased: false,
    streams,
    led: true,
    needs: (range) => [{ access: "read", keys: keysOf(under(range)) }],
    request: ({ key: name }) => ({ name }),
  };
}

const watching = (rest: object): RpcRoad => ({
  name: `${METHODS.watch.path} ${JSON.stringify(rest)}`,
  method: METHODS.watch as unknown as AnyMethod,
  single: false,
  leased: false,
  streams: true,
  needs: (range) => [{ access: "read", keys: keysOf(range) }],
  request: ({ key, end = "" }) => ({ create: { key, rangeEnd: end, ...rest } }),
});

export const RPC_ROADS: readonly RpcRoad[] = [
  ...ofRequests,
  watching({}),
  watching({ startRevision: 1, prevKv: true }),
  watching({ filters: [0, 1], fragment: true, progressNotify: true }),
  joining(LOCK.lock, false),
  joining(LOCK.lock, true),
  {
    name: `${LOCK.unlock.path} by its key`,
    method: LOCK.unlock as unknown as AnyMethod,
    single: true,
    leased: false,
    streams: false,
    needs: ({ key }) => [{ access: "write", keys: [key] }],
    request: ({ key }) => ({ key }),
  },
  joining(ELECTION.campaign, false),
  joining(ELECTION.campaign, true),
  holding(ELECTION.proclaim, false),
  holding(ELECTION.proclaim, true),
  holding(ELECTION.resign, false),
  looking(ELECTION.leader, false),
  looking(ELECTION.observe, true),
];

/** Fields that name something and reach no key: a name that is only told again, an id that is given. */
export const IDLE_FIELDS: Readonly<Record<string, readonly string[]>> = {
  [ELECTION.proclaim.path]: ["leader.name"],
  [ELECTION.resign.path]: ["leader.name", "leader.lease"],
  [METHODS.leaseGrant.path]: ["id"],
  [AUTH.roleGrantPermission.path]: ["perm.key", "perm.rangeEnd"],
  [AUTH.roleRevokePermission.path]: ["key", "rangeEnd"],
  [CLUSTER.remove.path]: ["id"],
  [CLUSTER.update.path]: ["id"],
  [CLUSTER.promote.path]: ["id"],
};

/** What the methods need that reach no key by a field. */
export const KEYLESS: readonly (readonly [
  method: AnyMethod,
  needs: "nothing" | "user" | "every key" | "root",
  request: object,
])[] = (
  [
    [HEALTH.check, "nothing", {}],
    [HEALTH.watch, "nothing", {}],
    [REFLECTION.v1, "nothing", { listServices: "" }],
    [REFLECTION.v1alpha, "nothing", { fileContainingSymbol: "etcdserverpb.Auth" }],
    [AUTH.authenticate, "nothing", { name: "root", password: "rp" }],
    [METHODS.leaseGrant, "user", { ttl: 10 }],
    [METHODS.status, "user", {}],
    [METHODS.alarm, "user", {}],
    [CLUSTER.list, "user", {}],
    [METHODS.leaseLeases, "every key", {}],
    [METHODS.alarm, "root", { action: 1, alarm: 1 }],
    [METHODS.alarm, "root", { action: 2, alarm: 1 }],
    [METHODS.compact, "root", { revision: 2 }],
    [METHODS.hashKv, "root", {}],
    [METHODS.hashKv, "root", { revision: 1 }],
    [CARE.hash, "root", {}],
    [CARE.defragment, "root", {}],
    [CARE.snapshot, "root", {}],
    [CARE.moveLeader, "root", {}],
    [CARE.downgrade, "root", { action: 0, version: "3.4.0" }],
    [CARE.downgrade, "root", { action: 2 }],
    [CLUSTER.add, "root", { peerUrls: ["http://127.0.0.1:1"] }],
    [CLUSTER.remove, "root", { id: 1n }],
    [CLUSTER.update, "root", { id: 1n }],
    [CLUSTER.promote, "root", { id: 1n }],
    [AUTH.enable, "root", {}],
    [AUTH.disable, "root", {}],
    [AUTH.status, "root", {}],
    [AUTH.userAdd, "root", { name: "x", password: "x" }],
    [AUTH.userGet, "root", { name: "root" }],
    [AUTH.userList, "root", {}],
    [AUTH.userDelete, "root", { name: "root" }],
    [AUTH.userChangePassword, "root", { name: "root", password: "x" }],
    [AUTH.userGrantRole, "root", { user: "root", role: "root" }],
    [AUTH.userRevokeRole, "root", { name: "root", role: "root" }],
    [AUTH.roleAdd, "root", { name: "x" }],
    [AUTH.roleGet, "root", { role: "root" }],
    [AUTH.roleList, "root", {}],
    [AUTH.roleDelete, "root", { role: "root" }],
    [AUTH.roleGrantPermission, "root", { name: "x", perm: { key: "a" } }],
    [AUTH.roleRevokePermission, "root", { role: "x", key: "a" }],
  ] as const
).map(([method, needs, request]) => [method as unknown as AnyMethod, needs, request] as const);
