/** `etcdserverpb.Auth` beside a real etcd: orders, refusals, logging in, and what users may then do. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { AUTH } from "../../src/wire/etcd/auth.ts";
import { CARE, CLUSTER } from "../../src/wire/etcd/cluster.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { etcdMissing } from "../etcd/etcd-process.ts";
import { GrpcClient } from "./grpc-client.ts";
import type { Side } from "./two-servers.ts";
import { outcome, TwoServers } from "./two-servers.ts";

const b = (text: string): Bytes => text as Bytes;
const [READ, WRITE, BOTH] = [0, 1, 2];

/**
 * Etcd leaves headers of these answers empty or gives them a revision, by version; etcd 3.4 forgot to translate what its
 * maintenance refuses.
 */
async function told(call: Promise<unknown>): Promise<unknown> {
  const { header, ...rest } = (await outcome(call)) as Record<string, unknown>;
  assert.notEqual(header, null);
  const untranslated = rest["details"] === "auth: permission denied";
  return untranslated ? { code: 7, details: "etcdserver: permission denied" } : rest;
}

async function login(client: GrpcClient, name: string, password: string): Promise<void> {
  client.show(undefined);
  client.show((await client.call(AUTH.authenticate, { name, password })).token);
}

const grant = (name: string, permType: number, key: string, rangeEnd = ""): object => ({
  name,
  perm: { permType, key: b(key), rangeEnd: b(rangeEnd) },
});

describe("Auth beside etcd", { timeout: 480_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  beforeEach(async () => {
    two = await TwoServers.start();
  });
  afterEach(async () => {
    await two.stop();
  });
  const agree = (
    what: string,
    act: (side: Side) => Promise<readonly unknown[]>,
  ): Promise<unknown> => two.agree(what, act);

  test("[AUTH-10] orders about users and roles, and what is refused of them (2 servers)", async () => {
    await agree("orders", async ({ client }) => {
      const seen: unknown[] = [];
      const ask = async (...[shape, request]: Parameters<GrpcClient["call"]>): Promise<void> => {
        seen.push([shape.path, request, await told(client.call(shape, request))]);
      };
      const all = [
        [AUTH.userList, {}],
        [AUTH.roleList, {}],
        [AUTH.enable, {}],
        [AUTH.disable, {}],
        [AUTH.authenticate, { name: "root", password: "x" }],
        [AUTH.userAdd, { name: "", password: "x" }],
        [AUTH.userAdd, { name: "root", password: "rp" }],
        [AUTH.userAdd, { name: "root", password: "rp" }],
        [AUTH.enable, {}],
        [AUTH.userGrantRole, { user: "root", role: "root" }],
        [AUTH.userGrantRole, { user: "root", role: "root" }],
        [AUTH.userGrantRole, { user: "nobody", role: "r" }],
        [AUTH.userGrantRole, { user: "root", role: "r" }],
        [AUTH.roleAdd, { name: "r" }],
        [AUTH.roleAdd, { name: "r" }],
        [AUTH.roleGet, { role: "r" }],
        [AUTH.roleGet, { role: "root" }],
        [AUTH.roleAdd, { name: "root" }],
        [AUTH.roleGet, { role: "root" }],
        [AUTH.userAdd, { name: "ann", password: "ap" }],
        [AUTH.userAdd, { name: "Zoë", password: "", options: { noPassword: true } }],
        [AUTH.userAdd, { name: "empty", password: "" }],
        [AUTH.userGet, { name: "ann" }],
        [AUTH.userGet, { name: "nobody" }],
        [AUTH.userGrantRole, { user: "ann", role: "r" }],
        [AUTH.userGrantRole, { user: "ann", role: "r" }],
        [AUTH.userGet, { name: "ann" }],
        [AUTH.userList, {}],
        [AUTH.roleGrantPermission, grant("none", READ, "a")],
        [AUTH.roleGrantPermission, grant("r", READ, "b", "c")],
        [AUTH.roleGrantPermission, grant("r", BOTH, "a")],
        [AUTH.roleGrantPermission, grant("r", WRITE, "a", "\0")],
        [AUTH.roleGrantPermission, grant("r", WRITE, "b", "c")],
        [AUTH.roleGet, { role: "r" }],
        [AUTH.roleRevokePermission, { role: "none", key: b("a") }],
        [AUTH.roleRevokePermission, { role: "r", key: b("x") }],
        [AUTH.roleRevokePermission, { role: "r", key: b("b") }],
        [AUTH.roleRevokePermission, { role: "r", key: b("b"), rangeEnd: b("c") }],
        [AUTH.roleGet, { role: "r" }],
        [AUTH.roleGet, { role: "none" }],
        [AUTH.userChangePassword, { name: "nobody", password: "x" }],
        [AUTH.userChangePassword, { name: "ann", password: "new" }],
        [AUTH.userRevokeRole, { name: "ann", role: "none" }],
        [AUTH.userRevokeRole, { name: "nobody", role: "r" }],
        [AUTH.roleDelete, { role: "none" }],
        [AUTH.roleDelete, { role: "r" }],
        [AUTH.userGet, { name: "ann" }],
        [AUTH.userDelete, { name: "nobody" }],
        [AUTH.userDelete, { name: "empty" }],
        [AUTH.userList, {}],
        [AUTH.roleList, {}],
        [AUTH.enable, {}],
      ] as unknown as readonly Parameters<GrpcClient["call"]>[];
      for (const each of all) await ask(...each);
      const enabled = [
        [AUTH.userList, {}],
        [AUTH.authenticate, { name: "root", password: "wrong" }],
        [AUTH.authenticate, { name: "nobody", password: "x" }],
      ] as unknown as readonly Parameters<GrpcClient["call"]>[];
      for (const each of enabled) await ask(...each);
      await login(client, "root", "rp");
      const asRoot = [
        [AUTH.enable, {}],
        [AUTH.userDelete, { name: "root" }],
        [AUTH.roleDelete, { role: "root" }],
        [AUTH.userRevokeRole, { name: "root", role: "root" }],
        [AUTH.userList, {}],
        [AUTH.disable, {}],
      ] as unknown as readonly Parameters<GrpcClient["call"]>[];
      for (const each of asRoot) await ask(...each);
      client.show(undefined);
      const disabled = [
        [AUTH.userDelete, { name: "ann" }],
        [AUTH.userDelete, { name: "root" }],
        [AUTH.roleDelete, { role: "root" }],
        [AUTH.enable, {}],
      ] as unknown as readonly Parameters<GrpcClient["call"]>[];
      for (const each of disabled) await ask(...each);
      return seen;
    });
  });

  test("[AUTH-11] who comes without a token, with a bad one, and with a good one (2 servers)", async () => {
    await agree("tokens", async ({ client, endpoint }) => {
      const seen: unknown[] = [];
      const get = (): Promise<unknown> => outcome(client.call(METHODS.range, { key: b("a/1") }));
      const put = (): Promise<unknown> =>
        outcome(client.call(METHODS.put, { key: b("a/1"), value: b("v") }));
      await prepared(client);
      seen.push(await get(), await put());
      client.show("nonsense");
      seen.push(await get());
      client.show("abcdefghijklmnop.1");
      seen.push(await get(), await put());
      await login(client, "ann", "ap");
      seen.push(await put(), await get());
      const { token } = await client.call(AUTH.authenticate, { name: "ann", password: "ap" });
      assert.match(token, /^[a-zA-Z]{16}\.\d+$/);
      client.show(token, "authorization");
      seen.push(await get());
      client.show(token);
      const root = new GrpcClient(endpoint);
      await login(root, "root", "rp");
      // What ann may do changes; the token stays good.
      await root.call(AUTH.roleAdd, { name: "other" });
      seen.push(await get());
      const range = { role: "r", key: b("a/"), rangeEnd: b("a0") };
      await root.call(AUTH.roleRevokePermission, range);
      seen.push(await get());
      await root.call(AUTH.roleGrantPermission, grant("r", READ, "a/", "a0"));
      seen.push(await get(), await put());
      await root.call(AUTH.userChangePassword, { name: "ann", password: "new" });
      seen.push(await get());
      await login(client, "ann", "new");
      seen.push(await get());
      await root.call(AUTH.userDelete, { name: "ann" });
      seen.push(await get());
      await root.call(AUTH.userAdd, { name: "ann", password: "ap" });
      await root.call(AUTH.userGrantRole, { user: "ann", role: "r" });
      seen.push(await get());
      await ended(root);
      root.close();
      client.show(undefined);
      seen.push(await get());
      return seen;
    });
  });

  test("[AUTH-12] ann's part of every service (2 servers)", async () => {
    await agree("services", async (side) => {
      const { client } = side;
      await prepared(client);
      await login(client, "root", "rp");
      const lease = (await client.call(METHODS.leaseGrant, { ttl: 100, id: 77n })).id;
      for (const key of ["a/1", "b/1"])
        await client.call(METHODS.put, { key: b(key), value: b("v"), lease });
      await client.call(METHODS.leaseGrant, { ttl: 100, id: 78n });
      await client.call(METHODS.put, { key: b("a/2"), value: b("v"), lease: 78n });
      await login(client, "ann", "ap");
      const seen: unknown[] = [];
      const ask = async (...[shape, request]: Parameters<GrpcClient["call"]>): Promise<void> => {
        const answer = (await told(client.call(shape, request))) as object;
        // What differs by the version of etcd is whether it is refused, not what is answered.
        seen.push([shape.path, request, "details" in answer ? answer : "answered"]);
      };
      const put = { key: b("a/3"), value: b("v") };
      const all = [
        [METHODS.range, { key: b("a/"), rangeEnd: b("a0") }],
        [METHODS.range, { key: b("a/"), rangeEnd: b("b") }],
        [METHODS.range, { key: b("\0"), rangeEnd: b("\0"), countOnly: true }],
        [METHODS.range, { key: b("b/1"), keysOnly: true }],
        [METHODS.put, put],
        [METHODS.put, { key: b("b/1"), value: b("v") }],
        [METHODS.put, { key: b("w/1"), value: b("v") }],
        [METHODS.put, { key: b("w/1"), value: b("v"), prevKv: true }],
        [METHODS.put, { key: b("w/1"), ignoreValue: true }],
        [METHODS.put, { ...put, lease: 77n }],
        [METHODS.put, { ...put, lease: 78n }],
        [METHODS.put, { ...put, lease: 404n }],
        [METHODS.deleteRange, { key: b("w/1"), prevKv: true }],
        [METHODS.deleteRange, { key: b("w/1") }],
        [METHODS.deleteRange, { key: b("a/"), rangeEnd: b("b/") }],
        [METHODS.txn, { compare: [{ key: b("b/1") }] }],
        [METHODS.txn, { compare: [{ key: b("a/1") }], failure: [{ put }] }],
        [METHODS.txn, { success: [{ range: { key: b("b/1") } }] }],
        [METHODS.txn, { compare: [{ key: b("a/1") }], success: [{ range: { key: b("b/1") } }] }],
        [METHODS.txn, { failure: [{ put: { key: b("b/1"), value: b("v") } }] }],
        [METHODS.txn, { failure: [{ deleteRange: { key: b("b/1") } }] }],
        [METHODS.leaseRevoke, { id: 77n }],
        [METHODS.leaseRevoke, { id: 78n }],
        [METHODS.leaseTimeToLive, { id: 77n }],
        [METHODS.leaseGrant, { ttl: 100, id: 79n }],
        [METHODS.alarm, { action: 0 }],
        [CLUSTER.list, {}],
        [METHODS.hashKv, {}],
        [CARE.hash, {}],
        [CARE.defragment, {}],
        [AUTH.userGet, { name: "ann" }],
        [AUTH.userGet, { name: "root" }],
        [AUTH.roleGet, { role: "r" }],
        [AUTH.roleGet, { role: "root" }],
        [AUTH.userList, {}],
        [AUTH.roleList, {}],
        [AUTH.userAdd, { name: "x", password: "x" }],
        [AUTH.disable, {}],
      ] as unknown as readonly Parameters<GrpcClient["call"]>[];
      for (const each of all) await ask(...each);
      await ended(client);
      return seen;
    });
  });

  test("[AUTH-3] roads that an etcd before its advisories left open are closed (quorate alone)", async () => {
    const { client } = two.sides[1];
    await prepared(client);
    await login(client, "root", "rp");
    await client.call(METHODS.leaseGrant, { ttl: 100, id: 77n });
    await client.call(METHODS.put, { key: b("b/1"), value: b("v"), lease: 77n });
    const { leader: targetId } = await client.call(METHODS.status, {});
    const inside = (op: object): object => ({ success: [{ txn: { failure: [op] } }] });
    const put = { key: b("a/1"), value: b("v") };
    const open = [
      [METHODS.txn, { success: [{ txn: { compare: [{ key: b("b/1") }] } }] }],
      [METHODS.txn, inside({ put: { key: b("w/1"), value: b("v"), prevKv: true } })],
      [METHODS.txn, inside({ put: { ...put, lease: 77n } })],
      [METHODS.txn, inside({ deleteRange: { key: b("w/1"), prevKv: true } })],
      [METHODS.leaseTimeToLive, { id: 77n, keys: true }],
      [METHODS.leaseLeases, {}],
      [METHODS.compact, { revision: 2 }],
      [METHODS.alarm, { action: 1, memberId: targetId, alarm: 1 }],
      [CARE.moveLeader, { targetId }],
      [CLUSTER.add, { peerUrls: ["http://127.0.0.1:1"] }],
      [CLUSTER.remove, { id: targetId }],
      [CLUSTER.update, { id: targetId }],
      [CLUSTER.promote, { id: targetId }],
      [AUTH.status, {}],
    ] as unknown as readonly Parameters<GrpcClient["call"]>[];
    const denied = { code: 7, details: "etcdserver: permission denied" };
    await login(client, "ann", "ap");
    for (const each of open) assert.deepEqual(await client.refusal(...each), denied, each[0].path);
    const anonymous = [
      ...open,
      [METHODS.status, {}],
      [METHODS.alarm, {}],
      [METHODS.leaseGrant, { ttl: 10 }],
      [METHODS.leaseRevoke, { id: 404n }],
      [METHODS.leaseTimeToLive, { id: 77n }],
      [CLUSTER.list, {}],
      [METHODS.range, { key: b("a") }],
      [AUTH.userGet, { name: "ann" }],
    ] as unknown as readonly Parameters<GrpcClient["call"]>[];
    client.show(undefined);
    const nobody = { code: 3, details: "etcdserver: user name is empty" };
    for (const each of anonymous)
      assert.deepEqual(await client.refusal(...each), nobody, each[0].path);
    const beats = client.converse(METHODS.leaseKeepAlive);
    beats.send({ id: 77n });
    assert.deepEqual(await beats.end(), nobody);
    await login(client, "ann", "ap");
    const theirs = client.converse(METHODS.leaseKeepAlive);
    theirs.send({ id: 77n });
    assert.deepEqual(await theirs.end(), denied);
    const talk = client.converse(METHODS.watch);
    talk.send({ create: { key: b("a/"), rangeEnd: b("\0"), startRevision: 1 } });
    const { created, canceled, watchId, cancelReason } = await talk.next();
    assert.deepEqual([created, canceled, watchId], [true, true, -1]);
    assert.match(cancelReason, /PermissionDenied/);
    talk.cancel();
  });

  test("[AUTH-7] one watch of a stream ends with its permission, the others go on (quorate alone)", async () => {
    const [, { client, endpoint }] = two.sides;
    await prepared(client);
    await login(client, "ann", "ap");
    await client.call(METHODS.put, { key: b("a/1"), value: b("v") });
    const talk = client.converse(METHODS.watch);
    for (const key of ["a/1", "a/2"]) {
      talk.send({ create: { key: b(key) } });
      assert.ok((await talk.next()).created);
    }
    const root = new GrpcClient(endpoint);
    await login(root, "root", "rp");
    await root.call(AUTH.roleGrantPermission, grant("r", READ, "a/2"));
    const range = { role: "r", key: b("a/"), rangeEnd: b("a0") };
    await root.call(AUTH.roleRevokePermission, range);
    for (const key of ["a/1", "a/2"])
      await root.call(METHODS.put, { key: b(key), value: b("secret") });
    const { watchId, canceled, cancelReason } = await talk.next();
    assert.deepEqual([watchId, canceled], [0, true]);
    assert.match(cancelReason, /PermissionDenied/);
    assert.equal((await talk.next()).events[0]?.kv?.key, "a/2");
    talk.cancel();
    root.close();
  });

  test("[AUTH-10] a user without a password is refused like any other; a range without keys is none (quorate alone)", async () => {
    const { client } = two.sides[1];
    await prepared(client);
    await login(client, "root", "rp");
    await client.call(AUTH.userAdd, { name: "Zoë", options: { noPassword: true } });
    const wrong = {
      code: 3,
      details: "etcdserver: authentication failed, invalid user ID or password",
    };
    for (const name of ["Zoë", "ann", "nobody"])
      assert.deepEqual(await client.refusal(AUTH.authenticate, { name, password: "" }), wrong);
    const bad = { code: 3, details: "etcdserver: invalid auth management" };
    for (const request of [
      grant("r", READ, "b", "a"),
      grant("r", READ, "b", "b"),
      grant("r", 7, "b"),
    ])
      assert.deepEqual(await client.refusal(AUTH.roleGrantPermission, request), bad);
    const none = { code: 3, details: "etcdserver: permission not given" };
    assert.deepEqual(await client.refusal(AUTH.roleGrantPermission, { name: "r" }), none);
    const { enabled, authRevision } = await client.call(AUTH.status, {});
    assert.deepEqual([enabled, authRevision], [true, 9]);
  });

  test("[AUTH-13] a watch of what may not be read is refused by name; the stream goes on (2 servers)", async () => {
    await agree("watches", async ({ client }) => {
      await prepared(client);
      await login(client, "ann", "ap");
      const seen: unknown[] = [];
      const talk = client.converse(METHODS.watch);
      for (const create of [
        { key: b("b/1") },
        { key: b("a/"), rangeEnd: b("b") },
        { key: b(""), rangeEnd: b("\0") },
        { key: b("a/"), rangeEnd: b("a0") },
      ]) {
        talk.send({ create });
        const { header: _, ...rest } = await talk.next();
        seen.push(rest);
      }
      await client.call(METHODS.put, { key: b("a/9"), value: b("v") });
      seen.push((await talk.next()).events.map(({ kv }) => kv?.key));
      talk.cancel();
      await ended(client);
      return seen;
    });
  });
});

/** Users root and ann, who may read and write a/, and write w/; enabled. */
async function prepared(client: GrpcClient): Promise<void> {
  await client.call(AUTH.userAdd, { name: "root", password: "rp" });
  await client.call(AUTH.userGrantRole, { user: "root", role: "root" });
  await client.call(AUTH.userAdd, { name: "ann", password: "ap" });
  await client.call(AUTH.roleAdd, { name: "r" });
  await client.call(AUTH.roleGrantPermission, grant("r", BOTH, "a/", "a0"));
  await client.call(AUTH.roleGrantPermission, grant("r", WRITE, "w/", "w0"));
  await client.call(AUTH.userGrantRole, { user: "ann", role: "r" });
  await client.call(AUTH.enable, {});
}

/** Takes the users away again. */
async function ended(client: GrpcClient): Promise<void> {
  await login(client, "root", "rp");
  await client.call(AUTH.disable, {});
  client.show(undefined);
  const { users } = await client.call(AUTH.userList, {});
  for (const name of users) await client.call(AUTH.userDelete, { name });
  const { roles } = await client.call(AUTH.roleList, {});
  for (const role of roles) await client.call(AUTH.roleDelete, { role });
}
