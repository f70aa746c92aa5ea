/**
 * Measures recovery and the pump on this machine's disk: `node dist/test/durability/measure.js [keys]` (default 1e6).
 *
 * Prints one line per figure: throughput with 1, 64 and 256 puts in flight, the time to open after SIGKILL and after a
 * clean stop, and how long the event loop stood still meanwhile. Not a test: it judges nothing.
 */
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { utf8 } from "../../src/base/bytes.ts";
import { procedureSet } from "../../src/contract/procedure.ts";
import type { Request, Response } from "../../src/contract/requests.ts";
import { openDriver } from "../../src/driver/driver.ts";
import type { Driver } from "../../src/driver/face.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostDisk } from "../../src/host/disk.ts";
import { hostEntropy } from "../../src/host/entropy.ts";

const VALUE = utf8("v".repeat(100));

function open(directory: string): Promise<Driver> {
  const [disk, procedures] = [hostDisk(directory), procedureSet([])];
  return openDriver({
    disk,
    clock: hostClock,
    entropy: hostEntropy,
    procedures,
    label: "measured",
  });
}

function ask(driver: Driver, request: Request): Promise<Response> {
  return new Promise((resolve, reject) => {
    driver.submit(request, undefined, (reply) => {
      if (reply.ok) resolve(reply.response);
      else reject(new Error(`${reply.failure.code} ${reply.failure.what}`));
    });
  });
}

/** Puts `count` keys from `first` on with `inFlight` at a time; returns puts per second. */
async function fill(
  driver: Driver,
  first: number,
  count: number,
  inFlight: number,
): Promise<number> {
  let next = first;
  const put = async (): Promise<void> => {
    while (next < first + count) {
      const key = utf8(`key/${String(next++).padStart(9, "0")}`);
      await ask(driver, { kind: "put", key, value: VALUE });
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: inFlight }, put));
  return (count * 1_000) / (performance.now() - started);
}

/** Does `work`; prints how long it took and the longest that the event loop stood still. */
async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = performance.now();
  const result = await work();
  const tookMs = performance.now() - started;
  await new Promise((resolve) => setTimeout(resolve, 5));
  delay.disable();
  const [worstMs, usuallyMs] = [delay.max / 1e6 - 1, delay.percentile(99.9) / 1e6 - 1];
  console.log(
    `${what}: ${Math.round(tookMs)} ms; loop held up to ${worstMs.toFixed(1)} ms, p99.9 ${usuallyMs.toFixed(1)} ms`,
  );
  return result;
}

async function fillAndWait(directory: string, keys: number): Promise<never> {
  const driver = await open(directory);
  const each = Math.min(4_000, keys / 10);
  console.log(`1 in flight: ${Math.round(await fill(driver, 0, each, 1))} puts/s`);
  console.log(`64 in flight: ${Math.round(await fill(driver, each, 10 * each, 64))} puts/s`);
  const rest = await timed("filling", () => fill(driver, 0, keys, 256));
  console.log(`256 in flight: ${Math.round(rest)} puts/s\nfilled`);
  return new Promise(() => setInterval(() => {}, 1_000));
}

async function main(keys: number): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "quorate-measure-"));
  try {
    const child = spawn(process.execPath, [process.argv[1] ?? "", String(keys), directory], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    for await (const part of child.stdout) {
      process.stdout.write(part as Buffer);
      if (String(part).includes("filled")) child.kill("SIGKILL");
    }
    await ended;
    const killed = await timed(`open after SIGKILL, ${keys} keys`, () => open(directory));
    await timed("hash", () => ask(killed, { kind: "hash" }));
    await timed("compact", () =>
      ask(killed, { kind: "compact", revision: killed.status().revision, physical: true }),
    );
    await timed("delete 10,000 keys", () =>
      ask(killed, { kind: "deleteRange", key: utf8("key/"), end: utf8("key/000010000") }),
    );
    await timed("close with snapshot", () => killed.close());
    const stopped = await timed("open after a clean stop", () => open(directory));
    console.log(
      `${stopped.status().keys} keys; resident ${Math.round(process.memoryUsage.rss() / (1 << 20))} MiB`,
    );
    await stopped.close();
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const [keys = "1000000", directory] = process.argv.slice(2);
await (directory === undefined ? main(Number(keys)) : fillAndWait(directory, Number(keys)));
