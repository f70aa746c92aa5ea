/** A server that is watched from inside: phases of its work, and what other clients see of them meanwhile. */
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { Bytes } from "../src/base/bytes.ts";
import { connect } from "../src/sdk/index.ts";
import { quantile } from "./drivers.ts";
import type { LongestTask, ProbeMemory, ProbeRequest } from "./loop-probe.ts";
import type { BenchServer } from "./servers.ts";
import { probeFile } from "./servers.ts";

/** Between two puts of the client that goes on with its own work. */
const PUT_EVERY_MS = 2;

/** One phase: the longest task, how long the work took, and the latency of another client's puts during it. */
export interface Phase extends LongestTask {
  readonly tookMs: number;
  readonly others: { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number };
}

async function ask(server: BenchServer, request: ProbeRequest): Promise<unknown> {
  const answer = once(server.child, "message");
  server.child.send(request);
  return (await answer)[0];
}

/** What has been measured since the server's start or since the last phase began. */
export async function endOfPhase(server: BenchServer): Promise<LongestTask> {
  return (await ask(server, "end")) as LongestTask;
}

/** Memory after a full collection. */
export async function memoryOf(server: BenchServer): Promise<ProbeMemory> {
  return (await ask(server, "memory")) as ProbeMemory;
}

/** Runs `work` while another client puts one key over and over; `work` returns how long it took. */
export async function phase(server: BenchServer, work: () => Promise<number>): Promise<Phase> {
  const q = await connect(`quorate://${server.host}:${server.port}`, { service: "bench" });
  const key = "another/client" as Bytes;
  const latencies: number[] = [];
  let working = true;
  const put = async (): Promise<number> => {
    const started = performance.now();
    await q.commitment.keyspace.call({ kind: "put", key, value: key });
    return performance.now() - started;
  };
  // The first calls are slower by what the client has to prepare.
  for (let at = 0; at < 50; at++) await put();
  server.child.send("begin" satisfies ProbeRequest);
  const going = (async (): Promise<void> => {
    for (; working; await pause(PUT_EVERY_MS)) latencies.push(await put());
  })();
  const tookMs = await work().finally(() => {
    working = false;
  });
  await going;
  const found = await endOfPhase(server);
  await q.close();
  latencies.sort((a, b) => a - b);
  const at = (share: number): number => quantile(latencies, share);
  return { ...found, tookMs, others: { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) } };
}

/** Ends the server with SIGTERM: its end is a phase too. */
export async function stopPhase(server: BenchServer): Promise<LongestTask & { tookMs: number }> {
  server.child.send("begin" satisfies ProbeRequest);
  const started = performance.now();
  await server.stop();
  const tookMs = performance.now() - started;
  const file = probeFile(server.directory);
  const found = JSON.parse(readFileSync(file, "utf8")) as LongestTask;
  rmSync(file);
  return { ...found, tookMs };
}
