/** Our own protocol and SDK with users enabled: who logs in at the start of a connection may do what its roles allow. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { AuthOrder } from "../../src/contract/auth.ts";
import { SYSTEM } from "../../src/contract/auth.ts";
import type { Request } from "../../src/contract/requests.ts";
import type { ClusterOrder } from "../../src/contract/cluster.ts";
import { orderAt } from "../../src/engines/remote/order.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostNetwork } from "../../src/host/network.ts";
import { hostPasswords } from "../../src/host/passwords.ts";
import type { ConnectOptions, Quorate } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";
import { parseServerUrl, shownUrl } from "../../src/sdk/address.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";

const b = (text: string): Bytes => text as Bytes;
const code = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "ok",
    (error: unknown) => (QuorateError.is(error) ? `${error.code} ${error.outcome}` : String(error)),
  );

describe("users over our own protocol", { timeout: 240_000 }, () => {
  let server: RunningServer;
  const open: Quorate[] = [];
  const order = (each: AuthOrder): Promise<void> =>
    new Promise((resolve, reject) => {
      server.driver.submit(
        { kind: "auth", order: each },
        undefined,
        (reply) => (reply.ok ? resolve() : reject(new QuorateError(reply.failure))),
        SYSTEM,
      );
    });
  const as = async (credentials?: ConnectOptions["credentials"]): Promise<Quorate> => {
    const q = await connect(server.url, { service: "test", credentials });
    open.push(q);
    return q;
  };
  const ask = (q: Quorate, request: Request): Promise<string> =>
    code(q.commitment.keyspace.call(request));
  const put = (key: string): Request => ({ kind: "put", key: b(key), value: b("v") });

  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0" });
    const [rp, ap] = await Promise.all(["rp", "a:p/@"].map((text) => hostPasswords.hash(text)));
    assert.ok(rp !== undefined && ap !== undefined);
    await order({ kind: "addUser", name: "root", password: rp });
    await order({ kind: "grantRole", name: "root", role: "root" });
    await order({ kind: "addUser", name: "ann", password: ap });
    await order({ kind: "addRole", name: "r" });
    const access = "readwrite";
    for (const [key, end] of [
      ["lock/ann", "lock/anno"],
      ["a/", "a0"],
    ] as const)
      await order({
        kind: "grantPermission",
        name: "r",
        permission: { access, key: b(key), end: b(end) },
      });
    const tokenBase = { access: "read", key: b("quorate/token-base") } as const;
    await order({ kind: "grantPermission", name: "r", permission: tokenBase });
    await order({ kind: "grantRole", name: "ann", role: "r" });
  });
  after(async () => {
    for (const q of open) await q.close();
    await server.close();
  });
  const ann = { user: "ann", password: "a:p/@" };

  test("[AUTH-17] before users are enabled anybody may do anything; afterwards only who has said who it is (one server)", async () => {
    const [early, anns] = [await as(), await as(ann)];
    assert.equal(await ask(early, put("b/1")), "ok");
    assert.equal(await ask(anns, put("b/2")), "ok");
    await order({ kind: "enable" });
    assert.equal(await ask(early, put("a/1")), "UNAUTHENTICATED definite");
    assert.equal(await ask(early, { kind: "status" }), "UNAUTHENTICATED definite");
    assert.equal(await ask(anns, put("a/1")), "ok");
    assert.equal(await ask(anns, put("b/1")), "PERMISSION_DENIED definite");
    assert.equal(
      await ask(await as({ ...ann, password: "x" }), put("a/1")),
      "UNAUTHENTICATED definite",
    );
    assert.equal(
      await ask(await as({ user: "", password: "" }), put("a/1")),
      "UNAUTHENTICATED definite",
    );
  });

  test("[AUTH-17] a url can say who comes, and is not repeated with its password (one server)", async () => {
    const url = server.url.replace("//", "//ann:a%3Ap%2F%40@");
    const q = await connect(url);
    open.push(q);
    assert.equal(await ask(q, put("a/1")), "ok");
    assert.equal(q.commitment.keyspace.label, server.url.replace("//", "//ann@"));
    assert.deepEqual(parseServerUrl(url).credentials, ann);
    assert.equal(shownUrl("quorate://ann:secret@h:1,h:2/x"), "quorate://ann@h:1,h:2/x");
    for (const wrong of ["quorate://ann:secret@h:99999", "quorat://ann:secret@h"])
      await assert.rejects(connect(wrong), (error) => {
        assert.ok(QuorateError.is(error, "CONFIG"));
        assert.doesNotMatch(JSON.stringify((error as QuorateError).failure), /secret/);
        return true;
      });
  });

  test("[AUTH-17] who are members is told to users; only root changes it (one server)", async () => {
    const { addresses } = parseServerUrl(server.url);
    const at = (
      credentials: ConnectOptions["credentials"],
      wanted: ClusterOrder,
    ): Promise<string> =>
      code(
        orderAt(
          {
            addresses,
            credentials,
            network: hostNetwork,
            clock: hostClock,
            label: "test",
            program: "test",
            timeoutMs: 5_000,
          },
          wanted,
        ),
      );
    const root = { user: "root", password: "rp" };
    const list = { kind: "list" } as const;
    const changes: readonly ClusterOrder[] = [
      { kind: "add", name: "", peerUrls: ["http://a:1"], learner: true },
      { kind: "promote", id: 1 },
      { kind: "remove", id: 1 },
      { kind: "update", id: 1, peerUrls: ["http://a:1"] },
      { kind: "transfer", to: 1 },
    ];
    assert.equal(await at(undefined, list), "UNAUTHENTICATED definite");
    assert.equal(await at({ ...ann, password: "x" }, list), "UNAUTHENTICATED definite");
    assert.equal(await at(ann, list), "ok");
    assert.equal(await at(root, list), "ok");
    for (const change of changes) {
      assert.equal(await at(undefined, change), "UNAUTHENTICATED definite", change.kind);
      assert.equal(await at(ann, change), "PERMISSION_DENIED definite", change.kind);
      assert.match(await at(root, change), /^(CONFIG|INVALID) definite$/, change.kind);
    }
  });

  test("[AUTH-17] locks and watches of a user work within its roles, and not beyond (one server)", async () => {
    const [anns, roots] = [await as(ann), await as({ user: "root", password: "rp" })];
    const held = await anns.lock("ann").acquire({ timeoutMs: 5_000 });
    assert.equal((await roots.lock("ann").tryAcquire()).ok, false);
    await held.release();
    assert.equal(await code(anns.lock("other").acquire()), "PERMISSION_DENIED definite");
    const watch = anns.commitment.keyspace.watch({ key: b("b/"), end: b("b0") });
    assert.equal(
      await code(
        (async () => {
          for await (const _ of watch);
        })(),
      ),
      "PERMISSION_DENIED definite",
    );
  });

  test("[AUTH-17] a user whose password is changed is asked again (one server)", async () => {
    const anns = await as(ann);
    assert.equal(await ask(anns, put("a/1")), "ok");
    const password = await hostPasswords.hash("new");
    await order({ kind: "changePassword", name: "ann", password });
    assert.equal(await ask(anns, put("a/1")), "UNAUTHENTICATED definite");
    assert.equal(await ask(await as({ ...ann, password: "new" }), put("a/1")), "ok");
    await order({ kind: "disable" });
    assert.equal(await ask(anns, put("a/1")), "ok");
  });
});
