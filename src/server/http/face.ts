/**
 * HTTP/1 on accepted sockets: the plain pages and the JSON gateway.
 *
 * Invariants: I1 a connection that sends no request for a while is closed. I2 a page of another site, to which a
 * browser lends the user's access to this machine, is refused. I3 `drain` takes no new request, ends streams, and
 * resolves when what can be answered has been.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, STATUS_CODES } from "node:http";
import type { Socket } from "node:net";
import { gatewayRoutes, isGateway } from "../../service/etcd/gateway.ts";
import type { Methods, StreamMethod, UnaryMethod } from "../../service/grpc/method.ts";
import type { Turns } from "../../service/turns.ts";
import { said } from "../../wire/etcd/statuses.ts";
import type { JsonCall } from "./gateway.ts";
import { serveJson } from "./gateway.ts";
import type { PageSource } from "./pages.ts";
import { pageAt } from "./pages.ts";

/** How long a connection may take to send the head of a request, or to think of one. */
const PATIENCE_MS = 10_000;
const HEAD_BYTES_MAX: number = 16 << 10;

/** Methods by the paths of the gateway. */
type Routes = ReadonlyMap<string, UnaryMethod | StreamMethod>;

/** What a connection is doing: requests begun, or its patience running out. */
interface Pending {
  requests: number;
  patience: ReturnType<typeof setTimeout>;
}

export class HttpFace {
  readonly #server: Server;
  readonly #methodsFor: (token: string | undefined) => Methods;
  /** For the token that was shown last. */
  #routes: { readonly token: string | undefined; readonly of: Routes } | undefined;
  readonly #source: PageSource;
  readonly #turns: Turns;
  readonly #calls = new Set<JsonCall>();
  readonly #pending = new WeakMap<Socket, Pending>();
  #draining = false;
  #onIdle: () => void = () => {};

  /** `methodsFor`: as whoever shows the token may use them. */
  constructor(
    methodsFor: (token: string | undefined) => Methods,
    source: PageSource,
    turns: Turns,
  ) {
    this.#turns = turns;
    this.#methodsFor = methodsFor;
    this.#source = source;
    const options = { maxHeaderSize: HEAD_BYTES_MAX, keepAliveTimeout: PATIENCE_MS };
    this.#server = createServer(options, (request, response) => this.#serve(request, response));
  }

  /** Takes over `socket`, of which `first` has been read. */
  accept(socket: Socket, first: Buffer): void {
    const patience = setTimeout(() => socket.destroy(), PATIENCE_MS);
    const pending: Pending = { requests: 0, patience };
    this.#pending.set(socket, pending);
    socket.once("close", () => clearTimeout(pending.patience));
    socket.pause();
    socket.unshift(first);
    this.#server.emit("connection", socket);
    socket.resume();
  }

  async drain(): Promise<void> {
    this.#draining = true;
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    for (const call of this.#calls) call.drain(said("stopped"));
    if (this.#calls.size === 0) this.#onIdle();
    await idle;
  }

  /** Requests may come before the one before has been answered: none of them is what a connection waits for. */
  #begun(socket: Socket, response: ServerResponse): void {
    const pending = this.#pending.get(socket);
    if (pending === undefined) return;
    pending.requests++;
    clearTimeout(pending.patience);
    response.once("close", () => {
      if (--pending.requests > 0 || socket.destroyed) return;
      pending.patience = setTimeout(() => socket.destroy(), PATIENCE_MS);
    });
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    this.#begun(request.socket, response);
    if (this.#draining) response.setHeader("Connection", "close");
    if (isForeign(request)) return plain(response, 403);
    const [path = "", search = ""] = (request.url ?? "").split("?", 2);
    if (isGateway(path)) return this.#gateway(path, request, response);
    void this.#page(path, search, request, response);
  }

  #routesOf(token: string | undefined): Routes {
    if (this.#routes === undefined || this.#routes.token !== token)
      this.#routes = { token, of: gatewayRoutes(this.#methodsFor(token)) };
    return this.#routes.of;
  }

  #gateway(path: string, request: IncomingMessage, response: ServerResponse): void {
    const method = this.#routesOf(request.headers.authorization).get(path);
    if (method === undefined) return plain(response, 404);
    if (request.method !== "POST") return plain(response, 405, { Allow: "POST" });
    const call = serveJson(request, response, method, this.#turns);
    this.#calls.add(call);
    response.once("close", () => {
      this.#calls.delete(call);
      if (this.#calls.size === 0) this.#onIdle();
    });
  }

  async #page(
    path: string,
    search: string,
    { method }: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (method !== "GET" && method !== "HEAD") return plain(response, 405, { Allow: "GET, HEAD" });
    const page = await pageAt(path, new URLSearchParams(search), this.#source);
    if (page === undefined) return plain(response, 404);
    const { status, type, body } = page;
    const length = Buffer.byteLength(body);
    response.writeHead(status, { "Content-Type": type, "Content-Length": length });
    response.end(method === "HEAD" ? undefined : body);
  }
}

function plain(
  response: ServerResponse,
  status: number,
  headers: Record<string, string> = {},
): void {
  const body = `${STATUS_CODES[status] ?? ""}\n`;
  response.writeHead(status, {
    "Content-Type": "text/plain; charset=utf-8",
    "Content-Length": body.length,
    ...headers,
  });
  response.end(body);
}

/**
 * Whether a browser sends this for a page that is not ours: no such page may read or write here. Programs send no
 * origin. A name that leads to this machine may be anybody's, so an origin must be an address or `localhost`.
 */
function isForeign({ headers }: IncomingMessage): boolean {
  const { origin, host } = headers;
  if (origin === undefined) return headers["sec-fetch-site"] === "cross-site";
  const found = /^https?:\/\/((localhost|[\d.]+|\[[\da-f:.]+\])(:\d+)?)$/i.exec(origin);
  return found === null || found[1] !== host;
}
