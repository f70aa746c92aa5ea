/**
 * The server: one port for the native protocol and plain HTTP (health, metrics, version).
 *
 * Invariants: I1 the first byte decides: zero is native, a letter is HTTP. I2 an address that others can reach is refused
 * unless that is asked for by name, because nothing is encrypted or authenticated. I3 `close` stops admitting,
 * answers what is in flight, then closes the replica with a snapshot.
 * Leaves out: TLS, users, the etcd faces.
 */
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { fail, failure } from "../base/errors.ts";
import { fireDue, prefixed } from "../contract/due.ts";
import { procedureSet } from "../contract/procedure.ts";
import { openDriver } from "../driver/driver.ts";
import type { Driver } from "../driver/face.ts";
import { embeddedKeyspace, FILE_GUARANTEE } from "../engines/embedded/embedded.ts";
import { hostClock } from "../host/clock.ts";
import { hostDisk } from "../host/disk.ts";
import { hostEntropy } from "../host/entropy.ts";
import type { Registry } from "../host/meter.ts";
import { registry } from "../host/meter.ts";
import { streamOf } from "../host/network.ts";
import { allProcedures } from "../mechanisms/procedures.ts";
import { ServiceConnection } from "../service/connection.ts";
import { react } from "../service/reactor.ts";
import { answerHttp } from "./http.ts";

/** How a server is started. */
export interface ServerOptions {
  /** `HOST:PORT`; port 0 takes a free one. Default `127.0.0.1:2379`. */
  readonly listen?: string | undefined;
  /** Where the data lies; absent: in memory, lost with the process. */
  readonly dataDir?: string | undefined;
  /** Bytes that keys, values and history may occupy; default 1 GiB. */
  readonly quotaBytes?: number | undefined;
  /** Shortest time to live granted, seconds; default 1. */
  readonly minLeaseTtlS?: number | undefined;
  /** How long history can be read and watched, seconds; 0 keeps all until compaction; default 600. */
  readonly historyKeep?: number | undefined;
  /** Accepts that the machine's clock is more than a day ahead of the data. */
  readonly acceptClockJump?: boolean | undefined;
  /** Allows an address that other machines can reach, without encryption. */
  readonly insecureBind?: boolean | undefined;
}

export interface RunningServer {
  /** For `connect()`. */
  readonly url: string;
  readonly driver: Driver;
  /** Drains, then closes. Idempotent. */
  close(): Promise<void>;
}

/** A connection that has sent nothing after this long is closed. */
const GREETING_MS = 10_000;
/** How long a drain waits for what is in flight. */
const DRAIN_MS = 5_000;

export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  const { host, port } = parseListen(options.listen ?? "127.0.0.1:2379");
  if (!isLoopback(host) && options.insecureBind !== true) {
    throw fail("CONFIG", {
      object: `listen ${host}:${port}`,
      what: "is an address that other machines can reach, and nothing is encrypted or authenticated there",
      remedy: "Listen on 127.0.0.1, or say --insecure-bind if the network is trusted.",
    });
  }
  const meter = registry();
  const listener = await bind(host, port);
  // Whoever connects while the data is being read waits for it; without a listener the connection would be lost.
  const early: Socket[] = [];
  const keep = (socket: Socket): void => void early.push(socket);
  listener.on("connection", keep);
  let driver: Driver;
  try {
    driver = await openDriver(driverOptions(options, meter));
  } catch (error) {
    listener.close();
    for (const socket of early) socket.destroy();
    throw error;
  }
  listener.off("connection", keep);
  const running = new Running(listener, driver, meter, hostText(host));
  for (const socket of early) listener.emit("connection", socket);
  await driver.announce(running.url);
  return running;
}

function driverOptions(options: ServerOptions, meter: Registry): Parameters<typeof openDriver>[0] {
  return {
    disk: options.dataDir === undefined ? undefined : hostDisk(options.dataDir),
    clock: hostClock,
    entropy: hostEntropy,
    procedures: procedureSet(allProcedures),
    label: options.dataDir === undefined ? "memory server" : `data directory ${options.dataDir}`,
    quotaBytes: options.quotaBytes,
    minLeaseTtlMs: options.minLeaseTtlS === undefined ? undefined : options.minLeaseTtlS * 1_000,
    historyMs:
      options.historyKeep === undefined
        ? undefined
        : options.historyKeep === 0
          ? Infinity
          : options.historyKeep * 1_000,
    acceptClockJump: options.acceptClockJump,
    meter,
  };
}

class Running implements RunningServer {
  readonly url: string;
  readonly driver: Driver;
  readonly #listener: Server;
  readonly #meter: Registry;
  readonly #connections = new Set<ServiceConnection>();
  readonly #sockets = new Set<Socket>();
  readonly #reacting = new AbortController();
  readonly #lag = monitorEventLoopDelay({ resolution: 10 });
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor(listener: Server, driver: Driver, meter: Registry, host: string) {
    const address = listener.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    this.url = `quorate://${host}:${port}`;
    this.driver = driver;
    this.#listener = listener;
    this.#meter = meter;
    this.#lag.enable();
    listener.on("connection", (socket) => this.#accept(socket));
    this.#react();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#draining = true;
    const closed = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    const reason = failure("SHUTDOWN", {
      object: this.url,
      what: "is shutting down and takes no more requests",
      remedy: "Connect to another one, or wait until it is back.",
    });
    const drained = Promise.all(
      [...this.#connections].map((connection) => connection.drain(reason)),
    );
    const bound = setTimeout(() => this.#destroyAll(), DRAIN_MS);
    await drained;
    clearTimeout(bound);
    this.#reacting.abort();
    await this.driver.close();
    for (const connection of this.#connections) connection.end();
    this.#destroyAll();
    await closed;
    this.#lag.disable();
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroySoon();
  }

  #react(): void {
    const fire = fireDue(procedureSet(allProcedures), prefixed);
    const keyspace = embeddedKeyspace({
      driver: this.driver,
      clock: hostClock,
      guarantee: FILE_GUARANTEE,
    });
    void react(keyspace, hostClock, fire, this.#reacting.signal);
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    const silent = setTimeout(() => socket.destroy(), GREETING_MS);
    silent.unref();
    socket.once("close", () => clearTimeout(silent));
    socket.once("data", (first: Buffer) => {
      clearTimeout(silent);
      if (first[0] === 0) this.#native(socket, first);
      else
        answerHttp(socket, first, {
          status: () => this.driver.status(),
          metrics: () => this.#metrics(),
          ready: () => !this.#draining,
        });
    });
  }

  #native(socket: Socket, first: Buffer): void {
    let made: ServiceConnection | undefined;
    const context = { driver: this.driver, clock: hostClock, meter: this.#meter };
    streamOf(socket, `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`, (stream) => {
      const connection = new ServiceConnection(context, stream);
      made = connection;
      this.#connections.add(connection);
      return {
        received: (bytes) => connection.received(bytes),
        drained: () => connection.drained(),
        closed: () => {
          this.#connections.delete(connection);
          connection.closed();
        },
      };
    });
    made?.received(first);
  }

  #metrics(): string {
    const status = this.driver.status();
    const memory = process.memoryUsage();
    const gauges: readonly (readonly [string, string, number])[] = [
      ["quorate_revision", "Newest committed revision.", status.revision],
      ["quorate_compact_revision", "Oldest readable revision.", status.compactRevision],
      ["quorate_keys", "Live keys.", status.keys],
      ["quorate_bytes", "Bytes of keys, values and history.", status.bytes],
      ["quorate_quota_bytes", "Most bytes allowed.", status.quotaBytes],
      ["quorate_leases", "Leases granted.", status.leases],
      ["quorate_watchers", "Open watches.", status.watchers],
      ["quorate_connections", "Open native connections.", this.#connections.size],
      ["quorate_alarms", "Alarms raised.", status.alarms.length],
      [
        "quorate_event_loop_lag_p99_ms",
        "Event loop delay, 99th percentile, ms.",
        this.#lag.percentile(99) / 1e6,
      ],
      ["quorate_event_loop_lag_max_ms", "Event loop delay, maximum, ms.", this.#lag.max / 1e6],
      ["process_resident_memory_bytes", "Resident memory.", memory.rss],
      ["quorate_heap_used_bytes", "JavaScript heap in use.", memory.heapUsed],
      [
        "process_cpu_seconds",
        "CPU time used.",
        process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6,
      ],
    ];
    for (const [name, help, value] of gauges) this.#meter.gauge(name, help).set(value);
    return this.#meter.render();
  }
}

function bind(host: string, port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer({ noDelay: true });
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EADDRINUSE") return reject(notBindable(host, port, error));
      void whoListens(host, port).then((holder) =>
        reject(
          fail("ADDRESS_IN_USE", {
            object: `listen ${host}:${port}`,
            what: "is taken by another process",
            holder,
            remedy: "Stop it, or give --listen another port.",
          }),
        ),
      );
    });
    server.listen({ host, port }, () => resolve(server));
  });
}

function notBindable(host: string, port: number, error: NodeJS.ErrnoException): Error {
  const what = `cannot be listened on: ${error.message}`;
  return fail(
    "CONFIG",
    { object: `listen ${host}:${port}`, what, remedy: "Give an address of this machine." },
    error,
  );
}

/** Asks whoever has the port what it is. */
async function whoListens(host: string, port: number): Promise<string> {
  try {
    const answer = await fetch(`http://${hostText(host)}:${port}/version`, {
      signal: AbortSignal.timeout(500),
    });
    return `a server that answers ${(await answer.text()).slice(0, 120).trim()}`;
  } catch {
    return "a process that does not say what it is";
  }
}

function parseListen(listen: string): { readonly host: string; readonly port: number } {
  const cut = listen.lastIndexOf(":");
  const host = listen.slice(0, cut).replace(/^\[(.*)\]$/, "$1");
  const port = Number(listen.slice(cut + 1));
  if (cut > 0 && Number.isInteger(port) && port >= 0 && port <= 65_535) return { host, port };
  throw fail("CONFIG", {
    object: `listen ${listen}`,
    what: "is not HOST:PORT",
    remedy: "Give for example 127.0.0.1:2379 or [::1]:2379.",
  });
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

function hostText(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
