/** Users over the JSON gateway beside that of a real etcd: orders, a login, and a token in the header. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { etcdMissing } from "../etcd/etcd-process.ts";
import { TwoServers } from "./two-servers.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
/** What Debian's build of etcd says for FAILED_PRECONDITION, and what every release says. */
const STATUSES: Readonly<Record<number, number>> = { 412: 400 };

async function post(
  endpoint: string,
  path: string,
  body: object,
  token?: string,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const headers = token === undefined ? {} : { Authorization: token };
  const init = { method: "POST", body: JSON.stringify(body), headers };
  const answer = await fetch(`http://${endpoint}/v3/${path}`, init);
  const { header, ...rest } = (await answer.json()) as Record<string, unknown>;
  assert.notEqual(header, null);
  return { status: STATUSES[answer.status] ?? answer.status, body: rest };
}

describe("Auth over JSON beside etcd", { timeout: 240_000, skip: etcdMissing }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(async () => {
    await two.stop();
  });

  test("[AUTH-18] orders, a login and its token go over JSON as etcd's (2 servers)", async () => {
    const range = { key: base64("a/"), range_end: base64("a0") };
    const seen = await two.agree("users over JSON", async ({ endpoint }) => {
      const said: unknown[] = [];
      const ask = async (path: string, body: object = {}, token?: string): Promise<void> => {
        said.push([path, body, await post(endpoint, path, body, token)]);
      };
      await ask("auth/user/add", { name: "root", password: "rp" });
      await ask("auth/user/add", { name: "root", password: "rp" });
      await ask("auth/user/add", { name: "cert", options: { no_password: true } });
      await ask("auth/user/grant", { user: "root", role: "root" });
      await ask("auth/user/add", { name: "ann", password: "ap" });
      await ask("auth/role/add", { name: "r" });
      await ask("auth/role/grant", { name: "r", perm: { permType: "READWRITE", ...range } });
      await ask("auth/role/grant", { name: "r", perm: { permType: 1, key: base64("w") } });
      await ask("auth/role/grant", { name: "r", perm: { key: base64("r") } });
      await ask("auth/role/get", { role: "r" });
      await ask("auth/role/revoke", { role: "r", key: base64("r") });
      await ask("auth/role/list");
      await ask("auth/user/grant", { user: "ann", role: "r" });
      await ask("auth/user/get", { name: "ann" });
      await ask("auth/user/list");
      await ask("auth/user/changepw", { name: "ann", password: "new" });
      await ask("auth/authenticate", { name: "ann", password: "new" });
      await ask("auth/enable");
      await ask("auth/authenticate", { name: "ann", password: "ap" });
      const login = async (name: string, password: string): Promise<string> => {
        const { body } = await post(endpoint, "auth/authenticate", { name, password });
        return String(body["token"]);
      };
      const [ann, root] = [await login("ann", "new"), await login("root", "rp")];
      await ask("kv/put", { key: base64("a/1"), value: base64("v") });
      await ask("kv/put", { key: base64("a/1"), value: base64("v") }, "nonsense");
      await ask("kv/put", { key: base64("a/1"), value: base64("v") }, ann);
      await ask("kv/put", { key: base64("b"), value: base64("v") }, ann);
      await ask("kv/range", range, ann);
      await ask("kv/range", { key: base64("b") }, ann);
      await ask("kv/range", { key: base64("b") }, root);
      await ask("maintenance/hash", {}, ann);
      await ask("auth/user/list", {}, ann);
      await ask("auth/user/revoke", { name: "ann", role: "r" }, root);
      await ask("kv/range", range, ann);
      await ask("auth/role/delete", { role: "r" }, root);
      await ask("auth/user/delete", { name: "ann" }, root);
      await ask("auth/disable", {}, root);
      await ask("kv/range", range);
      // Etcd 3.4 forgot to translate what its maintenance refuses.
      return JSON.parse(
        JSON.stringify(said).replaceAll(
          /"status":500,"body":\{"error":"auth: permission denied","message":"auth: permission denied","code":2/g,
          '"status":403,"body":{"error":"etcdserver: permission denied","message":"etcdserver: permission denied","code":7',
        ),
      ) as unknown[];
    });
    assert.match(JSON.stringify(seen), /"status":403/);
  });

  test("[AUTH-18] every road of JSON asks for a token, plain and as a bearer's (quorate alone)", async () => {
    const { endpoint } = two.sides[1];
    for (const [path, body] of [
      ["auth/user/add", { name: "root", password: "rp" }],
      ["auth/user/grant", { user: "root", role: "root" }],
      ["auth/enable", {}],
    ] as const)
      await post(endpoint, path, body).catch(() => undefined);
    const { body } = await post(endpoint, "auth/authenticate", { name: "root", password: "rp" });
    const token = String(body["token"]);
    for (const path of [
      "kv/range",
      "kv/txn",
      "lease/leases",
      "cluster/member/list",
      "maintenance/status",
      "maintenance/hash",
      "auth/status",
    ]) {
      const request = path === "kv/range" ? { key: base64("a") } : {};
      assert.equal((await post(endpoint, path, request)).status, 400, path);
      assert.equal((await post(endpoint, path, request, token)).status, 200, path);
      assert.equal((await post(endpoint, path, request, `Bearer ${token}`)).status, 200, path);
    }
    const line = async (path: string, request: object): Promise<string> => {
      const init = { method: "POST", body: JSON.stringify(request) };
      return await (await fetch(`http://${endpoint}/v3/${path}`, init)).text();
    };
    assert.match(await line("maintenance/snapshot", {}), /user name is empty/);
    assert.match(await line("lease/keepalive", { ID: "1" }), /user name is empty/);
    const health = await fetch(`http://${endpoint}/health`);
    assert.equal(health.status, 200, "health is asked without a token");
    assert.equal((await post(endpoint, "auth/disable", {}, token)).status, 200);
  });
});
