/**
 * A loopback proxy between a client and a server: what passes can be stopped, let go on, cut, or sent to another server
 * from the next connection on. Bytes that arrive while it is stopped wait.
 */
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { AddressInfo } from "node:net";

export class Proxy {
  readonly url: string;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #port: number;
  #stalled = false;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.#port = port;
    this.url = `quorate://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on("connection", (socket) => this.#accept(socket));
  }

  /** Stands before the server at `url`. */
  static async before(url: string): Promise<Proxy> {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new Proxy(server, Number(new URL(url).port));
  }

  /** Nothing passes any more, either way, on present and later connections. */
  stall(): void {
    this.#stalled = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Ends every connection; whoever comes next reaches the server at `url`. */
  cutOver(url: string): void {
    this.#port = Number(new URL(url).port);
    this.#stalled = false;
    this.#destroyAll();
  }

  async close(): Promise<void> {
    this.#destroyAll();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(socket: Socket): void {
    const target = connect(this.#port, "127.0.0.1");
    const pair = [socket, target] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [target, socket] as const]) {
      from.on("data", (bytes) => void to.write(bytes));
      from.on("error", () => {});
      from.on("close", () => {
        this.#pairs.delete(pair);
        to.destroy();
      });
      if (this.#stalled) from.pause();
    }
  }

  #destroyAll(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }
}
