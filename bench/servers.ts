/**
 * Starts and stops the two servers that are compared, each in a process of its own with its data below `.bench` of the
 * working directory, so that both write to the same file system. Flushes are read from each server's own metrics;
 * `syscalls.ts` checks those figures with strace.
 */
import type { ChildProcess } from "node:child_process";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { freePort, freePorts } from "../test/free-ports.ts";
import type { ProbeRequest } from "./loop-probe.ts";

export const BENCH_DIRECTORY: string = resolve(".bench");
export const CLI: string = join(import.meta.dirname, "..", "src", "cli", "main.js");
const PROBE = pathToFileURL(join(import.meta.dirname, "loop-probe.js")).href;
const START_MS = 30_000;

/** A server under test. */
export interface BenchServer {
  readonly name: string;
  readonly pid: number;
  readonly host: string;
  readonly port: number;
  readonly directory: string;
  readonly child: ChildProcess;
  /** Flushes to the disk since the start. */
  flushes(): Promise<number>;
  /** Ends it with `signal`, SIGTERM by default; keeps the data. Resolves when the process is gone. */
  stop(signal?: NodeJS.Signals): Promise<void>;
  /** Ends it and removes its data. */
  remove(): Promise<void>;
}

/** Where a probed server leaves what it measured of its end. */
export function probeFile(directory: string): string {
  return `${directory}-probe.json`;
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
  const [client = 0, peer = 0] = await freePorts(2);
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
  const server = running("etcd", child, client, directory);
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
  /** It was told to speak TLS: whether it is ready cannot be asked in the clear. */
  readonly tls?: boolean | undefined;
  /** Loads `loop-probe.ts` into it, which answers over a channel to this process. */
  readonly probed?: boolean | undefined;
}

export async function startQuorate(options: QuorateServerOptions = {}): Promise<BenchServer> {
  const directory = options.directory ?? scratchDirectory("quorate");
  const port = await freePort();
  const probed = options.probed === true;
  const child = spawn(
    process.execPath,
    [
      ...(probed ? ["--expose-gc", "--import", PROBE] : []),
      ...(options.nodeArguments ?? []),
      ...[CLI, "serve", "--listen", `127.0.0.1:${port}`, "--data-dir", directory],
      ...(options.serveArguments ?? []),
    ],
    {
      stdio: ["ignore", "ignore", "inherit", ...(probed ? (["ipc"] as const) : [])],
      env: { ...process.env, PROBE_FILE: probeFile(directory) },
    },
  );
  const server = running("quorate", child, port, directory);
  // What it does until it listens is starting Node and loading the program: its tasks begin with the data.
  if (probed) {
    await answers(child, () => accepts(port));
    child.send("begin" satisfies ProbeRequest);
  }
  await answers(child, async () =>
    options.tls === true ? accepts(port) : (await page(port, "/readyz")) === "ok\n",
  );
  return server;
}

/** A benchmark that is told to end ends its servers with it. */
const interrupted = (): void => process.exit(143);

/** Which of a server's counters are flushes. */
const FLUSH_COUNTERS: Readonly<Record<"etcd" | "quorate", readonly string[]>> = {
  etcd: [
    "etcd_disk_wal_fsync_duration_seconds_count",
    "etcd_disk_backend_commit_duration_seconds_count",
  ],
  quorate: ["quorate_log_flush_ms_count"],
};

export async function flushesOf(program: "etcd" | "quorate", port: number): Promise<number> {
  const metrics = await page(port, "/metrics");
  return FLUSH_COUNTERS[program].reduce((sum, counter) => sum + metric(metrics, counter), 0);
}

function running(
  name: "etcd" | "quorate",
  child: ChildProcess,
  port: number,
  directory: string,
): BenchServer {
  const gone = new Promise<void>((done) => child.once("close", () => done()));
  const stop = async (signal: NodeJS.Signals = "SIGTERM"): Promise<void> => {
    child.kill(signal);
    await gone;
  };
  // A benchmark that is interrupted leaves no server behind.
  const end = (): void => void child.kill("SIGKILL");
  process.once("exit", end);
  process.once("SIGTERM", interrupted);
  void gone.then(() => process.off("exit", end).off("SIGTERM", interrupted));
  return {
    name,
    pid: child.pid ?? 0,
    host: "127.0.0.1",
    port,
    directory,
    child,
    flushes: () => flushesOf(name, port),
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

function accepts(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => done(true));
    socket.once("error", () => done(false));
    socket.once("connect", () => socket.destroy());
  });
}
