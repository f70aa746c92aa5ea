/**
 * Loaded into a server under test (`node --expose-gc --import`): measures the longest task of its event loop, as the
 * longest time between two turns, and its memory after a collection.
 *
 * A task counts without garbage collection and without waiting for a core (Linux's schedstat: other programs share the
 * machine). Collections are seen by a sampling profiler, because their incremental steps are reported nowhere else. What
 * a task took is the less of two: the time that its thread ran, by the share of its samples that are not collection;
 * and the wall clock's time less what the samples say was collection, or less the waiting, whichever is more.
 * It watches whenever it is told to; what it was watching when the process ends goes to the file that PROBE_FILE names.
 */
import { openSync, readSync, writeFileSync } from "node:fs";
import type { Profiler } from "node:inspector";
import { Session } from "node:inspector";

/** What the parent process sends. */
export type ProbeRequest = "begin" | "end" | "memory";

/** The longest task of a phase, ms. */
export interface LongestTask {
  /** Less collections and waiting for a core. */
  readonly longestMs: number;
  readonly wallMs: number;
  /** Tasks longer than 10 ms, measured as `longestMs`. */
  readonly overTen: number;
  /** Share of the thread's samples that are collection. */
  readonly collecting: number;
}

export interface ProbeMemory {
  readonly heapBytes: number;
  /** Buffers outside the heap. */
  readonly externalBytes: number;
}

interface Gap {
  readonly start: number;
  readonly end: number;
  readonly thread: ThreadTime;
}
/** The main thread since its start, ms; what is not known bounds nothing. */
interface ThreadTime {
  readonly ran: number;
  /** Could have run and had no core. */
  readonly waited: number;
}
/** What the profiler saw, by the clock of `performance.now()`. */
interface Sample {
  readonly at: number;
  readonly ms: number;
  readonly collection: boolean;
}

/** Between two turns of an idle loop. */
const TURN_MS = 1;
/** Turns shorter than this are not kept. */
const GAP_MS = 3;
const SAMPLE_US = 1_000;

let gaps: Gap[] = [];
let watching = false;
let last = 0;
let lastThread: ThreadTime = { ran: 0, waited: 0 };
let timer: NodeJS.Timeout | undefined;
const schedstat = opened("/proc/self/schedstat");
const stat = Buffer.alloc(96);
const session = new Session();
session.connect();
session.post("Profiler.enable");
session.post("Profiler.setSamplingInterval", { interval: SAMPLE_US });

function opened(path: string): number | undefined {
  try {
    return openSync(path, "r");
  } catch {
    return undefined;
  }
}

function threadTime(): ThreadTime {
  if (schedstat === undefined) return { ran: Infinity, waited: 0 };
  const length = readSync(schedstat, stat, 0, stat.length, 0);
  const [ran, waited] = stat.toString("latin1", 0, length).split(" ");
  return { ran: Number(ran) / 1e6, waited: Number(waited) / 1e6 };
}

function turn(): void {
  const now = performance.now();
  const thread = threadTime();
  const { ran, waited } = lastThread;
  const spent = {
    ran: schedstat === undefined ? Infinity : thread.ran - ran,
    waited: thread.waited - waited,
  };
  if (now - last > GAP_MS) gaps.push({ start: last, end: now, thread: spent });
  last = now;
  lastThread = thread;
}

function begin(): void {
  if (watching) stopProfile();
  session.post("Profiler.start");
  gaps = [];
  watching = true;
  last = performance.now();
  lastThread = threadTime();
  timer ??= setInterval(turn, TURN_MS).unref();
}

/** Answered before `post` returns: the session is of this thread. */
function stopProfile(): readonly Sample[] {
  let found: Profiler.Profile | undefined;
  session.post("Profiler.stop", (_error, { profile }) => {
    found = profile;
  });
  if (found === undefined) return [];
  const collector = found.nodes.find(
    ({ callFrame }) => callFrame.functionName === "(garbage collector)",
  );
  const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();
  let at = found.startTime / 1_000 - originMs;
  const { timeDeltas = [] } = found;
  return (found.samples ?? []).map((id, index) => {
    const ms = (timeDeltas[index] ?? 0) / 1_000;
    at += ms;
    return { at, ms, collection: id === collector?.id };
  });
}

function end(): LongestTask {
  watching = false;
  turn();
  clearInterval(timer);
  timer = undefined;
  const samples = stopProfile();
  let first = 0;
  const lengths = gaps.map((gap) => {
    while ((samples[first]?.at ?? Infinity) < gap.start) first++;
    let [all, collections, collectionMs] = [0, 0, 0];
    for (let at = first; (samples[at]?.at ?? Infinity) <= gap.end; at++) {
      const { ms, collection } = samples[at] as Sample;
      all++;
      if (!collection) continue;
      collections++;
      collectionMs += ms;
    }
    const { ran, waited } = gap.thread;
    const working = all === 0 ? 1 : 1 - collections / all;
    const byWall = gap.end - gap.start - Math.max(collectionMs, waited);
    return Math.max(0, Math.min(ran * working, byWall));
  });
  return {
    longestMs: longest(lengths),
    wallMs: longest(gaps.map((gap) => gap.end - gap.start)),
    overTen: lengths.filter((ms) => ms > 10).length,
    collecting: samples.filter(({ collection }) => collection).length / Math.max(1, samples.length),
  };
}

function longest(lengths: readonly number[]): number {
  return lengths.reduce((most, each) => Math.max(most, each), 0);
}

function memory(): ProbeMemory {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return { heapBytes: heapUsed, externalBytes: external };
}

process.on("message", (request: ProbeRequest) => {
  if (request === "begin") begin();
  else process.send?.(request === "memory" ? memory() : end());
});
process.channel?.unref();
process.once("exit", () => {
  const file = process.env["PROBE_FILE"];
  if (watching && file !== undefined) writeFileSync(file, JSON.stringify(end()));
});
