/** How a server becomes a member: what is refused at start, what its pages say, what a directory remembers. */
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import type { RunningServer, ServerOptions } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { freePorts } from "../free-ports.ts";
import { until } from "../until.ts";

describe("starting members", { timeout: 240_000 }, () => {
  let directory = "";
  const running: RunningServer[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "quorate-starting-"));
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.close()));
    rmSync(directory, { recursive: true, force: true });
  });

  async function start(options: ServerOptions): Promise<RunningServer> {
    const server = await startServer({ listen: "127.0.0.1:0", ...options });
    running.push(server);
    return server;
  }
  const at = (name: string): string => join(directory, name);
  const led = (server: RunningServer): Promise<unknown> =>
    until(
      () => server.driver.standing().leader > 0,
      () => JSON.stringify(server.driver.standing()),
    );
  const page = async (server: RunningServer, path: string): Promise<string> => {
    const answer = await fetch(`${server.url.replace("quorate", "http")}${path}`);
    return `${answer.status} ${(await answer.text()).trim()}`;
  };

  test("[CLS-12] what cannot be meant is refused before anything is made (no members)", async () => {
    const [port] = await freePorts(1);
    const url = `http://127.0.0.1:${port}`;
    const peerListen = `127.0.0.1:${port}`;
    const cases: readonly (readonly [ServerOptions, RegExp])[] = [
      [{ peerListen, initialCluster: [{ name: "b", peerUrls: [url] }] }, /does not name default/],
      [
        {
          peerListen,
          initialCluster: [
            { name: "default", peerUrls: [url] },
            { name: "b", peerUrls: [url] },
          ],
        },
        /names one member twice/,
      ],
      [{ peerListen: "0.0.0.0:0", insecureBind: true }, /--peer-advertise/],
      [{ peerListen: "0.0.0.0:0" }, /would not know each other/],
      [{ listen: "0.0.0.0:0", insecureBind: true, peerListen }, /--advertise/],
      [{ peerListen: "127.0.0.1:0", join: `quorate://127.0.0.1:${port}` }, /cannot be reached/],
    ];
    for (const [options, wanted] of cases)
      await assert.rejects(
        startServer({ listen: "127.0.0.1:0", dataDir: at("none"), ...options }),
        (error) => {
          assert.ok(QuorateError.is(error) && error.outcome === "definite");
          assert.match(error.message, wanted);
          return true;
        },
      );
    await assert.rejects(startServer({ listen: "127.0.0.1:0", peerListen }), /data directory/);
  });

  test("[CLS-13] a directory stays its member's, whatever is said of the beginning later (1 member)", async () => {
    const [port] = await freePorts(1);
    const peerListen = `127.0.0.1:${port}`;
    const dataDir = at("one");
    const first = await start({ peerListen, dataDir, memberName: "m1" });
    await led(first);
    const { id, identity } = first.driver.standing();
    await first.close();
    const initialCluster = [{ name: "m1", peerUrls: [`http://${peerListen}`] }];
    const initialClusterToken = "another";
    const second = await start({ ...{ peerListen, dataDir, initialCluster }, initialClusterToken });
    await led(second);
    assert.deepEqual(
      [second.driver.standing().id, second.driver.standing().identity],
      [id, identity],
    );
    assert.deepEqual(second.driver.members()[0]?.peerUrls, [`http://${peerListen}`]);
  });

  test("[CLS-18] a directory whose identity is damaged asks for no membership (1 member, 1 directory)", async () => {
    const first = await start({ dataDir: at("first"), peerListen: "127.0.0.1:0" });
    await led(first);
    mkdirSync(at("second"));
    writeFileSync(join(at("second"), "identity.json"), "{ not");
    const joining = { dataDir: at("second"), peerListen: "127.0.0.1:0", join: first.url };
    await assert.rejects(start(joining), (error: unknown) => {
      assert.ok(QuorateError.is(error, "DAMAGED"), String(error));
      assert.equal(error.outcome, "definite");
      assert.match(error.failure.object, /identity\.json/);
      return true;
    });
    assert.equal(first.driver.members().length, 1);
  });

  test("[CLS-14] a server that began alone takes members in when it is started as one of a cluster (1 server, 1 joins)", async () => {
    const dataDir = at("alone");
    const alone = await start({ dataDir });
    assert.deepEqual(alone.driver.members().length, 1);
    await alone.close();
    const first = await start({ dataDir, peerListen: "127.0.0.1:0", memberName: "m1" });
    await led(first);
    const options = { dataDir: at("m2"), peerListen: "127.0.0.1:0", memberName: "m2" };
    const second = await start({ ...options, join: first.url });
    await until(
      () =>
        second.driver.members().length === 2 &&
        second.driver.members().every(({ learner, name }) => !learner && name !== ""),
      () => JSON.stringify(second.driver.members()),
    );
    await until(
      () => second.driver.members().every(({ peerUrls }) => peerUrls.length === 1),
      () => JSON.stringify(second.driver.members()),
    );
  });

  test("[CLS-16] a member that comes back at another address is found there (2 members)", async () => {
    const [one = 0, other = 0, moved = 0] = await freePorts(3);
    const initialCluster = [one, other].map((port) => ({
      name: `m${port}`,
      peerUrls: [`http://127.0.0.1:${port}`],
    }));
    const member = (port: number): ServerOptions => ({
      dataDir: at(`m${port}`),
      memberName: `m${port}`,
      peerListen: `127.0.0.1:${port}`,
      initialCluster,
    });
    const [first, second] = [await start(member(one)), await start(member(other))];
    await led(first);
    await second.close();
    const peerUrls = [`http://127.0.0.1:${moved}`];
    const peerListen = `127.0.0.1:${moved}`;
    const back = await start({ ...member(other), peerListen, peerAdvertise: peerUrls });
    await until(
      () =>
        [first, back].every(({ driver }) =>
          driver.members().some((each) => each.peerUrls.join() === peerUrls.join()),
        ),
      () => JSON.stringify(first.driver.members()),
    );
  });

  test("[CLS-15] the pages say that nobody leads, and that a member is a learner (1 member of 2, 1 learner)", async () => {
    const [one, other] = await freePorts(2);
    const initialCluster = [one, other].map((port) => ({
      name: `m${port}`,
      peerUrls: [`http://127.0.0.1:${port}`],
    }));
    const waits = await start({
      dataDir: at("waits"),
      memberName: `m${one}`,
      peerListen: `127.0.0.1:${one}`,
      initialCluster,
    });
    assert.equal(await page(waits, "/health"), '503 {"health":"false","reason":"RAFT NO LEADER"}');
    assert.match(await page(waits, "/metrics"), /^etcd_server_has_leader 0$/m);
    assert.match(await page(waits, "/readyz/non_learner"), /^200/);
    const first = await start({ dataDir: at("m1"), peerListen: "127.0.0.1:0" });
    await led(first);
    const learner = await start({
      dataDir: at("m2"),
      memberName: "m2",
      peerListen: "127.0.0.1:0",
      join: first.url,
      learner: true,
    });
    await until(
      async () => (await page(learner, "/readyz/non_learner")).includes("is a learner"),
      () => JSON.stringify(learner.driver.members()),
    );
    assert.match(await page(learner, "/health"), /^200/);
  });
});
