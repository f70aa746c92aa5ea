/**
 * A large keyspace: how long a server takes to open it after a clean stop and after kill -9, what a key costs in
 * memory, what becomes of throughput, and the longest task while hashing, compacting, deleting and snapshotting.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { median, output, runClient } from "./drivers.ts";
import type { BenchOptions } from "./options.ts";
import { SMALL_VALUE } from "./large-keyspace.ts";
import { residentBytes } from "./process-usage.ts";
import type { Row } from "./rows.ts";
import type { BenchServer } from "./servers.ts";
import { metric, page, scratchDirectory, startQuorate } from "./servers.ts";
import { settingOf } from "./setting.ts";

const FEW = 10_000;
const IN_FLIGHT = 256;

export async function keysBench(options: BenchOptions, report: (row: Row) => void): Promise<void> {
  const directory = scratchDirectory("keys");
  const row = (driver: string, unit: string, ours: number, own: Partial<Row> = {}): void =>
    report({
      ...{
        bench: "keys",
        inFlight: IN_FLIGHT,
        driver,
        unit,
        ours,
        peer: null,
        peerName: "limit",
        ratio: null,
      },
      setting: settingOf(options, { keys: options.keys, valueBytes: SMALL_VALUE.length }),
      ...own,
    });
  try {
    const { few, many } = await throughputs(directory, options);
    row("throughput", "puts/s", many, {
      peer: few,
      peerName: `${FEW} keys`,
      ratio: many / few,
      limit: few * 0.6,
    });
    const clean = await opened(directory);
    row("open after a clean stop", "ms", clean.ms, { limit: 3_000, note: memoryNote(clean) });
    row("bytes per key", "bytes of heap", clean.heapBytes / options.keys, { limit: 1_024 });
    row("resident bytes per key", "bytes", clean.residentBytes / options.keys);
    // What is written after the open lies in the log only.
    await runClient("keys", clean.server, `spread:${options.keys}`, {
      inFlight: IN_FLIGHT,
      warmUpS: 0,
      seconds: 2,
    });
    await clean.server.stop("SIGKILL");
    const killed = await opened(directory);
    row("open after kill -9", "ms", killed.ms, { limit: 6_000 });
    await killed.server.stop();
    const tasks = await output(process.execPath, [
      join(import.meta.dirname, "keys-tasks.js"),
      directory,
      String(options.keys),
    ]);
    for (const { phase, longestMs, withGcMs, tookMs } of JSON.parse(tasks) as readonly Task[]) {
      const note = `with garbage collection ${withGcMs.toFixed(1)} ms; the whole took ${tookMs.toFixed(0)} ms`;
      row(`longest task while ${phase}`, "ms", longestMs, { limit: 50, note });
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A phase of `keys-tasks.ts`. */
export interface Task {
  readonly phase: string;
  readonly longestMs: number;
  readonly withGcMs: number;
  readonly tookMs: number;
}

/** Puts per second with few keys, then with all; leaves the keyspace cleanly stopped. */
async function throughputs(
  directory: string,
  options: BenchOptions,
): Promise<{ few: number; many: number }> {
  const server = await startQuorate({ directory });
  const shape = { inFlight: IN_FLIGHT, warmUpS: 1, seconds: options.seconds };
  const rounds = async (keys: number): Promise<number> => {
    const found: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      found.push((await runClient("keys", server, `spread:${keys}`, shape)).perSecond);
    }
    return median(found);
  };
  await runClient("keys", server, `fill:${FEW}`, shape);
  const few = await rounds(FEW);
  await runClient("keys", server, `fill:${options.keys}`, shape);
  const many = await rounds(options.keys);
  await server.stop();
  return { few, many };
}

interface Opened {
  readonly server: BenchServer;
  readonly ms: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
}

/** Starts a server on the data and waits until it is ready: Node's own start is part of the time. */
async function opened(directory: string): Promise<Opened> {
  const started = performance.now();
  const server = await startQuorate({ directory });
  const ms = performance.now() - started;
  const heapBytes = metric(await page(server.port, "/metrics"), "quorate_heap_used_bytes");
  return { server, ms, heapBytes, residentBytes: residentBytes(server.pid) };
}

function memoryNote({ residentBytes: resident, heapBytes }: Opened): string {
  return `then resident ${(resident / 2 ** 20).toFixed(0)} MiB, heap in use ${(heapBytes / 2 ** 20).toFixed(0)} MiB`;
}
