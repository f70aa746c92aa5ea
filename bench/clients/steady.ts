/**
 * The honest client of `bench -- floods`: puts at a steady rate, whether or not earlier ones have been answered. Its
 * parent says over the channel when to begin and when to end a measurement.
 */
import type { Bytes } from "../../src/base/bytes.ts";
import { connect } from "../../src/sdk/index.ts";
import { VALUE } from "../workload.ts";

/** What the parent gives as JSON in the first argument. */
export interface SteadyJob {
  readonly url: string;
  /** The authority of the server's certificate, if it has one. */
  readonly ca?: string | undefined;
}
export type SteadyOrder = "begin" | "end";
/** What is answered to `end`. */
export interface SteadyResult {
  readonly puts: number;
  readonly failed: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

const PERIOD_MS = 5;
const KEYS = 100;

const job = JSON.parse(process.argv[2] ?? "") as SteadyJob;
const q = await connect(job.url, job.ca === undefined ? {} : { tls: { ca: job.ca } });
const { keyspace } = q.commitment;
let latencies: number[] | undefined;
let waiting: Promise<void>[] = [];
let failed = 0;
let count = 0;
let due = performance.now();

function put(into: number[] | undefined): void {
  const key = `honest/${count++ % KEYS}` as Bytes;
  const started = performance.now();
  const done = keyspace.call({ kind: "put", key, value: VALUE as Bytes }).then(
    () => void into?.push(performance.now() - started),
    () => void failed++,
  );
  if (into !== undefined) waiting.push(done);
}

setInterval(() => {
  // A timer that comes late makes up for it, as a program does that has its own callers.
  for (; due <= performance.now(); due += PERIOD_MS) put(latencies);
}, PERIOD_MS);

async function end(): Promise<SteadyResult> {
  const measured = latencies ?? [];
  latencies = undefined;
  await Promise.all(waiting);
  measured.sort((a, b) => a - b);
  const at = (share: number): number =>
    measured[Math.min(measured.length - 1, Math.floor(measured.length * share))] ?? Number.NaN;
  return { puts: measured.length, failed, p50Ms: at(0.5), p99Ms: at(0.99) };
}

process.on("message", (order: SteadyOrder) => {
  if (order === "begin") {
    latencies = [];
    waiting = [];
    failed = 0;
  } else void end().then((result) => process.send?.(result));
});
process.on("disconnect", () => process.exit());
process.send?.("ready");
