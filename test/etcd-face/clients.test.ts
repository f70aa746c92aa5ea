/** Clients of etcd in other languages, unmodified: one conversation with a real etcd and with Quorate. */
import assert from "node:assert/strict";
import { execFile, spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { etcdMissing } from "../etcd/etcd-process.ts";
import { converse } from "./clients/conversation.ts";
import { TwoServers } from "./two-servers.ts";

const run = promisify(execFile);

/** The first interpreter that has the package `etcd3` (Debian: python3-etcd3). */
const python = ["/usr/bin/python3", "python3"].find(
  (each) => spawnSync(each, ["-c", "import etcd3"]).status === 0,
);
const noPython = python === undefined && "the Python package etcd3 is not installed";

const script = fileURLToPath(
  new URL("../../../test/etcd-face/clients/conversation.py", import.meta.url),
);

describe("clients of other languages", { skip: etcdMissing, timeout: 480_000 }, () => {
  let two: TwoServers;
  before(async () => {
    two = await TwoServers.start();
  });
  after(() => two.stop());

  test("[CLI-PY] Python's etcd3: keys, transactions, leases, watches, a lock, compaction (2 servers)", async (t) => {
    if (noPython !== false) return t.skip(noPython);
    const answers = await two.agree("etcd3 for Python", async ({ endpoint }) => {
      const { stdout } = await run(python ?? "", [script, endpoint], { timeout: 240_000 });
      return stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown);
    });
    assert.equal(answers.length, 19);
  });

  test("[CLI-JS] npm's etcd3: keys, transactions, leases, watches, locks, elections (2 servers)", async () => {
    const answers = await two.agree("etcd3 of npm", ({ endpoint }) => converse(endpoint));
    assert.equal(answers.length, 13);
  });
});
