/**
 * The matrix over gRPC: every RPC × every field that names a key or a lease × every range × sets of permissions, each
 * cell as the user who has them. Which RPCs there are is asked of the server, which fields of the messages: nothing new
 * stays outside.
 */
import assert from "node:assert/strict";
import { scryptSync } from "node:crypto";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import type { AuthOrder, KeyRange } from "../../src/contract/auth.ts";
import { SYSTEM } from "../../src/contract/auth.ts";
import type { Reply, Request } from "../../src/contract/requests.ts";
import { OPEN_END } from "../../src/contract/requests.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostSha256 } from "../../src/host/digest.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import { hostPasswords } from "../../src/host/passwords.ts";
import { tokensFor } from "../../src/server/auth-tokens.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { Gate } from "../../src/service/auth/gate.ts";
import { Cluster } from "../../src/service/cluster/cluster.ts";
import { EtcdContext } from "../../src/service/etcd/context.ts";
import { etcdMethods } from "../../src/service/etcd/face.ts";
import { AUTH } from "../../src/wire/etcd/auth.ts";
import { CARE } from "../../src/wire/etcd/cluster.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import type { WatchResponse } from "../../src/wire/etcd/messages.ts";
import { HEALTH } from "../../src/wire/grpc/health.ts";
import type { ReflectionResponse } from "../../src/wire/grpc/reflection.ts";
import { REFLECTION } from "../../src/wire/grpc/reflection.ts";
import { GrpcClient } from "../etcd-face/grpc-client.ts";
import { fieldsOf, usedBy } from "./fields.ts";
import { GRANTS, KEYS, keysOf, permitted, RANGES } from "./grid.ts";
import { IDLE_FIELDS, KEYLESS, RPC_ROADS } from "./rpc-roads.ts";
import type { RpcRoad } from "./rpc-roads.ts";

/** The grants that differ most; the replica's own matrix has all of them. */
const SOME = GRANTS.filter(({ name }) =>
  [
    "no role",
    "read of a key and the range above it",
    "read of every key",
    "write of a prefix",
    "write of every key",
    "readwrite of a prefix",
    "readwrite of a key and a range with a gap",
    "readwrite of two prefixes of two roles",
    "readwrite of all from a key on",
    "readwrite of all but one key",
    "readwrite of every key",
    "read of a prefix, write of the next",
  ].includes(name),
);
/** Of those that reach no key by a field. */
const STREAMING: ReadonlySet<unknown> = new Set<unknown>([
  CARE.snapshot,
  REFLECTION.v1,
  REFLECTION.v1alpha,
]);
const DENIED = "etcdserver: permission denied";
const PASSWORD = "p";

/** A hash that takes no time. */
function cheapHash(): string {
  const salt = Buffer.alloc(16, 7);
  const hash = scryptSync(PASSWORD, salt, 32, { N: 2, r: 8, p: 1 });
  const text = (bytes: Buffer): string => bytes.toString("base64").replace(/=+$/, "");
  return `$scrypt$ln=1,r=8,p=1$${text(salt)}$${text(hash)}`;
}

class Stage {
  readonly server: RunningServer;
  readonly #clients = new Map<string, GrpcClient>();
  #leases = 0x10n;

  constructor(server: RunningServer) {
    this.server = server;
  }
  ask(request: Request): Promise<Reply> {
    return new Promise((done) => this.server.driver.submit(request, undefined, done, SYSTEM));
  }
  async order(order: AuthOrder): Promise<void> {
    const reply = await this.ask({ kind: "auth", order });
    assert.ok(reply.ok, reply.ok ? "" : reply.failure.what);
  }
  async user(name: string, roles: (typeof GRANTS)[number]["roles"]): Promise<void> {
    await this.order({ kind: "addUser", name, password: cheapHash() });
    for (const [at, permissions] of roles.entries()) {
      const role = `${name}, role ${at}`;
      await this.order({ kind: "addRole", name: role });
      for (const permission of permissions)
        await this.order({ kind: "grantPermission", name: role, permission });
      await this.order({ kind: "grantRole", name, role });
    }
  }
  async login(name: string): Promise<void> {
    const client = this.anonymous();
    const { token } = await client.call(AUTH.authenticate, { name, password: PASSWORD });
    client.show(token);
    this.#clients.set(name, client);
  }
  anonymous(): GrpcClient {
    const client = new GrpcClient(this.server.url.replace("quorate://", ""));
    this.#clients.set(`anonymous ${this.#clients.size}`, client);
    return client;
  }
  as(name: string): GrpcClient {
    return this.#clients.get(name) as GrpcClient;
  }
  async lease(keys: readonly Bytes[]): Promise<bigint> {
    const id = this.#leases++;
    await this.ask({ kind: "leaseGrant", id, ttlMs: 60_000 });
    for (const key of keys) await this.ask({ kind: "put", key, value: "" as Bytes, lease: id });
    return id;
  }
  async close(): Promise<void> {
    for (const client of this.#clients.values()) client.close();
    await this.server.close();
  }
}

/** What refused the call, if it was refused for want of permission; everything else is an answer. */
async function refusal(
  client: GrpcClient,
  road: RpcRoad,
  request: object,
): Promise<string | undefined> {
  const { method } = road;
  if (!road.streams) {
    try {
      await client.call(method, request);
      return undefined;
    } catch (error) {
      const { details = "" } = error as { readonly details?: string };
      return details === DENIED ? details : undefined;
    }
  }
  const talk = client.converse(method);
  talk.send(request);
  try {
    const { cancelReason = "" } = (await talk.next()) as Partial<WatchResponse>;
    return cancelReason.endsWith(DENIED) ? DENIED : undefined;
  } catch {
    const { details = "" } = (await talk.end()) ?? {};
    return details === DENIED ? details : undefined;
  } finally {
    talk.cancel();
  }
}

describe("authorisation over gRPC", { timeout: 300_000 }, () => {
  let stage: Stage;
  before(async () => {
    stage = new Stage(await startServer({ listen: "127.0.0.1:0" }));
    await stage.order({ kind: "addUser", name: "root", password: cheapHash() });
    await stage.order({ kind: "grantRole", name: "root", role: "root" });
    for (const { name, roles } of SOME) await stage.user(name, roles);
    await stage.order({ kind: "enable" });
    for (const { name } of SOME) await stage.login(name);
    for (const key of KEYS) await stage.ask({ kind: "put", key, value: "secret" as Bytes });
    await stage.ask({ kind: "compact", revision: 2 });
  });
  after(async () => {
    await stage.close();
  });

  test("[AUTH-3] the matrix has every RPC that the server has, and every field that names a key or a lease", async () => {
    const presented = { version: "", watchProgressMs: 1 };
    const { driver } = stage.server;
    const gate = new Gate(driver, hostPasswords, await tokensFor("simple"));
    const own = { name: "", clientUrls: [], peerUrls: [] };
    const clock = hostClock;
    const cluster = new Cluster({ driver, clock, entropy: hostEntropy, own });
    const sha256 = hostSha256;
    const context = new EtcdContext({ driver, clock, presented, sha256, gate, cluster });
    const methods = etcdMethods(context, () => true);
    const used = new Map<string, Set<string>>();
    for (const { method, request, leased } of RPC_ROADS) {
      const fields = used.get(method.path) ?? new Set();
      used.set(method.path, fields);
      const each = request({ key: "k" as Bytes, end: "l" as Bytes }, 1n);
      for (const field of usedBy(method.request, each)) {
        // A lease that holds no keys does not show that its keys are looked at.
        if (leased || !/(^|\.)lease$/.test(field)) fields.add(field);
      }
    }
    for (const [path, method] of methods) {
      const inRoads = used.get(path);
      const keyless = KEYLESS.some(([each]) => each.path === path);
      assert.ok(inRoads !== undefined || keyless, `${path} is not in the matrix`);
      const idle = IDLE_FIELDS[path] ?? [];
      const known = [...(inRoads ?? []), ...idle];
      const missing = fieldsOf(method.request).filter((field) => !known.includes(field));
      assert.deepEqual(missing, [], `${path}: fields that are not in the matrix`);
    }
  });

  async function cell(
    road: RpcRoad,
    grant: (typeof GRANTS)[number],
    range: KeyRange,
  ): Promise<"allowed" | "denied"> {
    const lease = await stage.lease(road.leased ? keysOf(range) : []);
    const allowed = road
      .needs(range, lease)
      .every(({ access, keys }) => permitted(grant, access, keys));
    const refused = await refusal(stage.as(grant.name), road, road.request(range, lease));
    const place = `${road.name}, ${JSON.stringify(range)}, ${grant.name}`;
    if (allowed) assert.equal(refused, undefined, `refused what is permitted: ${place}`);
    else assert.equal(refused, DENIED, `a leak: ${place}`);
    if (allowed && road.leaves !== undefined)
      await stage.ask({ kind: "deleteRange", ...road.leaves(range) });
    return allowed ? "allowed" : "denied";
  }

  /** What the matrix says of a range that etcd refuses before it asks for permissions. */
  const shapeless = ({ method }: RpcRoad, { key, end }: KeyRange): boolean =>
    method.path === METHODS.watch.path && end !== undefined && end !== OPEN_END && end <= key;

  for (const road of RPC_ROADS) {
    test(`[AUTH-3] ${road.name} (${RANGES.length} ranges, ${SOME.length} grants)`, async () => {
      const ranges = RANGES.filter(
        (range) => !(road.single && range.end !== undefined) && !shapeless(road, range),
      );
      if (road.led === true)
        for (const { key } of ranges)
          await stage.ask({ kind: "put", key: `${key}/0` as Bytes, value: "secret" as Bytes });
      const cells = ranges.flatMap(({ key, end }) =>
        SOME.map((grant) => (): ReturnType<typeof cell> => cell(road, grant, { key, end })),
      );
      const seen = { allowed: 0, denied: 0 };
      // A key has one lease, and a lock one holder: those cells take turns.
      if (road.leaves === undefined && !road.leased)
        for (const one of await Promise.all(cells.map((each) => each()))) seen[one]++;
      else for (const each of cells) seen[await each()]++;
      assert.ok(seen.allowed > 3 && seen.denied > 3, JSON.stringify(seen));
    });
  }

  test(`[AUTH-4] what reaches no key by a field needs a user, every key, or root (${SOME.length} grants, nobody)`, async () => {
    const anonymous = stage.anonymous();
    for (const [method, needs, request] of KEYLESS) {
      if (method === (HEALTH.watch as unknown)) continue;
      for (const grant of SOME) {
        const every = permitted(grant, "read", keysOf({ key: "\0" as Bytes, end: OPEN_END }));
        const allowed = needs === "every key" ? every : needs !== "root";
        const road = { method, streams: STREAMING.has(method) } as RpcRoad;
        const refused = await refusal(stage.as(grant.name), road, request);
        assert.equal(refused, allowed ? undefined : DENIED, `${method.path}, ${grant.name}`);
      }
      // The stream of a snapshot says no more to nobody than to a user.
      if (needs === "nothing" && STREAMING.has(method)) {
        // Descriptors say nothing of what is stored.
        const talk = anonymous.converse(method);
        talk.send(request);
        const { errorResponse } = (await talk.next()) as Partial<ReflectionResponse>;
        assert.equal(errorResponse, undefined, method.path);
        talk.cancel();
      }
      if (needs === "nothing" || method === (CARE.snapshot as unknown)) continue;
      const { details } = await anonymous.refusal(method, request);
      assert.equal(details, "etcdserver: user name is empty", method.path);
    }
  });

  test("[AUTH-4] nobody reaches a key, on no road", async () => {
    const anonymous = stage.anonymous();
    const copying = anonymous.converse(CARE.snapshot);
    copying.send({});
    assert.match((await copying.end())?.details ?? "", /user name is empty$/);
    for (const road of RPC_ROADS) {
      const request = road.request({ key: "a" as Bytes, end: "b" as Bytes }, 1n);
      const nobody = /user name is empty$/;
      if (!road.streams) {
        const { details } = await anonymous.refusal(road.method, request);
        assert.match(details, nobody, road.name);
        continue;
      }
      const talk = anonymous.converse(road.method);
      talk.send(request);
      const said = await talk.next().then(
        (message) => (message as Partial<WatchResponse>).cancelReason ?? "answered",
        async () => (await talk.end())?.details ?? "",
      );
      assert.match(said, nobody, road.name);
      talk.cancel();
    }
  });
});
