/** What V8 and the kernel are told of a process that serves. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { TLSSocket } from "node:tls";
import { connect } from "node:tls";
import { getHeapSpaceStatistics } from "node:v8";
import { openFilesMax, prepareProcess } from "../../src/cli/serving-process.ts";
import { freePorts } from "../free-ports.ts";
import { Authority, noOpenssl } from "../server/authority.ts";
import { Process, ProcessCluster } from "../cluster/processes.ts";
import { until } from "../until.ts";

/** Below this the server leaves the table of descriptors as it is. */
const MOST = 4_100;
const few = ((await openFilesMax()) ?? 0) < MOST;
const skip = few ? "a process may not open enough here" : false;

async function placesOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^FDSize:\s+(\d+)/m.exec(status)?.[1]);
}

for (const guise of ["serve", "etcd"] as const)
  test(
    `[CLI-27] a thousand connections find places in the table of descriptors (quorate ${guise})`,
    { skip },
    async () => {
      const cluster = await ProcessCluster.start(1, { guise });
      try {
        const pid = cluster.members[0]?.pid ?? assert.fail("there is one");
        await until(
          async () => (await placesOf(pid)) >= 2_048,
          () => "the table is as it was",
        );
        await until(
          async () => (await readdir(`/proc/${pid}/fd`)).length < 100,
          () => "what made room stays open",
        );
      } finally {
        await cluster.close();
      }
    },
  );

test("[CLI-27] the young generation does not grow (3,000,000 objects that are kept)", () => {
  const young = (): number =>
    getHeapSpaceStatistics().find((space) => space.space_name === "new_space")?.space_size ??
    assert.fail("there is one");
  prepareProcess();
  const kept: object[] = [];
  const sizes = Array.from({ length: 10 }, () => {
    for (let at = 0; at < 300_000; at++) kept.push({ at });
    return young();
  });
  assert.equal(kept.length, 3_000_000);
  // What is moved out of it counts for a moment. V8's own stays at 32 MiB or more, once so much has been kept.
  assert.ok(Math.min(...sizes.slice(5)) < 20 << 20, `${sizes.join(" ")} bytes`);
});

/** Begins `count` connections of TLS with a server, and ends them when all stand. */
async function visits(port: number, count: number): Promise<void> {
  const begun: TLSSocket[] = [];
  while (begun.length < count) {
    // Few enough that the last of them is not given up, however slow the machine.
    const next = Array.from({ length: 125 }, () => connect({ port, rejectUnauthorized: false }));
    await Promise.all(next.map((socket) => once(socket, "secureConnect")));
    begun.push(...next);
  }
  for (const socket of begun) socket.destroy();
}

test(
  "[CLI-27] a small heap is seldom collected as a whole (4 times 500 clients over TLS)",
  { skip: noOpenssl() },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "quorate-process-"));
    const [port = 0, peer = 0] = await freePorts(2);
    const { cert, key } = new Authority(join(directory, "authority")).issue("server");
    const member = new Process({
      name: "one",
      client: `127.0.0.1:${port}`,
      peer: `127.0.0.1:${peer}`,
      directory: join(directory, "data"),
      guise: "serve",
      flags: () => ["--cert-file", cert, "--key-file", key],
    });
    const whole = (): number => member.said.split("Mark-Compact").length - 1;
    try {
      await member.start(["sh", "-c", 'node=$1; shift; exec "$node" --trace-gc "$@"', "sh"]);
      const floods: number[] = [];
      for (let flood = 0; flood < 4; flood++) {
        const before = whole();
        await visits(port, 500);
        floods.push(whole() - before);
      }
      // Left to V8 of Node 20 there are five to eight.
      const sum = floods.reduce((all, each) => all + each, 0);
      assert.ok(sum <= floods.length, `${floods.join(" ")} collections`);
    } finally {
      await member.kill();
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
