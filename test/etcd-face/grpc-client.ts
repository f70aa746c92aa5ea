/** Clients of the gRPC face: `@grpc/grpc-js` with our codecs, and bare HTTP/2 for what no client would send. */
import { once } from "node:events";
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { connect } from "node:http2";
import type { ClientDuplexStream, ServiceError } from "@grpc/grpc-js";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import type { Init, Message } from "../../src/wire/protobuf.ts";

interface Shape<Q extends object, S extends object> {
  readonly path: string;
  readonly request: Message<Q>;
  readonly response: Message<S>;
}

/** What a failed call said. */
export interface Refusal {
  readonly code: number;
  readonly details: string;
}

const buffer = (bytes: Uint8Array): Buffer => Buffer.from(bytes);

/** An open stream of messages. */
export class Conversation<Q extends object, S extends object> {
  readonly #shape: Shape<Q, S>;
  readonly #call: ClientDuplexStream<Uint8Array, Buffer>;
  readonly #messages: S[] = [];
  #refused: Refusal | undefined;
  #ended = false;
  #tell: () => void = () => {};

  constructor(client: Client, shape: Shape<Q, S>, metadata: Metadata) {
    this.#shape = shape;
    const bytes = (each: Buffer): Buffer => each;
    this.#call = client.makeBidiStreamRequest(shape.path, buffer, bytes, metadata);
    this.#call.on("data", (bytes: Buffer) => {
      this.#messages.push(shape.response.decode(bytes));
      this.#tell();
    });
    this.#call.on("error", (error: ServiceError) => {
      this.#refused = { code: error.code, details: error.details };
      this.#tell();
    });
    this.#call.on("end", () => {
      this.#ended = true;
      this.#tell();
    });
  }
  send(message: Init<Q>): void {
    this.#call.write(this.#shape.request.encode(message));
  }
  finish(): void {
    this.#call.end();
  }
  cancel(): void {
    this.#call.cancel();
  }
  /** The next message; throws if the stream ends instead. */
  async next(): Promise<S> {
    for (;;) {
      const message = this.#messages.shift();
      if (message !== undefined) return message;
      if (this.#refused !== undefined || this.#ended)
        throw new Error(`the stream is over: ${JSON.stringify(this.#refused)}`);
      await new Promise<void>((told) => (this.#tell = told));
    }
  }
  /** How the stream ended. */
  async end(): Promise<Refusal | undefined> {
    while (this.#refused === undefined && !this.#ended)
      await new Promise<void>((told) => (this.#tell = told));
    return this.#refused;
  }
}

export class GrpcClient {
  readonly #client: Client;
  /** What each call shows of who makes it. */
  readonly #metadata = new Metadata();
  /** `endpoint`: `host:port`. */
  constructor(endpoint: string) {
    this.#client = new Client(endpoint, credentials.createInsecure(), {
      "grpc.max_send_message_length": -1,
      "grpc.max_receive_message_length": -1,
      "grpc.use_local_subchannel_pool": 1,
    });
  }
  /** Calls come with this token from now on, or with none; `name` is the header that carries it. */
  show(token: string | undefined, name = "token"): void {
    for (const each of ["token", "authorization"]) this.#metadata.remove(each);
    if (token !== undefined) this.#metadata.set(name, token);
  }
  call<Q extends object, S extends object>(
    shape: Shape<Q, S>,
    request: Init<Q>,
    deadlineMs = 10_000,
  ): Promise<S> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        shape.path,
        buffer,
        (bytes: Buffer) => bytes,
        shape.request.encode(request),
        this.#metadata,
        { deadline: Date.now() + deadlineMs },
        (error, bytes) => {
          if (error !== null) reject(error);
          else resolve(shape.response.decode(bytes as Buffer));
        },
      );
    });
  }
  /** The refusal of a call that must fail. */
  async refusal<Q extends object, S extends object>(
    shape: Shape<Q, S>,
    request: Init<Q>,
    deadlineMs?: number,
  ): Promise<Refusal> {
    try {
      const answer = await this.call(shape, request, deadlineMs);
      throw new Error(
        `was answered: ${JSON.stringify(answer, (_, each: unknown) => (typeof each === "bigint" ? String(each) : each))}`,
      );
    } catch (error) {
      const { code, details } = error as Partial<ServiceError>;
      if (code === undefined || details === undefined) throw error;
      return { code, details };
    }
  }
  converse<Q extends object, S extends object>(shape: Shape<Q, S>): Conversation<Q, S> {
    return new Conversation(this.#client, shape, this.#metadata);
  }
  close(): void {
    this.#client.close();
  }
}

/** What a bare HTTP/2 request came to. */
export interface RawAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** HTTP/2 by hand. */
export class RawClient {
  readonly session: ClientHttp2Session;
  constructor(endpoint: string) {
    this.session = connect(`http://${endpoint}`);
    this.session.on("error", () => {});
  }
  open(path: string, headers: Record<string, string> = {}): ClientHttp2Stream {
    return this.session.request({
      ":method": "POST",
      ":path": path,
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
  }
  async request(
    path: string,
    headers: Record<string, string>,
    body: Uint8Array,
  ): Promise<RawAnswer> {
    const stream = this.open(path, headers);
    const parts: Buffer[] = [];
    let got: IncomingHttpHeaders = {};
    let trailers: IncomingHttpHeaders = {};
    stream.on("response", (each) => (got = each));
    stream.on("trailers", (each) => (trailers = each));
    stream.on("data", (part: Buffer) => parts.push(part));
    stream.end(body);
    await once(stream, "close");
    return { headers: got, trailers, body: Buffer.concat(parts) };
  }
  close(): void {
    this.session.destroy();
  }
}
