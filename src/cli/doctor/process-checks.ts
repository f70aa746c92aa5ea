/**
 * Checks of the process's surroundings: Node, memory, limits, clocks, the event loop.
 *
 * Leaves out: anything that touches the data directory or the network.
 */
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { setTimeout as wait } from "node:timers/promises";
import { getHeapStatistics } from "node:v8";
import { type Check, good } from "./check.ts";
import { openFilesMax } from "../serving-process.ts";

const SAMPLE_MS = 300;
const MIB = 2 ** 20;
const DEFAULT_QUOTA_MIB = 1024;

/** Node 20.19 is the least version that can `require` the package. */
export function nodeVersion(version: string): Check {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  const enough = major > 20 || (major === 20 && minor >= 19);
  if (enough) return good("node", version);
  return { name: "node", verdict: "fail", found: version, remedy: "Install Node 20.19 or newer." };
}

/** The store lives in the heap: its quota should be at most 40 % of the limit. */
export function heap(): Check {
  const limit = getHeapStatistics().heap_size_limit;
  const room = Math.round((0.4 * limit) / MIB);
  const found = `limit ${Math.round(limit / MIB)} MiB: room for a quota of ${room} MiB`;
  const figures = { limitBytes: limit };
  if (room >= DEFAULT_QUOTA_MIB) return good("heap", found, figures);
  const remedy = `Give --quota-bytes ${room}m, or set NODE_OPTIONS=--max-old-space-size=2560 (MiB).`;
  return { name: "heap", verdict: "warn", found, remedy, figures };
}

/** Each connection is a file. */
export async function openFiles(): Promise<Check> {
  const soft = await openFilesMax();
  if (soft === undefined) return good("open files", "no limit known on this platform");
  if (soft >= 4096) return good("open files", `limit ${soft}`, { limit: soft });
  return {
    name: "open files",
    verdict: "warn",
    found: `limit ${soft}: about ${Math.max(0, soft - 100)} connections`,
    remedy: "Raise it: ulimit -n 65536, or LimitNOFILE in the service unit.",
    figures: { limit: soft },
  };
}

/** The wall clock must run with the monotonic one and be a plausible date. */
export async function clock(): Promise<Check> {
  const wall = Date.now();
  const monotonic = performance.now();
  await wait(SAMPLE_MS);
  const driftMs = Date.now() - wall - (performance.now() - monotonic);
  const found = `${new Date(wall).toISOString()}, ${driftMs.toFixed(1)} ms against the monotonic clock in ${SAMPLE_MS} ms`;
  const figures = { driftMs };
  if (wall < Date.UTC(2024, 0, 1)) {
    return {
      name: "clock",
      verdict: "fail",
      found,
      remedy: "Set the machine's clock; run an NTP client.",
      figures,
    };
  }
  if (Math.abs(driftMs) < 20) return good("clock", found, figures);
  const remedy =
    "The wall clock is being stepped: let the NTP client slew it. Leases do not depend on it.";
  return { name: "clock", verdict: "warn", found, remedy, figures };
}

/** A late event loop is a late heartbeat. */
export async function eventLoop(): Promise<Check> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  await wait(SAMPLE_MS);
  delay.disable();
  const worst = delay.max / 1e6;
  const usual = delay.percentile(99) / 1e6;
  const found = `late by at most ${worst.toFixed(1)} ms, p99 ${usual.toFixed(1)} ms`;
  const figures = { maxMs: worst, p99Ms: usual };
  if (worst < 50) return good("event loop", found, figures);
  const verdict = worst < 1000 ? "warn" : "fail";
  const remedy = "The machine is short of CPU: give it more, or move other programs away.";
  return { name: "event loop", verdict, found, remedy, figures };
}
