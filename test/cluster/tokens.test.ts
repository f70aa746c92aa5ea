/** Simple tokens of a cluster: given by one member, good at each. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Process } from "./processes.ts";
import { ProcessCluster } from "./processes.ts";
import { until } from "../until.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");

async function post(
  { client }: Process,
  path: string,
  body: object,
  token?: string,
): Promise<{ readonly status: number; readonly said: Readonly<Record<string, unknown>> }> {
  const headers = token === undefined ? {} : { authorization: token };
  const request = { method: "POST", body: JSON.stringify(body), headers };
  const answer = await fetch(`http://${client}/v3/${path}`, request);
  return { status: answer.status, said: (await answer.json()) as Record<string, unknown> };
}

describe("simple tokens", { timeout: 480_000 }, () => {
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3);
  });
  after(() => cluster.close());

  test("[AUTH-14] a token that one member gave is good at each, also when that one is gone, and not after its user is (3 processes)", async () => {
    const leader = await cluster.leader();
    const root = { name: "root", password: "secret" };
    const steps: readonly (readonly [string, object])[] = [
      ["auth/user/add", root],
      ["auth/role/add", { name: "root" }],
      ["auth/user/grant", { user: "root", role: "root" }],
      ["auth/user/add", { name: "ann", password: "hers" }],
      ["auth/enable", {}],
    ];
    for (const [path, body] of steps) {
      const { status, said } = await post(leader, path, body);
      assert.ok(status === 200 || path === "auth/role/add", `${path}: ${JSON.stringify(said)}`);
    }
    const gives = cluster.members.find((each) => each !== leader) ?? assert.fail("there are three");
    let token = "";
    await until(
      async () => {
        const { said } = await post(gives, "auth/authenticate", root);
        token = String(said["token"]);
        return /^[A-Za-z]{16}\.\d+$/.test(token);
      },
      () => `it is given ${token}`,
    );
    const range = { key: base64("k") };
    const isGoodAt = async (member: Process): Promise<boolean> =>
      (await post(member, "kv/range", range, token)).status === 200;
    for (const member of cluster.members)
      await until(
        () => isGoodAt(member),
        () => `it is not good at ${member.name}`,
      );
    await gives.kill();
    const others = cluster.members.filter((each) => each !== gives);
    for (const member of others) assert.ok(await isGoodAt(member), member.name);
    assert.equal((await post(others[0] as Process, "kv/range", range, `${token}9`)).status, 401);
    // It is the user's, and goes with the password.
    const asRoot = { name: "root", password: "another" };
    assert.equal(
      (await post(others[0] as Process, "auth/user/changepw", asRoot, token)).status,
      200,
    );
    for (const member of others)
      await until(
        async () => !(await isGoodAt(member)),
        () => `it is still good at ${member.name}`,
      );
  });
});
