/** A real member whose log is damaged on its disk: it says so, gets back from the others what it held, and serves. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { utf8 } from "../../src/base/bytes.ts";
import type { Quorate } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";
import type { Process } from "./processes.ts";
import { ProcessCluster } from "./processes.ts";
import { until } from "../until.ts";

const MAIN = fileURLToPath(new URL("../../src/cli/main.js", import.meta.url));
const SEGMENT = "log-0000000001.seg";

function quorate(at: Process, ...words: readonly string[]): string {
  const flags = ["--url", `quorate://${at.client}`];
  return spawnSync(process.execPath, [MAIN, ...words, ...flags], { encoding: "utf8" }).stdout;
}

async function put(q: Quorate, key: string): Promise<void> {
  const request = { kind: "put", key: utf8(key), value: utf8("v".repeat(100)) } as const;
  await q.commitment.keyspace.call(request, { timeoutMs: 20_000 });
}

describe("a damaged member", { timeout: 480_000 }, () => {
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3);
  });
  after(() => cluster.close());

  test("[REP-14] it says that it is damaged, is repaired by the others, and is counted again (3 processes)", async () => {
    const leader = await cluster.leader();
    {
      await using q = await connect(cluster.url);
      for (let at = 0; at < 200; at++) await put(q, `key-${at}`);
    }
    const [harmed, other] = cluster.members.filter((each) => each !== leader) as [Process, Process];
    for (const each of cluster.members) await each.kill();
    const file = join(harmed.directory, SEGMENT);
    const bytes = readFileSync(file);
    bytes[1_100] = (bytes[1_100] ?? 0) ^ 0x10;
    writeFileSync(file, bytes);
    await harmed.start();
    assert.match(harmed.said, /is damaged and was set aside/);
    assert.ok(readdirSync(harmed.directory).includes(`${SEGMENT}.damaged`));
    assert.match(quorate(harmed, "status"), /alarms +CORRUPT/);
    await Promise.all([leader, other].map((each) => each.start()));
    await until(
      () => /is repaired/.test(harmed.said),
      () => harmed.said,
    );
    await cluster.leader();
    const shown = quorate(harmed, "cluster", "status");
    assert.equal(
      shown.split("\n").filter((line) => /(leader|follower)/.test(line)).length,
      3,
      shown,
    );
    assert.ok(!shown.includes("CORRUPT"), shown);
    // Without the one that was whole all the time it is needed.
    await other.kill();
    await using q = await connect(cluster.url);
    await put(q, "after");
    const { kvs } = await q.commitment.keyspace.call({ kind: "range", key: utf8("key-199") });
    assert.equal(kvs.length, 1);
  });
});
