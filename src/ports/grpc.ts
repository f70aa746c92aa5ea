/** gRPC as a port, from the client's side: unary calls and two-way streams of bytes. */

/** A call that failed, with the status that gRPC gives it. */
export class GrpcStatus extends Error {
  override readonly name = "GrpcStatus";
  /** gRPC status code. */
  readonly code: number;
  /** The request certainly did not leave this process. */
  readonly unsent: boolean;
  constructor(code: number, message: string, unsent: boolean) {
    super(message);
    this.code = code;
    this.unsent = unsent;
  }
}

export interface GrpcStreamHandler {
  received(bytes: Uint8Array): void;
  /** The stream is over. Called once. */
  ended(status: GrpcStatus): void;
}

/** An open stream; flow control stops the other side while it is paused. */
export interface GrpcStream {
  send(bytes: Uint8Array): void;
  /** No more will be sent. */
  end(): void;
  pause(): void;
  resume(): void;
  /** Gives it up; `ended` may still be called. */
  cancel(): void;
}

/** A client of one service; every call is to one of its endpoints. */
export interface GrpcClient {
  /** Rejects with `GrpcStatus`. */
  unary(path: string, request: Uint8Array): Promise<Uint8Array>;
  duplex(path: string, handler: GrpcStreamHandler): GrpcStream;
  /** Resolves when a connection stands, rejects with `GrpcStatus` when none could be made in time. */
  ready(timeoutMs: number): Promise<void>;
  close(): void;
}
