/**
 * The same calls on a real etcd and on Quorate, and what may differ between their answers: cluster and member ids, the
 * term, and ids that the server chose (named by their first appearance).
 */
import assert from "node:assert/strict";
import type { EtcdProcess } from "../etcd/etcd-process.ts";
import { startEtcd } from "../etcd/etcd-process.ts";
import type { RunningServer } from "../../src/server/index.ts";
import { startServer } from "../../src/server/index.ts";
import { GrpcClient } from "./grpc-client.ts";

/** etcd's minimum with its default election timeout. */
const MIN_LEASE_TTL_S = 2;

export interface Side {
  readonly name: "etcd" | "quorate";
  readonly endpoint: string;
  readonly client: GrpcClient;
}

export class TwoServers {
  readonly #etcd: EtcdProcess;
  readonly #quorate: RunningServer;
  readonly sides: readonly [Side, Side];

  private constructor(etcd: EtcdProcess, quorate: RunningServer) {
    this.#etcd = etcd;
    this.#quorate = quorate;
    const ours = quorate.url.replace("quorate://", "");
    this.sides = [
      { name: "etcd", endpoint: etcd.endpoint, client: new GrpcClient(etcd.endpoint) },
      { name: "quorate", endpoint: ours, client: new GrpcClient(ours) },
    ];
  }

  static async start(): Promise<TwoServers> {
    const quorate = await startServer({
      listen: "127.0.0.1:0",
      minLeaseTtlS: MIN_LEASE_TTL_S,
      historyKeep: 0,
    });
    return new TwoServers(await startEtcd(), quorate);
  }

  async stop(): Promise<void> {
    for (const side of this.sides) side.client.close();
    await Promise.all([this.#etcd.stop(), this.#quorate.close()]);
  }

  /** Runs `conversation` on both and holds their accounts against each other. */
  async agree(
    what: string,
    conversation: (side: Side) => Promise<readonly unknown[]>,
  ): Promise<readonly unknown[]> {
    const [theirs = [], ours = []] = await Promise.all(
      this.sides.map(async (side) => masked(await conversation(side)) as readonly unknown[]),
    );
    // One at a time: the first difference is what there is to see.
    for (const [at, each] of theirs.entries())
      assert.deepEqual(ours[at], each, `${what}, answer ${at}: quorate (+) and etcd (-)`);
    assert.equal(ours.length, theirs.length, what);
    return ours;
  }
}

/** The result of a call, or its refusal, as plain data. */
export async function outcome(call: Promise<unknown>): Promise<unknown> {
  try {
    return await call;
  } catch (error) {
    const { code, details } = error as { readonly code?: number; readonly details?: string };
    if (typeof code !== "number") throw error;
    return { code, details };
  }
}

const CHOSEN_IDS_FROM = 1n << 40n;

/** Ids by their first appearance, and no ids of clusters, members or terms at all. */
function masked(account: unknown): unknown {
  const names = new Map<bigint, string>();
  const walk = (value: unknown): unknown => {
    if (typeof value === "bigint") {
      if (value < CHOSEN_IDS_FROM && value > -CHOSEN_IDS_FROM) return `${value}n`;
      const name = names.get(value) ?? `id ${names.size + 1}`;
      names.set(value, name);
      return name;
    }
    if (Array.isArray(value)) return value.map(walk);
    if (typeof value !== "object" || value === null) return value;
    const given = value as Readonly<Record<string, unknown>>;
    if ("raftTerm" in given && "revision" in given) return { revision: given["revision"] };
    return Object.fromEntries(Object.entries(given).map(([key, each]) => [key, walk(each)]));
  };
  return walk(account);
}
