/**
 * Counts the flushing system calls of both servers under `put` with strace, which slows them down: the counts check
 * the servers' own metrics, the throughput of these runs means nothing.
 */
import { spawn } from "node:child_process";
import type { LoadResult, LoadShape } from "./drivers.ts";
import { runClient, runH2load } from "./drivers.ts";
import { putCall } from "./etcd-messages.ts";
import type { BenchOptions } from "./options.ts";
import type { Row } from "./rows.ts";
import type { BenchServer } from "./servers.ts";
import { startEtcd, startQuorate } from "./servers.ts";
import { settingOf } from "./setting.ts";
import { KEY, VALUE } from "./workload.ts";

/** Calls that flush. Quorate's log is open with O_DSYNC, so that each of its `pwrite`s is one; etcd calls fdatasync. */
const CALLS: readonly string[] = ["pwrite64", "fdatasync", "fsync"];
const FLUSHING: Readonly<Record<string, readonly string[]>> = {
  quorate: CALLS,
  etcd: ["fdatasync", "fsync"],
};

interface Counted {
  readonly byCall: Readonly<Record<string, number>>;
  readonly perOperation: number;
}

async function count(
  server: BenchServer,
  shape: LoadShape,
  run: () => Promise<LoadResult>,
): Promise<Counted> {
  const tracer = spawn("strace", [
    "-f",
    "-c",
    "-e",
    `trace=${CALLS.join(",")}`,
    "-p",
    String(server.pid),
  ]);
  let table = "";
  const ended = new Promise<void>((done, failed) => {
    tracer.once("error", failed);
    tracer.once("close", () => done());
  });
  const attached = new Promise<void>((done) => {
    tracer.stderr.on("data", (part: Buffer) => {
      table += part.toString();
      if (table.includes("attached")) done();
    });
  });
  await Promise.race([attached, ended]);
  const load = await run();
  tracer.kill("SIGINT");
  await ended;
  const calls = CALLS.map((call) => {
    const line = new RegExp(`^.*\\b${call}$`, "m").exec(table)?.[0].trim().split(/\s+/);
    return [call, Number(line?.[3] ?? 0)] as const;
  });
  const flushing = calls.filter(([call]) => FLUSHING[server.name]?.includes(call) === true);
  const flushes = flushing.reduce((sum, [, times]) => sum + times, 0);
  return {
    byCall: Object.fromEntries(calls),
    perOperation: flushes / (load.perSecond * (shape.seconds + shape.warmUpS)),
  };
}

export async function syscallsBench(
  options: BenchOptions,
  report: (row: Row) => void,
): Promise<void> {
  const ours = await startQuorate();
  const peer = await startEtcd();
  try {
    for (const inFlight of options.inFlight) {
      const shape = { inFlight, warmUpS: 1, seconds: options.seconds };
      const us = await count(ours, shape, () => runClient("native", ours, "put", shape));
      const them = await count(peer, shape, () => runH2load(peer, putCall(KEY, VALUE), shape));
      report({
        bench: "syscalls",
        inFlight,
        driver: "native-vs-h2load",
        unit: "flushes per put",
        ours: us.perOperation,
        peer: them.perOperation,
        peerName: "etcd",
        ratio: them.perOperation / us.perOperation,
        setting: settingOf(options, { rounds: 1, flushesFrom: "strace -f -c" }),
        note: `quorate ${JSON.stringify(us.byCall)}, etcd ${JSON.stringify(them.byCall)}`,
      });
    }
  } finally {
    await ours.remove();
    await peer.remove();
  }
}
