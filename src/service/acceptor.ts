/**
 * The native connections of one driver: those that other machines or processes opened to it.
 *
 * Invariants: I1 `drain` tells every connection that the server goes, and ends within its bound. I2 what is in flight
 * then is answered; what comes later is refused as SHUTDOWN, which a client takes to whoever serves next.
 */
import { failure } from "../base/errors.ts";
import { sleep } from "../ports/clock.ts";
import type { ByteStream, StreamHandler } from "../ports/network.ts";
import type { ServiceContext } from "./connection.ts";
import { ServiceConnection } from "./connection.ts";
import { Turns } from "./turns.ts";

/** How long a drain waits for what is in flight. */
export const DRAIN_MS = 5_000;

export class Acceptor {
  readonly #context: ServiceContext;
  readonly #label: string;
  readonly #open = new Map<ServiceConnection, ByteStream>();
  #leaving = false;

  /** `label` names the server in what it says when it goes. */
  constructor(context: ServiceContext, label: string) {
    this.#context = { ...context, turns: context.turns ?? new Turns(context.clock) };
    this.#label = label;
  }

  get count(): number {
    return this.#open.size;
  }

  /** Serves `stream`, whose first bytes are the protocol's. `peerName`: of the certificate that the client has shown. */
  readonly accept = (stream: ByteStream, peerName?: string | undefined): StreamHandler => {
    const context = peerName === undefined ? this.#context : { ...this.#context, peerName };
    const connection = new ServiceConnection(context, stream);
    this.#open.set(connection, stream);
    if (this.#leaving) this.#context.clock.soon(() => stream.destroy());
    return {
      received: (bytes) => connection.received(bytes),
      drained: () => connection.drained(),
      closed: () => {
        this.#open.delete(connection);
        connection.closed();
      },
    };
  };

  /** Stops admitting and answers what is in flight. Takes `DRAIN_MS` at most. */
  async drain(): Promise<void> {
    this.#leaving = true;
    const reason = failure("SHUTDOWN", {
      object: this.#label,
      what: "is shutting down and takes no more requests",
      remedy: "Connect to another one, or wait until it is back.",
    });
    const over = new AbortController();
    const late = sleep(this.#context.clock, DRAIN_MS, over.signal);
    const drained = [...this.#open.keys()].map((connection) => connection.drain(reason));
    await Promise.race([Promise.all(drained), late]);
    over.abort();
  }

  /** Sends what is gathered and ends every connection. */
  end(): void {
    for (const connection of this.#open.keys()) connection.end();
  }
}
