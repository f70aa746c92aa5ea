/** The long work of a server with a large keyspace, phase by phase, each with the puts of another client meanwhile. */
import { readdirSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { runClient } from "./drivers.ts";
import type { ReportFigure } from "./figures.ts";
import { progress, taskFigure } from "./figures.ts";
import type { BenchOptions } from "./options.ts";
import type { Phase } from "./probed.ts";
import { memoryOf, phase } from "./probed.ts";
import { residentBytes } from "./process-usage.ts";
import type { BenchServer } from "./servers.ts";

/** Keys of the lease that is revoked. */
const LEASED = 100_000;
const SHAPE = { inFlight: 1, warmUpS: 0, seconds: 1 };

export async function longWork(
  server: BenchServer,
  options: BenchOptions,
  figure: ReportFigure,
): Promise<void> {
  const all = options.keys;
  const leased = Math.min(LEASED, all);
  let operations = 0;
  const client = async (work: string): Promise<number> => {
    const done = await runClient("keys", server, work, SHAPE);
    operations += done.operations;
    return done.tookMs ?? Number.NaN;
  };
  const run = async (what: string, work: () => Promise<number>): Promise<void> => {
    progress(what);
    operations = 0;
    const found = await phase(server, work);
    const number = operations > 1 ? ` for ${operations} keys or changes` : "";
    taskFigure(figure, what, found, `${number}${othersNote(found)}`);
  };
  const memory = async (when: string, limit?: number): Promise<void> => {
    const { heapBytes, externalBytes } = await memoryOf(server);
    // The system gets pages back a little later.
    await pause(1_000);
    const mebibytes = (residentBytes(server.pid) / 2 ** 20).toFixed(0);
    const note = `heap and buffers after a collection; resident ${mebibytes} MiB`;
    figure(`heap per key ${when}`, "bytes", (heapBytes + externalBytes) / all, { limit, note });
  };
  await run("rewriting every key", () => client(`fill:${all}`));
  await run("hashing", () => client("hash"));
  await run("counting", () => client("count"));
  await run("reading a past revision in pages", () => client("pages"));
  await run("letting a watch catch up", () => client("watch"));
  await run("snapshotting under load", () => snapshotted(server, () => client(`fill:${all}`)));
  await run("compacting", () => client("compact"));
  await memory("after compaction", 1_024);
  await run("attaching keys to a lease", () => client(`attach:${leased}`));
  await run("revoking that lease", () => client("revoke"));
  await run("deleting a prefix", () => client(`delete:${all}`));
  await run("compacting what was deleted", () => client("compact"));
  await memory("after deleting all");
}

/** Writes until a snapshot has come: its name changes. */
async function snapshotted(server: BenchServer, write: () => Promise<number>): Promise<number> {
  const names = (): string =>
    readdirSync(server.directory)
      .filter((name) => name.endsWith(".snap"))
      .join();
  const before = names();
  let tookMs = 0;
  do tookMs += await write();
  while (names() === before);
  return tookMs;
}

function othersNote({ others }: Phase): string {
  const { p50Ms, p99Ms, maxMs } = others;
  return `; another client's puts: p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)}, longest ${maxMs.toFixed(1)} ms`;
}
