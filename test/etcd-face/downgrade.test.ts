/** `Maintenance.Downgrade`, which the etcd at hand does not have yet: codes and texts of etcd 3.5. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { CARE } from "../../src/wire/etcd/cluster.ts";
import { METHODS } from "../../src/wire/etcd/messages.ts";
import { GrpcClient } from "./grpc-client.ts";

const [VALIDATE, ENABLE, CANCEL] = [0, 1, 2];
const INVALID_ARGUMENT = 3;
const BAD_TARGET = "etcdserver: invalid downgrade target version";
const WRONG_VERSION = "etcdserver: wrong downgrade target version format";

describe("Downgrade", () => {
  let server: RunningServer;
  let client: GrpcClient;
  before(async () => {
    server = await startServer({ listen: "127.0.0.1:0" });
    client = new GrpcClient(server.url.replace("quorate://", ""));
  });
  after(async () => {
    client.close();
    await server.close();
  });

  test("[MNT-5] whatever version is asked for is no target, and nothing changes (one server)", async () => {
    const before = await client.call(METHODS.status, {});
    for (const action of [VALIDATE, ENABLE])
      for (const version of [
        "3.4",
        "3.4.0",
        "3.5.0",
        "3.6",
        "2.3.8",
        "3.4.0-rc.1",
        "3.4.0+debian",
        "3.4.0-",
      ])
        assert.deepEqual(
          await client.refusal(CARE.downgrade, { action, version }),
          { code: INVALID_ARGUMENT, details: BAD_TARGET },
          version,
        );
    const after = await client.call(METHODS.status, {});
    assert.equal(after.version, before.version);
    assert.equal(after.raftIndex, before.raftIndex);
  });

  test("[MNT-5] what is no version is refused for its form (one server)", async () => {
    for (const action of [VALIDATE, ENABLE])
      for (const version of ["", "3", "v3.4.0", "3.4.", "3.4-rc", "3.4.0.1", "3.x", " 3.4"])
        assert.deepEqual(
          await client.refusal(CARE.downgrade, { action, version }),
          { code: INVALID_ARGUMENT, details: WRONG_VERSION },
          JSON.stringify(version),
        );
  });

  test("[MNT-5] there is nothing to cancel, and no fourth action (one server)", async () => {
    assert.deepEqual(await client.refusal(CARE.downgrade, { action: CANCEL }), {
      code: 9,
      details: "etcdserver: no inflight downgrade job",
    });
    assert.deepEqual(await client.refusal(CARE.downgrade, { action: 3, version: "3.4.0" }), {
      code: 2,
      details: "etcdserver: unknown method",
    });
  });

  test("[MNT-5] [GW-2] over JSON the same, with etcd's path and words (one server)", async () => {
    const url = `${server.url.replace("quorate://", "http://")}/v3/maintenance/downgrade`;
    const post = async (body: object): Promise<unknown> => {
      const answer = await fetch(url, { method: "POST", body: JSON.stringify(body) });
      return { status: answer.status, body: await answer.json() };
    };
    const told = (code: number, message: string): object => ({
      status: 400,
      body: { error: message, message, code },
    });
    assert.deepEqual(
      await post({ action: "ENABLE", version: "3.4.0" }),
      told(INVALID_ARGUMENT, BAD_TARGET),
    );
    assert.deepEqual(await post({ version: "x" }), told(INVALID_ARGUMENT, WRONG_VERSION));
    assert.deepEqual(
      await post({ action: "CANCEL" }),
      told(9, "etcdserver: no inflight downgrade job"),
    );
  });
});
