/**
 * A large keyspace, end to end through server processes on disk: what becomes of throughput, how long opening takes
 * after kill -9 and after a clean stop, what a key costs in memory, and the longest task of the event loop while the
 * server opens, hashes, reads, lets a watch catch up, writes a snapshot, compacts, ends a lease, deletes and closes.
 */
import { readdirSync, rmSync } from "node:fs";
import { median, runClient } from "./drivers.ts";
import type { ReportFigure } from "./figures.ts";
import { progress, taskFigure } from "./figures.ts";
import { longWork } from "./keys-phases.ts";
import { SMALL_VALUE } from "./large-keyspace.ts";
import type { BenchOptions } from "./options.ts";
import { endOfPhase, memoryOf, stopPhase } from "./probed.ts";
import { cpuMs, mainThreadMs, residentBytes } from "./process-usage.ts";
import type { Row } from "./rows.ts";
import type { BenchServer } from "./servers.ts";
import { scratchDirectory, startQuorate } from "./servers.ts";
import { settingOf } from "./setting.ts";

const FEW = 10_000;
const IN_FLIGHT = 256;
/** Segments of a log that is about to be covered by a snapshot: the most that a start has to replay. */
const SEGMENTS_BEFORE_SNAPSHOT = 15;
/** Seconds of puts until it must be there: a slow machine goes on with a shorter log, and the row says so. */
const FILLINGS_MAX = 90;
export async function keysBench(options: BenchOptions, report: (row: Row) => void): Promise<void> {
  const directory = scratchDirectory("keys");
  const setting = settingOf(options, { keys: options.keys, valueBytes: SMALL_VALUE.length });
  const figure: ReportFigure = (driver, unit, ours, own) =>
    report({
      ...{ bench: "keys", inFlight: IN_FLIGHT, driver, unit, ours },
      ...{ peer: null, peerName: "limit", ratio: null, setting },
      ...own,
    });
  try {
    await throughput(directory, options, figure);
    await openings(directory, options, figure);
    const server = await startQuorate({ directory, probed: true });
    await longWork(server, options, figure);
    taskFigure(figure, "closing an emptied server", await stopPhase(server));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** One round of puts, or the medians of many. */
interface Spread {
  readonly perSecond: number;
  /** Of the server, for one put. */
  readonly cpuUs: number;
}

function mediansOf(rounds: readonly Spread[]): Spread {
  return {
    perSecond: median(rounds.map((each) => each.perSecond)),
    cpuUs: median(rounds.map((each) => each.cpuUs)),
  };
}

/** Puts per second on few keys and on all, two servers in turn. Leaves all with a log just short of a snapshot. */
async function throughput(
  directory: string,
  options: BenchOptions,
  figure: ReportFigure,
): Promise<void> {
  const few = await startQuorate();
  const many = await startQuorate({ directory });
  const shape = { inFlight: IN_FLIGHT, warmUpS: 1, seconds: options.seconds };
  const spread = async (server: BenchServer, keys: number, seconds: number): Promise<Spread> => {
    const before = cpuMs(server.pid);
    const load = { ...shape, warmUpS: 0, seconds };
    const { operations, perSecond } = await runClient("keys", server, `spread:${keys}`, load);
    return { perSecond, cpuUs: ((cpuMs(server.pid) - before) * 1_000) / operations };
  };
  try {
    progress(`writing ${FEW} keys to one server, ${options.keys} to another`);
    // As many writes to both: neither server is warmer than the other.
    await runClient("keys", few, `fill:${options.keys}:${FEW}`, shape);
    const filled = await runClient("keys", many, `fill:${options.keys}`, shape);
    figure("writing the keys, 64 in a transaction", "keys/s", filled.perSecond);
    const found: { readonly few: Spread[]; readonly many: Spread[] } = { few: [], many: [] };
    for (let round = 0; round <= options.rounds; round++) {
      progress(`puts, round ${round} of ${options.rounds}${round === 0 ? " (not counted)" : ""}`);
      const a = await spread(few, FEW, options.seconds);
      const b = await spread(many, options.keys, options.seconds);
      if (round === 0) continue;
      found.few.push(a);
      found.many.push(b);
    }
    const [a, b] = [mediansOf(found.few), mediansOf(found.many)];
    const note = `server CPU per put ${b.cpuUs.toFixed(1)} µs, with ${FEW} keys ${a.cpuUs.toFixed(1)} µs`;
    const peer = { peer: a.perSecond, peerName: `${FEW} keys`, ratio: b.perSecond / a.perSecond };
    figure("puts", "puts/s", b.perSecond, { ...peer, limit: a.perSecond * 0.6, note });
    progress("filling the log until just before a snapshot");
    // Overwritten in transactions, the keys would be in fewer entries than clients make of them.
    for (
      let more = 0;
      more < FILLINGS_MAX && segments(directory) < SEGMENTS_BEFORE_SNAPSHOT;
      more++
    )
      await spread(many, options.keys, 1);
  } finally {
    await few.remove();
    await many.stop("SIGKILL");
  }
}

function segments(directory: string): number {
  return readdirSync(directory).filter((name) => name.endsWith(".seg")).length;
}

/** Opens after kill -9, twice, and after a clean stop, twice: for the time without the probe, for the task with it. */
async function openings(
  directory: string,
  options: BenchOptions,
  figure: ReportFigure,
): Promise<void> {
  const logged = segments(directory);
  progress("opening after kill -9");
  const killed = await opened(directory);
  const note = `${logged} log segments of 16 MiB; ${openedNote(killed.server)}`;
  figure("open after kill -9", "ms", killed.ms, { limit: 6_000, note });
  await killed.server.stop("SIGKILL");
  const again = await opened(directory, true);
  taskFigure(figure, "opening after kill -9", {
    ...(await endOfPhase(again.server)),
    tookMs: again.ms,
  });
  const { heapBytes, externalBytes } = await memoryOf(again.server);
  figure("heap per key, with history", "bytes", (heapBytes + externalBytes) / options.keys);
  taskFigure(figure, "snapshotting (clean stop)", await stopPhase(again.server));
  progress("opening after a clean stop");
  const clean = await opened(directory);
  const own = { limit: 3_000, note: openedNote(clean.server) };
  figure("open after a clean stop", "ms", clean.ms, own);
  await clean.server.stop();
  const last = await opened(directory, true);
  taskFigure(figure, "opening after a clean stop", {
    ...(await endOfPhase(last.server)),
    tookMs: last.ms,
  });
  await last.server.stop();
}

/** Starts a server on the data and waits until it is ready: Node's own start is part of the time. */
async function opened(
  directory: string,
  probed = false,
): Promise<{ readonly server: BenchServer; readonly ms: number }> {
  const started = performance.now();
  const server = await startQuorate({ directory, probed });
  return { server, ms: performance.now() - started };
}

function openedNote({ pid }: BenchServer): string {
  const mebibytes = (residentBytes(pid) / 2 ** 20).toFixed(0);
  const ran = `the main thread ran ${mainThreadMs(pid).toFixed(0)} ms of it`;
  return `${ran}, all threads ${cpuMs(pid).toFixed(0)} ms; then resident ${mebibytes} MiB`;
}
