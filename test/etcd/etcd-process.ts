/** A real etcd for one test file: one member on free ports, data in a temporary directory, killed at the end. */
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts etcd and resolves when it serves. */
export async function startEtcd(): Promise<EtcdProcess> {
  const directory = mkdtempSync(join(tmpdir(), "quorate-etcd-"));
  const [client, peer] = [await freePort(), await freePort()];
  const endpoint = `127.0.0.1:${client}`;
  const flags = [
    `--data-dir=${directory}`,
    `--listen-client-urls=http://${endpoint}`,
    `--advertise-client-urls=http://${endpoint}`,
    `--listen-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-advertise-peer-urls=http://127.0.0.1:${peer}`,
    `--initial-cluster=default=http://127.0.0.1:${peer}`,
  ];
  let running = await launch(flags);
  return {
    endpoint,
    kill: () => running.kill(),
    restart: async () => {
      await running.kill();
      running = await launch(flags);
    },
    stop: async () => {
      await running.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function launch(flags: readonly string[]): Promise<{ kill(): Promise<void> }> {
  const child = spawn("etcd", flags, { stdio: ["ignore", "ignore", "pipe"] });
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
