/**
 * Stands between the members of a cluster: each is dialled through a listener of its own here, and what one direction of one pair
 * carries is delayed, held, swallowed or cut without the others noticing.
 *
 * Who dials is read from the first bytes of a connection, so that members need no more than an address that they advertise.
 * Invariants: I1 a rule holds for all connections of its pair, those that stand and those that come, whichever side dialled.
 * I2 nothing of a connection is passed on before it is known whose it is.
 */
import { once } from "node:events";
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { diallerIn } from "./dialler.ts";
import { Flow } from "./flow.ts";
import type { LinkRule, Ruling } from "./rules.ts";
import { PASS } from "./rules.ts";

const HOST = "127.0.0.1";

interface Connection {
  /** What the dialler calls itself. */
  readonly dialler: string;
  readonly target: string;
  /** From the dialler to whom it dialled, and back. */
  readonly forth: Flow;
  readonly back: Flow;
}

export class LinkForwarder {
  readonly #rules = new Map<string, LinkRule>();
  readonly #connections = new Set<Connection>();
  /** Names of members by what they call themselves where that is not their name. */
  readonly #names = new Map<string, string>();
  readonly #servers: Server[] = [];

  /** Listens in place of the member `target`, which listens at `port`; resolves with the port to advertise for it. */
  async add(target: string, port: number): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) =>
      this.#arrived(socket, target, port),
    );
    this.#servers.push(server);
    server.listen(0, HOST);
    await once(server, "listening");
    return (server.address() as { readonly port: number }).port;
  }

  /** Whoever says to be `called` is the member `name`. */
  rename(called: string, name: string): void {
    this.#names.set(called, name);
  }

  rule({ from, to, rule }: Ruling): void {
    this.#rules.set(directed(from, to), rule);
    for (const each of this.#connections) this.#apply(each);
  }

  #arrived(near: Socket, target: string, port: number): void {
    near.on("error", () => near.destroy());
    let first = Buffer.alloc(0);
    const read = (bytes: Buffer): void => {
      first = Buffer.concat([first, bytes]);
      let said: string | undefined;
      try {
        said = diallerIn(first);
      } catch {
        return void near.destroy();
      }
      if (said === undefined) return;
      near.off("data", read);
      near.pause();
      this.#join(near, first, { dialler: said, target, port });
    };
    near.on("data", read);
  }

  #join(
    near: Socket,
    first: Buffer,
    { dialler, target, port }: { dialler: string; target: string; port: number },
  ): void {
    if (this.#isCut(dialler, target)) return void near.destroy();
    const far = connect({ host: HOST, port, allowHalfOpen: true, noDelay: true });
    near.setNoDelay(true);
    const reset = (): void => {
      near.destroy();
      far.destroy();
      connection.forth.stop();
      connection.back.stop();
      this.#connections.delete(connection);
    };
    far.on("error", () => far.destroy());
    const connection: Connection = {
      dialler,
      target,
      forth: new Flow(near, far, reset),
      back: new Flow(far, near, reset),
    };
    this.#connections.add(connection);
    const left = (): void => {
      if (near.destroyed && far.destroyed) reset();
    };
    near.on("close", left);
    far.on("close", left);
    this.#apply(connection);
    connection.forth.take(first);
  }

  #isCut(dialler: string, target: string): boolean {
    const isCut = (from: string, to: string): boolean => this.#ruleOf(from, to).kind === "cut";
    return isCut(dialler, target) || isCut(target, dialler);
  }

  #apply({ dialler, target, forth, back }: Connection): void {
    forth.rule = this.#ruleOf(dialler, target);
    back.rule = this.#ruleOf(target, dialler);
  }

  /** Looked up when it is asked for: a name may be known only after the connection stands. */
  #ruleOf(from: string, to: string): LinkRule {
    const called = (name: string): string => this.#names.get(name) ?? name;
    return this.#rules.get(directed(called(from), called(to))) ?? PASS;
  }
}

function directed(from: string, to: string): string {
  return `${from} to ${to}`;
}
