/**
 * One call of the JSON gateway: its body, its messages, its deadline, its end.
 *
 * Invariants: I1 a call ends once. I2 what a client sends is read only while it reads what it is sent. I3 when the call
 * is over whoever serves it has been told.
 * Leaves out: what the methods do and where they are (`service/etcd`).
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { STATUS_CODES } from "node:http";
import { REQUEST_BYTES_MAX } from "../../keyspace/validate.ts";
import { errorBody, errorLine, httpStatus, JSON_BYTES_MAX } from "../../service/etcd/gateway.ts";
import type {
  Call,
  Incoming,
  Outgoing,
  StreamMethod,
  UnaryMethod,
} from "../../service/grpc/method.ts";
import type { Turns } from "../../service/turns.ts";
import { jsonPieces, parseJson, toJson } from "../../wire/etcd/json.ts";
import { statusOf } from "../../wire/etcd/statuses.ts";
import { GRPC, RpcStatus, timeoutMs } from "../../wire/grpc/status.ts";
import { JsonValues } from "../../wire/json-values.ts";
import { longList } from "../../wire/parts.ts";
import { DELAY_MAX_MS, REQUEST_BYTES_MAX as MESSAGE_BYTES_MAX } from "../grpc/call.ts";

/** How long the body of a unary call may take to come. */
const BODY_MS = 30_000;
const JSON_TYPE = "application/json";

/** A call as the connection sees it. */
export interface JsonCall {
  /** The server is going: streams end, what waits is told to stop waiting. */
  drain(reason: RpcStatus): void;
}

export function serveJson(
  request: IncomingMessage,
  response: ServerResponse,
  method: UnaryMethod | StreamMethod,
  turns: Turns,
): JsonCall {
  if (method.kind === "unary") return new UnaryCall(request, response, method, turns);
  return new StreamCall(request, response, method);
}

/** The time that a header `Grpc-Timeout` gives; `late` is called once, unless `cancel` comes first. */
function deadline(request: IncomingMessage, late: (status: RpcStatus) => void): () => void {
  const header = request.headers["grpc-timeout"];
  if (typeof header !== "string") return () => {};
  const delay = Math.min(DELAY_MAX_MS, timeoutMs(header));
  const status = new RpcStatus(GRPC.deadlineExceeded, "context deadline exceeded");
  const timer = setTimeout(() => late(status), delay);
  return () => clearTimeout(timer);
}

class UnaryCall implements JsonCall, Call {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #method: UnaryMethod;
  readonly #turns: Turns;
  readonly #values = new JsonValues(JSON_BYTES_MAX);
  readonly #aborting = new AbortController();
  readonly #slow: ReturnType<typeof setTimeout>;
  #cancelDeadline: () => void = () => {};
  #started = false;
  requestBytes = 0;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    method: UnaryMethod,
    turns: Turns,
  ) {
    this.#turns = turns;
    this.#request = request;
    this.#response = response;
    this.#method = method;
    this.#slow = setTimeout(() => request.destroy(), BODY_MS);
    response.once("close", () => this.#close());
    request.on("data", (chunk: Buffer) =>
      this.#attempt(() => this.#values.push(chunk, (text, bytes) => this.#run(text, bytes))),
    );
    request.once("end", () => this.#attempt(() => this.#finished()));
    this.#attempt(() => {
      this.#cancelDeadline = deadline(request, (status) => this.#fail(status));
    });
  }

  get signal(): AbortSignal {
    return this.#aborting.signal;
  }

  drain(reason: RpcStatus): void {
    this.#aborting.abort(reason);
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(statusOf(error));
    }
  }

  /** An empty body is an empty message. */
  #finished(): void {
    this.#values.end((text, bytes) => this.#run(text, bytes));
    if (!this.#started) this.#run("null", 0);
  }

  /** Answers the first value; what follows it is not looked at. */
  #run(text: string, bytes: number): void {
    if (this.#started || this.#response.writableEnded) return;
    this.#started = true;
    clearTimeout(this.#slow);
    const message = parseJson(this.#method.request, text);
    this.requestBytes = this.#measure(message, bytes);
    const answer = this.#method.run(message, this);
    if (!(answer instanceof Promise)) return this.#answer(answer);
    answer.then(
      (response: object) => this.#attempt(() => this.#answer(response)),
      (error: unknown) => this.#fail(statusOf(error)),
    );
  }

  /** The length that the message has on the wire; JSON is never shorter. */
  #measure(message: object, bytes: number): number {
    if (bytes <= REQUEST_BYTES_MAX) return bytes;
    const { length } = this.#method.request.encode(message);
    if (length <= MESSAGE_BYTES_MAX) return length;
    const limits = `(${length} vs. ${MESSAGE_BYTES_MAX})`;
    throw new RpcStatus(GRPC.resourceExhausted, `grpc: received message larger than max ${limits}`);
  }

  #answer(message: object): void {
    const of = this.#method.response;
    const long = longList(of, message);
    if (long === undefined) return this.#send(200, toJson(of, message));
    const isUnwanted = (): boolean => this.#response.destroyed;
    this.#turns.run(jsonPieces(of, message, long), isUnwanted).then(
      (parts) => parts === undefined || this.#sendParts(parts),
      (error: unknown) => this.#fail(statusOf(error)),
    );
  }

  #sendParts(parts: readonly string[]): void {
    const response = this.#response;
    if (response.writableEnded || response.destroyed) return;
    response.writeHead(200, { "Content-Type": JSON_TYPE });
    for (const part of parts) response.write(part);
    response.end();
  }

  #fail(status: RpcStatus): void {
    this.#send(httpStatus(status.code), errorBody(status));
  }

  #send(status: number, body: object): void {
    const response = this.#response;
    if (response.writableEnded || response.destroyed) return;
    const text = JSON.stringify(body);
    const length = Buffer.byteLength(text);
    response.writeHead(status, { "Content-Type": JSON_TYPE, "Content-Length": length });
    response.end(text);
  }

  #close(): void {
    clearTimeout(this.#slow);
    this.#cancelDeadline();
    this.#aborting.abort();
    // What still comes is read and dropped, so that the connection can be used again.
    this.#request.resume();
  }
}

class StreamCall implements JsonCall, Outgoing<object> {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #method: StreamMethod;
  readonly #values = new JsonValues(JSON_BYTES_MAX);
  #incoming: Incoming<object> | undefined;
  #cancelDeadline: () => void = () => {};
  #over = false;

  constructor(request: IncomingMessage, response: ServerResponse, method: StreamMethod) {
    this.#request = request;
    this.#response = response;
    this.#method = method;
    response.once("close", () => this.#finish());
    response.on("drain", () => this.#drained());
    request.on("data", (chunk: Buffer) =>
      this.#attempt(() => this.#values.push(chunk, (text) => this.#received(text))),
    );
    request.once("end", () =>
      this.#attempt(() => {
        this.#values.end((text) => this.#received(text));
        if (!this.#over) this.#incoming?.finished();
      }),
    );
    this.#attempt(() => {
      this.#cancelDeadline = deadline(request, (status) => this.end(status));
      this.#incoming = method.open(this);
    });
  }

  drain(reason: RpcStatus): void {
    this.end(reason);
  }

  send(message: object): boolean {
    if (this.#over) return true;
    this.#head(200);
    const room = this.#write({ result: toJson(this.#method.response, message) });
    if (!room) this.#request.pause();
    return room;
  }

  end(status?: RpcStatus): void {
    if (this.#over) return;
    this.#finish();
    const failed = status !== undefined && status.code !== GRPC.ok;
    this.#head(failed ? httpStatus(status.code) : 200);
    if (failed) this.#write(errorLine(status, STATUS_CODES[httpStatus(status.code)] ?? ""));
    this.#response.end();
  }

  #head(status: number): void {
    if (!this.#response.headersSent)
      this.#response.writeHead(status, { "Content-Type": JSON_TYPE });
  }

  #write(line: object): boolean {
    return this.#response.write(`${JSON.stringify(line)}\n`);
  }

  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.end(statusOf(error));
    }
  }

  #received(text: string): void {
    if (!this.#over) this.#incoming?.received(parseJson(this.#method.request, text));
  }

  #drained(): void {
    if (this.#over) return;
    this.#request.resume();
    this.#incoming?.drained();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#cancelDeadline();
    this.#incoming?.closed();
    this.#request.resume();
  }
}
