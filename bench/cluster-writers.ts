/** Who writes to a cluster while its members are killed: through the SDK, or through etcd's interface. */
import { Client, credentials } from "@grpc/grpc-js";
import type { Bytes } from "../src/base/bytes.ts";
import { connect } from "../src/sdk/index.ts";
import { putCall } from "./etcd-messages.ts";
import { VALUE } from "./workload.ts";

/** How long a call through etcd's interface waits before it goes to the next endpoint. */
const DEADLINE_MS = 250;

export interface Writer {
  /** Rejects if it is not known to have happened. */
  put(key: string): Promise<void>;
  close(): Promise<void>;
}

/** The SDK with its defaults. */
export async function sdkWriter(ports: readonly number[]): Promise<Writer> {
  const hosts = ports.map((port) => `127.0.0.1:${port}`).join(",");
  const q = await connect(`quorate://${hosts}`, { service: "failover" });
  const { keyspace } = q.commitment;
  const value = VALUE as Bytes;
  return {
    put: async (key) => void (await keyspace.call({ kind: "put", key: key as Bytes, value })),
    close: () => q.close(),
  };
}

export function etcdWriter(ports: readonly number[]): Writer {
  const clients = ports.map(
    (port) => new Client(`127.0.0.1:${port}`, credentials.createInsecure()),
  );
  let turn = 0;
  return {
    put: (key) => {
      const client = clients[turn % clients.length] as Client;
      const { path, body } = putCall(key, VALUE);
      const deadline = Date.now() + DEADLINE_MS;
      return new Promise((done, failed) => {
        const ended = (error: Error | null): void => {
          if (error === null) return done();
          turn++;
          failed(error);
        };
        client.makeUnaryRequest(path, same, same, body.subarray(5), { deadline }, ended);
      });
    },
    close: async () => clients.forEach((client) => client.close()),
  };
}

function same(bytes: Buffer): Buffer {
  return bytes;
}
