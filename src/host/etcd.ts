/**
 * gRPC for the etcd engine by `@grpc/grpc-js`, an optional peer: loaded when an etcd is named, never before.
 *
 * Which calls certainly did not leave: those that grpc-js failed for want of a connection, as its message says.
 */
import type * as grpcJs from "@grpc/grpc-js";
import type { ChannelCredentials, Client, ServiceError } from "@grpc/grpc-js";
import { fail } from "../base/errors.ts";
import type { GrpcStream, GrpcStreamHandler, GrpcClient } from "../ports/grpc.ts";
import { GrpcStatus } from "../ports/grpc.ts";

/** How etcd is reached over TLS: PEM texts. */
export interface EtcdTls {
  /** Certificate authority; default the machine's. */
  readonly ca?: string | Uint8Array | undefined;
  /** Client certificate and its key. */
  readonly cert?: string | Uint8Array | undefined;
  readonly key?: string | Uint8Array | undefined;
}

type Grpc = typeof grpcJs;

async function loadGrpc(): Promise<Grpc> {
  try {
    return await import("@grpc/grpc-js");
  } catch (error) {
    throw fail(
      "ENGINE_MISSING",
      {
        object: "etcd engine",
        what: "needs the package @grpc/grpc-js, which is not installed",
        remedy: "Run npm install @grpc/grpc-js.",
      },
      error,
    );
  }
}

/** A client of `endpoints` (`host:port`). Errors: ENGINE_MISSING (definite). */
export async function grpcClient(
  endpoints: readonly string[],
  tls: EtcdTls | undefined,
): Promise<GrpcClient> {
  const grpc = await loadGrpc();
  const clients = endpoints.map(
    (endpoint) => new grpc.Client(endpoint, credentials(grpc, tls), CHANNEL),
  );
  return new GrpcJsClient(grpc, clients);
}

/** Replies as large as etcd sends; a connection of its own; reconnects soon. */
const CHANNEL = {
  "grpc.max_receive_message_length": -1,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.initial_reconnect_backoff_ms": 50,
  "grpc.max_reconnect_backoff_ms": 2_000,
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
};

function credentials(grpc: Grpc, tls: EtcdTls | undefined): ChannelCredentials {
  if (tls === undefined) return grpc.credentials.createInsecure();
  const buffer = (pem: string | Uint8Array | undefined): Buffer | null =>
    pem === undefined ? null : Buffer.from(pem as string);
  return grpc.credentials.createSsl(buffer(tls.ca), buffer(tls.key), buffer(tls.cert));
}

const same = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

class GrpcJsClient implements GrpcClient {
  readonly #grpc: Grpc;
  readonly #clients: readonly Client[];
  /** The endpoint in use; the next one after it fails to connect, or cannot serve. */
  #at = 0;

  constructor(grpc: Grpc, clients: readonly Client[]) {
    this.#grpc = grpc;
    this.#clients = clients;
  }

  unary(path: string, request: Uint8Array): Promise<Uint8Array> {
    const client = this.#client();
    return new Promise((resolve, reject) => {
      const settle = (error: ServiceError | null, response?: Uint8Array): void => {
        if (error === null) resolve(response ?? new Uint8Array());
        else reject(this.#failed(client, error));
      };
      client.makeUnaryRequest(path, same, (bytes: Buffer) => bytes, request, settle);
    });
  }

  duplex(path: string, handler: GrpcStreamHandler): GrpcStream {
    const client = this.#client();
    const call = client.makeBidiStreamRequest(path, same, (bytes: Buffer) => bytes);
    let over = false;
    const end = (status: GrpcStatus): void => {
      if (over) return;
      over = true;
      handler.ended(status);
    };
    call.on("data", (bytes: Buffer) => handler.received(bytes));
    call.on("error", (error: ServiceError) => end(this.#failed(client, error)));
    call.on("end", () => end(new GrpcStatus(UNAVAILABLE, "the stream was ended", false)));
    return {
      send: (bytes) => void call.write(bytes),
      end: () => call.end(),
      pause: () => call.pause(),
      resume: () => call.resume(),
      cancel: () => call.cancel(),
    };
  }

  /** The first endpoint that connects is the one in use. */
  async ready(timeoutMs: number): Promise<void> {
    const { promise, resolve, reject } = deferred();
    let failed = 0;
    let isReady = false;
    this.#clients.forEach((client, at) => {
      client.waitForReady(Date.now() + timeoutMs, (error) => {
        if (error === undefined) {
          if (!isReady) this.#at = at;
          isReady = true;
          resolve();
        } else if (++failed === this.#clients.length) reject(error);
      });
    });
    await promise;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #client(): Client {
    return this.#clients[this.#at % this.#clients.length] as Client;
  }

  #failed(client: Client, error: ServiceError): GrpcStatus {
    const unsent = error.code === UNAVAILABLE && UNSENT.test(error.details);
    const state = client.getChannel().getConnectivityState(false);
    const lost = state === this.#grpc.connectivityState.TRANSIENT_FAILURE;
    // A member that is cut off from the others can be reached, and serves nobody.
    const useless = error.code === UNAVAILABLE && USELESS.test(error.details);
    if ((lost || useless) && client === this.#client()) this.#at++;
    return new GrpcStatus(error.code, error.details, unsent);
  }
}

const UNAVAILABLE = 14;
const UNSENT = /^(No connection established|Name resolution failed|Channel has been shut down)/;
/** What a member says that has lost the others, or ends. */
const USELESS = /^etcdserver: (no leader|request timed out|server stopped)/;

function deferred(): {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
} {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
