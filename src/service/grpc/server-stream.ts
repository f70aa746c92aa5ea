/**
 * A method that takes one message and answers with many.
 *
 * Invariants: I1 `send` resolves when there is room for more, so a client that does not read holds up whoever sends.
 * I2 `signal` aborts when the call is over; a `send` that waits then returns.
 */
import { statusOf } from "../../wire/etcd/statuses.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";
import type { Init } from "../../wire/protobuf.ts";
import type { Incoming, MethodShape, Outgoing, StreamMethod } from "./method.ts";
import { stream } from "./method.ts";

export type Serve<Q extends object, S extends object> = (
  request: Q,
  send: (message: Init<S>) => Promise<void>,
  signal: AbortSignal,
) => Promise<void>;

export function serverStream<Q extends object, S extends object>(
  shape: MethodShape<Q, S>,
  serve: Serve<Q, S>,
): readonly [string, StreamMethod] {
  return stream(shape, (outgoing) => new Answering(outgoing, serve), "one");
}

class Answering<Q extends object, S extends object> implements Incoming<Q> {
  readonly #outgoing: Outgoing<S>;
  readonly #serve: Serve<Q, S>;
  readonly #aborting = new AbortController();
  #asked = false;
  #room: () => void = () => {};

  constructor(outgoing: Outgoing<S>, serve: Serve<Q, S>) {
    this.#outgoing = outgoing;
    this.#serve = serve;
  }

  received(request: Q): void {
    if (this.#asked)
      throw new RpcStatus(GRPC.internal, "grpc: more than one message where one is expected");
    this.#asked = true;
    const send = async (message: Init<S>): Promise<void> => {
      if (this.#aborting.signal.aborted || this.#outgoing.send(message)) return;
      await new Promise<void>((resolve) => (this.#room = resolve));
    };
    this.#serve(request, send, this.#aborting.signal).then(
      () => this.#outgoing.end(),
      (error: unknown) => this.#outgoing.end(statusOf(error)),
    );
  }

  finished(): void {
    if (!this.#asked)
      this.#outgoing.end(new RpcStatus(GRPC.internal, "grpc: the request is missing"));
  }

  drained(): void {
    this.#room();
  }

  closed(): void {
    this.#aborting.abort();
    this.#room();
  }
}
