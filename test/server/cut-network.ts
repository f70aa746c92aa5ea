/**
 * A network in memory between remote engines and one service, whose connections end after a number of bytes that the
 * test draws: in the middle of a frame, before an answer, before a greeting.
 */
import { hostClock } from "../../src/host/clock.ts";
import { registry } from "../../src/host/meter.ts";
import type { Driver } from "../../src/driver/face.ts";
import type { ByteStream, Network, StreamHandler } from "../../src/ports/network.ts";
import type { ServiceContext } from "../../src/service/connection.ts";
import { ServiceConnection } from "../../src/service/connection.ts";

/** One side of a pair: what is written arrives at the other side's handler in a later turn. */
class End implements ByteStream {
  readonly peer: string;
  readonly #budget: { left: number };
  handler: StreamHandler | undefined;
  other: End | undefined;
  #incoming: Uint8Array[] = [];
  #paused = false;
  #over = false;

  constructor(peer: string, budget: { left: number }) {
    this.peer = peer;
    this.#budget = budget;
  }
  write(bytes: Uint8Array): boolean {
    if (this.#over) return true;
    const passes = Math.min(bytes.length, Math.max(0, this.#budget.left));
    this.#budget.left -= bytes.length;
    const { other } = this;
    if (passes > 0) other?.arrive(bytes.slice(0, passes));
    if (this.#budget.left <= 0) hostClock.soon(() => this.destroy());
    return true;
  }
  arrive(bytes: Uint8Array): void {
    this.#incoming.push(bytes);
    hostClock.soon(() => this.#deliver());
  }
  #deliver(): void {
    while (!this.#paused && !this.#over) {
      const bytes = this.#incoming.shift();
      if (bytes === undefined) return;
      this.handler?.received(bytes);
    }
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    hostClock.soon(() => this.#deliver());
  }
  keepAlive(): void {}
  end(): void {
    hostClock.soon(() => this.destroy());
  }
  destroy(): void {
    if (this.#over) return;
    this.#deliver();
    this.#over = true;
    const { handler, other } = this;
    hostClock.soon(() => handler?.closed(undefined));
    hostClock.soon(() => other?.destroy());
  }
}

/**
 * `bytes` says after how many the next connection ends; `cluster` what the service tells of one; `accepted` is given the
 * server's side of each connection.
 */
export function cutNetwork(
  driver: Driver,
  bytes: () => number,
  cluster?: ServiceContext["cluster"],
  accepted: (connection: ServiceConnection) => void = () => {},
): Network {
  const context = { driver, clock: hostClock, meter: registry(), cluster };
  return {
    dial: (_address, attach) => {
      const budget = { left: bytes() };
      const client = new End("server", budget);
      const server = new End("client", budget);
      client.other = server;
      server.other = client;
      const connection = new ServiceConnection(context, server);
      server.handler = connection;
      accepted(connection);
      client.handler = attach(client);
      return Promise.resolve(client);
    },
  };
}

/** All that was sent over such a network is at its other end, and so is what that answered. */
export async function arrived(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((go) => setImmediate(go));
}
