/**
 * Starts and stops the two servers that are compared, each in a process of its own with its data below `.bench` of the
 * working directory, so that both write to the same file system. Flushes are read from each server's own metrics;
 * `syscalls.ts` checks those figures with strace.
 */
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export const BENCH_DIRECTORY: string = resolve(".bench");
const CLI = join(import.meta.dirname, "..", "src", "cli", "main.js");
const START_MS = 30_000;

/** A server under test. */
export interface BenchServer {
  readonly name: string;
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  readonly directory: string;
  /** Flushes to the disk since the start. */
  flushes(): Promise<number>;
  /** Ends it with `signal`, SIGTERM by default; keeps the data. Resolves when the process is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

export function scratchDirectory(name: string): string {
  mkdirSync(BENCH_DIRECTORY, { recursive: true });
  return mkdtempSync(join(BENCH_DIRECTORY, `${name}-`));
}

/** The version of etcd that is installed, or undefined. */
export function etcdVersion(): string | undefined {
  const asked = spawnSync("etcd", ["--version"], { encoding: "utf8" });
  return asked.error === undefined ? /etcd Version: (\S+)/.exec(asked.stdout)?.[1] : undefined;
}

export async function startEtcd(): Promise<BenchServer> {
  const directory = scratchDirectory("etcd");
  const [client, peer] = [await freePort(), await freePort()];
  const clientUrl = `http://127.0.0.1:${client}`;
  const peerUrl = `http://127.0.0.1:${peer}`;
  const child = spawn(
    "etcd",
    [
      ["--data-dir", directory],
      ["--listen-client-urls", clientUrl, "--advertise-client-urls", clientUrl],
      ["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
      ["--initial-cluster", `default=${peerUrl}`, "--quota-backend-bytes", String(8 * 2 ** 30)],
      ["--log-level", "error"],
    ].flat(),
    { stdio: "ignore" },
  );
  const server = running("etcd", child, client, directory, [
    "etcd_disk_wal_fsync_duration_seconds_count",
    "etcd_disk_backend_commit_duration_seconds_count",
  ]);
  await answers(child, async () => (await page(client, "/health")).includes('"true"'));
  return server;
}

/** Options of a Quorate server under test. */
export interface QuorateServerOptions {
  /** Data of an earlier server; default a fresh directory. */
  readonly directory?: string | undefined;
  /** Arguments for Node itself, for example `--cpu-prof`. */
  readonly nodeArguments?: readonly string[] | undefined;
  readonly serveArguments?: readonly string[] | undefined;
}

export async function startQuorate(options: QuorateServerOptions = {}): Promise<BenchServer> {
  const directory = options.directory ?? scratchDirectory("quorate");
  const port = await freePort();
  const child = spawn(
    process.execPath,
    [
      ...(options.nodeArguments ?? []),
      ...[CLI, "serve", "--listen", `127.0.0.1:${port}`, "--data-dir", directory],
      ...(options.serveArguments ?? []),
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const server = running("quorate", child, port, directory, ["quorate_log_flush_ms_count"]);
  await answers(child, async () => (await page(port, "/readyz")) === "ok\n");
  return server;
}

function running(
  name: string,
  child: ChildProcess,
  port: number,
  directory: string,
  flushCounters: readonly string[],
): BenchServer {
  const gone = new Promise<void>((done) => child.once("close", () => done()));
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
    child.kill(signal);
    await gone;
  };
  // A benchmark that is interrupted leaves no server behind.
  process.once("exit", () => child.kill("SIGKILL"));
  return {
    name,
    pid: child.pid ?? 0,
    host: "127.0.0.1",
    port,
    directory,
    flushes: async () => {
      const metrics = await page(port, "/metrics");
      return flushCounters.reduce((sum, counter) => sum + metric(metrics, counter), 0);
    },
    stop,
    remove: async () => {
      await stop("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The value of the counter or gauge `name` in Prometheus's text form. */
export function metric(metrics: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1] ?? Number.NaN);
}

export async function page(port: number, path: string): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}${path}`);
  return await answer.text();
}

async function answers(child: ChildProcess, ready: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + START_MS; Date.now() < end; await pause(5)) {
    if (child.exitCode !== null)
      throw new Error(`the server ended with exit code ${child.exitCode} at its start`);
    if (await ready().catch(() => false)) return;
  }
  throw new Error(`the server was not ready after ${START_MS} ms`);
}

function freePort(): Promise<number> {
  return new Promise((done, failed) => {
    const probe = createServer();
    probe.once("error", failed);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
