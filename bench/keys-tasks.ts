/**
 * The longest task of the event loop while a large keyspace is hashed, compacted, snapshotted and deleted: measured in
 * the process that does it, as the longest time between two turns, less the garbage collection that fell into it.
 * Arguments: the data directory and the count of keys. Prints JSON.
 */
import { PerformanceObserver } from "node:perf_hooks";
import { connect } from "../src/sdk/index.ts";
import type { Task } from "./keys.ts";
import { keyOf } from "./large-keyspace.ts";

interface Span {
  readonly start: number;
  readonly end: number;
}

/** Turns shorter than this are not kept. */
const GAP_MS = 4;
/** Keys of one deleting transaction: what a transaction may change at most. */
const PAGE = 10_000;

const [directory = "", count = ""] = process.argv.slice(2);
const keys = Number(count);
const url = `file:${directory}`;
const collections: Span[] = [];
const observer = new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) {
    collections.push({ start: startTime, end: startTime + duration });
  }
});
observer.observe({ entryTypes: ["gc"] });

async function longestTask(phase: string, work: () => Promise<unknown>): Promise<Task> {
  const gaps: Span[] = [];
  let watching = true;
  let last = performance.now();
  const turn = (): void => {
    const now = performance.now();
    if (now - last > GAP_MS) gaps.push({ start: last, end: now });
    last = now;
    if (watching) setImmediate(turn);
  };
  setImmediate(turn);
  const started = performance.now();
  await work();
  const tookMs = performance.now() - started;
  watching = false;
  // Entries about collections come a little later than the collections.
  await new Promise((done) => setTimeout(done, 50));
  const lengths = gaps.map((gap) => gap.end - gap.start - collected(gap));
  return {
    phase,
    tookMs,
    longestMs: Math.max(0, ...lengths),
    withGcMs: Math.max(0, ...gaps.map((gap) => gap.end - gap.start)),
  };
}

function collected(gap: Span): number {
  let ms = 0;
  for (const { start, end } of collections)
    ms += Math.max(0, Math.min(end, gap.end) - Math.max(start, gap.start));
  return ms;
}

const tasks: Task[] = [];
const first = await connect(url);
const { keyspace } = first.commitment;
tasks.push(await longestTask("hashing", () => keyspace.call({ kind: "hash" })));
const { revision } = await keyspace.call({ kind: "status" });
tasks.push(
  await longestTask("compacting", () =>
    keyspace.call({ kind: "compact", revision, physical: true }),
  ),
);
tasks.push(await longestTask("snapshotting (close)", () => first.close()));

const second = await connect(url);
tasks.push(
  await longestTask("deleting a prefix", async () => {
    for (let from = 0; from < keys; from += PAGE) {
      const request = { kind: "deleteRange", key: keyOf(from), end: keyOf(from + PAGE) } as const;
      await second.commitment.keyspace.call(request);
    }
  }),
);
await second.close();
observer.disconnect();
console.log(JSON.stringify(tasks));
