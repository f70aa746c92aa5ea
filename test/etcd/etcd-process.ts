/**
 * An etcd for one test file, the real one or `quorate etcd`, which takes the same flags: one member on free ports, data in a
 * temporary directory, killed at the end.
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../free-ports.ts";

export interface EtcdProcess {
  /** `host:port` of its client side. */
  readonly endpoint: string;
  /** SIGKILL; the data stays. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Why etcd cannot be run here; false where it can. */
export const etcdMissing: string | false =
  spawnSync("etcd", ["--version"]).error === undefined ? false : "etcd is not installed";

/** The same for `etcdctl`. */
export const etcdctlMissing: string | false =
  etcdMissing !== false || spawnSync("etcdctl", ["version"]).error === undefined
    ? etcdMissing
    : "etcdctl is not installed";

/** What starts etcd, before its flags. */
export type EtcdCommand = readonly [string, ...string[]];
export const ETCD: EtcdCommand = ["etcd"];
export const QUORATE_ETCD: EtcdCommand = [
  process.execPath,
  fileURLToPath(new URL("../../src/cli/main.js", import.meta.url)),
  "etcd",
];

/** Starts it with its data below `parent`, where it also runs, and resolves when it serves. */
export async function startEtcd(
  command: EtcdCommand = ETCD,
  parent: string = tmpdir(),
): Promise<EtcdProcess> {
  const directory = mkdtempSync(join(parent, "quorate-etcd-"));
  const [client = 0, peer = 0] = await freePorts(2);
  const endpoint = `127.0.0.1:${client}`;
  const flags = [
    `--data-dir=${directory}`,
    `--listen-client-urls=http://${endpoint}`,
    `--advertise-client-urls=http://${endpoint}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
  ];
  const start = (): Promise<{ kill(): Promise<void> }> => launch(command, flags, directory);
  let running = await start();
  return {
    endpoint,
    kill: () => running.kill(),
    restart: async () => {
      await running.kill();
      running = await start();
    },
    stop: async () => {
      await running.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function launch(
  [program, ...args]: EtcdCommand,
  flags: readonly string[],
  cwd: string,
): Promise<{ kill(): Promise<void> }> {
  const child = spawn(program, [...args, ...flags], { cwd, stdio: ["ignore", "ignore", "pipe"] });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  // A test process that dies takes its etcd along.
  const kill = (): void => void child.kill("SIGKILL");
  process.once("exit", kill);
  let said = "";
  await new Promise<void>((resolve, reject) => {
    child.stderr.on("data", (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-20_000);
      if (said.includes("ready to serve client requests")) resolve();
    });
    void exited.then(() => reject(new Error(`etcd ended before it served:\n${said}`)));
  });
  return {
    kill: async () => {
      kill();
      await exited;
      process.removeListener("exit", kill);
    },
  };
}
