/** A store that fills up: the quota holds under load, and the way out of it works from the command line. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import type { StatusResponse } from "../../src/contract/requests.ts";
import type { Quorate } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";
import { startServer } from "../../src/server/index.ts";
import { Shell } from "../cli/shell.ts";

const QUOTA_BYTES = 1 << 20;
const CONNECTIONS = 8;
const WRITERS = 256;

describe("quota", { timeout: 240_000 }, () => {
  test(`[HEAD-QUOTA] ${WRITERS} writers against a nearly full quota never exceed it, and the way out works (8 connections, 1 server)`, async () => {
    const server = await startServer({ listen: "127.0.0.1:0", quotaBytes: QUOTA_BYTES });
    const connections = await Promise.all(
      Array.from({ length: CONNECTIONS }, (_, at) => connect(server.url, { service: `w${at}` })),
    );
    const keyspaceOf = (writer: number): (typeof connections)[0]["commitment"]["keyspace"] =>
      (connections[writer % CONNECTIONS] as (typeof connections)[0]).commitment.keyspace;
    const reader = keyspaceOf(0);
    const status = (): Promise<StatusResponse> => reader.call({ kind: "status" });

    // Nearly full to begin with, so that all of them meet the edge at once.
    const filler = utf8("f".repeat(QUOTA_BYTES * 0.7));
    await reader.call({ kind: "put", key: utf8("filler"), value: filler });
    let most = 0;
    let looks = 0;
    const look = (): void => {
      most = Math.max(most, server.driver.status().bytes);
      looks++;
    };
    const acknowledged = new Set<string>();
    const refusals: QuorateError[] = [];
    const writers = Array.from({ length: WRITERS }, async (_, writer) => {
      for (let number = 0; ; number++) {
        const key = `writer/${writer}/${number}`;
        const value = utf8("v".repeat(50 + ((writer * 31 + number * 17) % 400)));
        try {
          await keyspaceOf(writer).call({ kind: "put", key: utf8(key), value });
          acknowledged.add(key);
          look();
        } catch (error) {
          assert.ok(QuorateError.is(error), String(error));
          refusals.push(error);
          look();
          return;
        }
      }
    });
    await Promise.all(writers);

    assert.equal(refusals.length, WRITERS);
    for (const { code, outcome, object } of refusals)
      assert.deepEqual([code, outcome, object], ["QUOTA", "definite", "keyspace"]);
    const full = await status();
    most = Math.max(most, full.bytes);
    assert.ok(looks > WRITERS, `${looks} looks`);
    assert.ok(most <= QUOTA_BYTES, `${most} of ${QUOTA_BYTES} bytes`);
    assert.ok(most > QUOTA_BYTES * 0.9, `${most} of ${QUOTA_BYTES} bytes: never near the edge`);
    assert.deepEqual(full.alarms, ["NOSPACE"]);
    const range = { kind: "range", key: utf8("writer/"), end: utf8("writer0") } as const;
    const { kvs } = await reader.call({ ...range, keysOnly: true });
    assert.deepEqual(new Set(kvs.map((kv) => kv.key as string)), acknowledged);

    const shell = new Shell();
    try {
      shell.environment["QUORATE_URL"] = server.url;
      const run = async (line: string): Promise<number | null> => (await shell.run(line)).code;
      assert.equal(await run("quorate put small 1"), 3, "the alarm refuses what would still fit");
      assert.equal(await run("quorate del filler"), 0);
      assert.equal(await run("quorate compact"), 0);
      assert.equal(await run("quorate put small 1"), 3, "until the alarm is taken off");
      assert.equal((await shell.run("quorate alarm list")).stdout, "NOSPACE\n");
      assert.equal(await run("quorate alarm clear NOSPACE"), 0);
      assert.equal(await run("quorate put small 1"), 0);
      assert.equal(await run("quorate status"), 0);
    } finally {
      await shell.close();
    }
    assert.ok((await status()).bytes < QUOTA_BYTES / 4);
    for (const each of connections) await each.close();
    await server.close();
  });

  test("[REM-5] a client whose caller is refused is told why, and does not ask for ever (a store too full for callers)", async () => {
    const server = await startServer({ listen: "127.0.0.1:0", quotaBytes: 2_048 });
    const connections: Quorate[] = [];
    const codes = new Set<string>();
    for (let at = 0; at < 12; at++) {
      const q = await connect(server.url, { service: `c${at}` });
      connections.push(q);
      const request = { kind: "deleteRange", key: utf8("none") } as const;
      await q.commitment.keyspace.call(request, { timeoutMs: 5_000 }).catch((error: unknown) => {
        assert.ok(QuorateError.is(error), String(error));
        codes.add(`${error.code} ${error.outcome}`);
      });
    }
    assert.deepEqual([...codes], ["QUOTA definite"]);
    for (const each of connections) await each.close();
    await server.close();
  });
});
