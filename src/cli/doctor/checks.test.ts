/** Each check of doctor, on what is well and what is not. */
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { quantile } from "./check.ts";
import { port } from "./port-check.ts";
import { nodeVersion } from "./process-checks.ts";
import { filesystemProblem, flushLatency, measurable } from "./storage-checks.ts";

test("[CLI-7] a Node that is too old fails with what to install (no server)", () => {
  for (const old of ["v18.20.0", "v20.18.9"]) assert.equal(nodeVersion(old).verdict, "fail", old);
  for (const fit of ["v20.19.0", "v22.0.0", "v24.1.0"])
    assert.equal(nodeVersion(fit).verdict, "ok", fit);
  assert.match(nodeVersion("v18.0.0").remedy, /20\.19/);
});

test("[CLI-7] memory filesystems fail, network ones and full ones warn (no server)", () => {
  assert.equal(filesystemProblem("tmpfs", 2 ** 40)?.verdict, "fail");
  assert.equal(filesystemProblem("nfs", 2 ** 40)?.verdict, "warn");
  assert.equal(filesystemProblem("ext4", 1000)?.verdict, "warn");
  assert.equal(filesystemProblem("ext4", 2 ** 40), undefined);
});

test("[CLI-7] measuring flushes leaves the directory as it was (no server)", async () => {
  const directory = mkdtempSync(join(tmpdir(), "quorate-doctor-"));
  try {
    assert.equal(measurable(join(directory, "not", "there")), directory);
    const check = await flushLatency(directory);
    assert.match(check.found, /p50 [\d.]+ ms, p99 [\d.]+ ms/);
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test("[CLI-7] a directory that cannot be written fails with a remedy (no server)", async () => {
  const check = await flushLatency("/proc");
  assert.equal(check.verdict, "fail");
  assert.match(check.remedy, /--data-dir/);
});

test("[CLI-7] a taken port warns, a free one is ok and stays free (no server)", async () => {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const listen = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  const taken = await port(listen);
  assert.equal(taken.verdict, "warn");
  assert.match(taken.remedy, /--listen/);
  await new Promise((resolve) => server.close(resolve));
  assert.equal((await port(listen)).verdict, "ok");
  assert.equal((await port(listen)).verdict, "ok");
  assert.equal((await port("203.0.113.1:2379")).verdict, "fail");
});

test("[CLI-7] quantiles of a sample (no server)", () => {
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([3, 1, 2], 0.99), 3);
  assert.equal(quantile([], 0.5), 0);
});
