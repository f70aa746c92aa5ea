/**
 * What a gRPC method is to the server: how its messages are read and written, and what answers them. No sockets here.
 *
 * Invariants: I1 a call that fails by throwing or rejecting ends with the status that `statusOf` gives the error. I2 a
 * stream's `closed` is called once, whatever ended it, and after it nothing is sent.
 */
import type { Init, Message } from "../../wire/protobuf.ts";
import type { RpcStatus } from "../../wire/grpc/status.ts";

/** One unary call. */
export interface Call {
  /** Aborts when the client has gone, its deadline is over, or the server drains. */
  readonly signal: AbortSignal;
  /** Length of the request as it came. */
  readonly requestBytes: number;
}

/** The server's half of a stream. */
export interface Outgoing<S extends object> {
  /** False: wait for `drained` before sending what can wait. */
  send(message: Init<S>): boolean;
  /** Ends the call; without a status, with success. */
  end(status?: RpcStatus): void;
  /** The message that was received causes as much beyond the time that it takes, ms. Absent: nobody counts it. */
  owes?(ms: number): void;
}

/** The client's half, as it is told to whoever serves the stream. */
export interface Incoming<Q extends object> {
  received(message: Q): void;
  /** The client sends no more. */
  finished(): void;
  /** What was sent has left. */
  drained(): void;
  /** The call is over. */
  closed(): void;
}

export interface UnaryMethod {
  readonly kind: "unary";
  readonly request: Message<object>;
  readonly response: Message<object>;
  run(request: object, call: Call): Promise<object> | object;
}
export interface StreamMethod {
  readonly kind: "stream";
  /** Messages that its client sends. */
  readonly takes: "one" | "many";
  readonly request: Message<object>;
  readonly response: Message<object>;
  open(outgoing: Outgoing<object>): Incoming<object>;
}
/** Methods by path: `/package.Service/Method`. */
export type Methods = ReadonlyMap<string, UnaryMethod | StreamMethod>;

/** The shape of a method: path and messages. */
export interface MethodShape<Q extends object, S extends object> {
  readonly path: string;
  readonly request: Message<Q>;
  readonly response: Message<S>;
}

export function unary<Q extends object, S extends object>(
  shape: MethodShape<Q, S>,
  run: (request: Q, call: Call) => Promise<Init<S>> | Init<S>,
): readonly [string, UnaryMethod] {
  return [shape.path, { kind: "unary", ...shape, run } as unknown as UnaryMethod];
}

export function stream<Q extends object, S extends object>(
  shape: MethodShape<Q, S>,
  open: (outgoing: Outgoing<S>) => Incoming<Q>,
  takes: StreamMethod["takes"] = "many",
): readonly [string, StreamMethod] {
  return [shape.path, { kind: "stream", takes, ...shape, open } as unknown as StreamMethod];
}
