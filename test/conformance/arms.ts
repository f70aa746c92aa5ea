/**
 * The engines that a conformance suite runs over. An arm opens one coordination state and gives connections to it, each
 * with a session of its own.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Keyspace } from "../../src/contract/keyspace.ts";
import type { ConnectOptions } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";
import { Quorate } from "../../src/sdk/quorate.ts";
import { hostClock } from "../../src/host/clock.ts";
import { hostEntropy } from "../../src/host/entropy.ts";
import { slowTwin } from "../../src/verify/slow-twin.ts";
import { etcdMissing, startEtcd } from "../etcd/etcd-process.ts";
import { startServer } from "../../src/server/index.ts";

export interface OpenArm {
  /** Another connection to the same state. */
  client(service: string, sessionTtlMs?: number): Promise<Quorate>;
  close(): Promise<void>;
}

export interface Arm {
  readonly name: string;
  /** Why it cannot run here. */
  readonly skip?: string | false | undefined;
  open(): Promise<OpenArm>;
}

/** Connections over one embedded engine: they share it, so only the arm closes it. */
async function embedded(
  url: string,
  options: ConnectOptions,
  seen: (keyspace: Keyspace) => Keyspace = (keyspace) => keyspace,
): Promise<OpenArm> {
  const owner = await connect(url, options);
  const close = (): Promise<void> => Promise.resolve();
  const clients: Quorate[] = [];
  return {
    client: (service, sessionTtlMs = 10_000) => {
      const identity = { service, host: "here", pid: process.pid };
      const shared = { ...seen(owner.commitment.keyspace), close };
      const q = new Quorate(shared, { identity, sessionTtlMs });
      clients.push(q);
      return Promise.resolve(q);
    },
    close: async () => {
      for (const each of clients) await each.close();
      await owner.close();
    },
  };
}

export const memoryArm: Arm = { name: "memory:", open: () => embedded("memory:", {}) };

/** Re-executes procedures at random, which shows those that are not deterministic. */
export const strictArm: Arm = {
  name: "memory: strict",
  open: () => embedded("memory:", { strict: true }),
};

export const fileArm: Arm = {
  name: "file:",
  open: async () => {
    const directory = mkdtempSync(join(tmpdir(), "quorate-arm-"));
    const arm = await embedded(`file:${directory}`, {});
    return {
      client: (service, sessionTtlMs) => arm.client(service, sessionTtlMs),
      close: async () => {
        await arm.close();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  },
};

export const serverArm: Arm = {
  name: "quorate://",
  open: async () => {
    const server = await startServer({ listen: "127.0.0.1:0" });
    const clients: Quorate[] = [];
    return {
      client: async (service, sessionTtlMs = 10_000) => {
        const q = await connect(server.url, { service, sessionTtlMs });
        clients.push(q);
        return q;
      },
      close: async () => {
        for (const each of clients) await each.close();
        await server.close();
      },
    };
  },
};

/** An engine without procedures behind a slow wire: each client evaluates for itself. */
export const slowArm: Arm = {
  name: "slow twin",
  open: () =>
    embedded("memory:", {}, (keyspace) =>
      slowTwin(keyspace, { clock: hostClock, entropy: hostEntropy }),
    ),
};

/** Connections of the etcd engine to whatever serves etcd's API at `endpoint`. */
function etcdClients(endpoint: string, stop: () => Promise<void>): OpenArm {
  const clients: Quorate[] = [];
  return {
    client: async (service, sessionTtlMs = 10_000) => {
      const q = await connect(`etcd://${endpoint}`, { service, sessionTtlMs });
      clients.push(q);
      return q;
    },
    close: async () => {
      for (const each of clients) await each.close();
      await stop();
    },
  };
}

export const etcdArm: Arm = {
  name: "etcd",
  skip: etcdMissing,
  open: async () => {
    const server = await startEtcd();
    return etcdClients(server.endpoint, () => server.stop());
  },
};

/** The engine for etcd, and our own server in etcd's place. */
export const etcdFaceArm: Arm = {
  name: "etcd, served by quorate",
  open: async () => {
    const server = await startServer({ listen: "127.0.0.1:0" });
    return etcdClients(server.url.replace("quorate://", ""), () => server.close());
  },
};

export const arms: readonly Arm[] = [
  memoryArm,
  strictArm,
  fileArm,
  serverArm,
  slowArm,
  etcdArm,
  etcdFaceArm,
];
