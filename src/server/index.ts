/**
 * The server: one port for the native protocol, gRPC and JSON (etcd v3), and plain pages (health, metrics,
 * version), in the clear or all of them over TLS.
 *
 * Invariants: I1 the first bytes decide (`greeting.ts`). I2 an address that others can reach is served only over TLS and
 * to clients who say who they are, by a certificate or as users, unless another thing is asked for by name; users stay
 * enabled while it is served. I3 `close` stops admitting, answers what is in flight, then closes the replica with a
 * snapshot.
 */
import type { Server, Socket } from "node:net";
import type { Failure } from "../base/errors.ts";
import { OPEN_END } from "../contract/requests.ts";
import type { AuthOrder } from "../contract/auth.ts";
import { SYSTEM } from "../contract/auth.ts";
import { FORMATS } from "../contract/formats.ts";
import { fireDue, prefixed } from "../contract/due.ts";
import { procedureSet } from "../contract/procedure.ts";
import { openDriver } from "../driver/driver.ts";
import type { Driver } from "../driver/face.ts";
import { embeddedKeyspace, FILE_GUARANTEE } from "../engines/embedded/embedded.ts";
import { hostClock } from "../host/clock.ts";
import { hostSha256 } from "../host/digest.ts";
import type { Registry } from "../host/meter.ts";
import { registry } from "../host/meter.ts";
import { streamOf } from "../host/network.ts";
import { hostPasswords } from "../host/passwords.ts";
import { allProcedures } from "../mechanisms/procedures.ts";
import type { Tokens } from "../ports/tokens.ts";
import type { StreamHandler } from "../ports/network.ts";
import { Acceptor, DRAIN_MS } from "../service/acceptor.ts";
import { acting } from "../service/auth/acting.ts";
import type { Credentials } from "../service/auth/gate.ts";
import { Gate } from "../service/auth/gate.ts";
import { sharedTokens } from "../service/auth/shared-tokens.ts";
import { withUsersKept } from "../service/auth/users-kept.ts";
import type { Cluster } from "../service/cluster/cluster.ts";
import type { Presented } from "../service/etcd/context.ts";
import { EtcdContext } from "../service/etcd/context.ts";
import { etcdMethods } from "../service/etcd/face.ts";
import { forwarding } from "../service/cluster/forwarding.ts";
import type { Methods } from "../service/grpc/method.ts";
import { react } from "../service/reactor.ts";
import { Turns } from "../service/turns.ts";
import { Wastes } from "../service/wastes.ts";
import type { Address, Bound } from "./addresses.ts";
import { bindAll, parseListen, unguarded, usersNeeded } from "./addresses.ts";
import { TOKEN_TTL_S, tokensFor } from "./auth-tokens.ts";
import type { MemberPlace } from "./cluster/member.ts";
import { Member } from "./cluster/member.ts";
import { acceptPeer } from "./cluster/peer-sockets.ts";
import { greet } from "./greeting.ts";
import { GrpcConnection } from "./grpc/connection.ts";
import { HttpFace } from "./http/face.ts";
import type { PageSource } from "./http/pages.ts";
import type { Connections } from "./metrics.ts";
import { ServerMetrics } from "./metrics.ts";
import type { ServerOptions, VersionedOptions } from "./options.ts";
import { driverOptions } from "./options.ts";
import { RpcMetrics } from "./rpc-metrics.ts";
import type { TlsGate } from "./tls.ts";
import { peerNameOf, tlsGate } from "./tls.ts";

export interface RunningServer {
  /** For `connect()`. */
  readonly url: string;
  /** The urls of the addresses that were bound, as clients of etcd write them: `http://HOST:PORT`. */
  readonly clientUrls: readonly string[];
  readonly driver: Driver;
  /** Calls `listener` if it stops by itself: a failed flush, a bug, the other members turned it away. */
  onStopped(listener: (failure: Failure) => void): void;
  /** Drains, then closes. Idempotent. */
  close(): Promise<void>;
}

/** The version of etcd whose interface the etcd face has. */
export const ETCD_VERSION = "3.5.16";
const WATCH_PROGRESS_MS = 600_000;

export type { ServerOptions } from "./options.ts";

export async function startServer(options: ServerOptions = {}): Promise<RunningServer> {
  const addresses = [options.listen ?? "127.0.0.1:2379"].flat().map(parseListen);
  const turns = new Turns(hostClock);
  const tls = tlsGate(options, turns, options.warn ?? ((): void => {}));
  const exposed = usersNeeded(addresses, tls, options.insecureBind === true);
  const meter = registry();
  const tokens = await tokensFor(options.authToken ?? "simple", options.authTokenTtlS);
  const bound = await bindAll(addresses);
  const listeners = bound.map(({ listener }) => listener);
  // Whoever connects while the data is being read waits for it; without a listener the connection would be lost.
  const early: Socket[] = [];
  const keep = (socket: Socket): void => void early.push(socket);
  for (const listener of listeners) listener.on("connection", keep);
  let member: Member | undefined;
  let driver: Driver;
  try {
    member = await Member.prepare(options, memberPlace(options, bound, meter, turns));
    driver = await openDriver(driverOptions(options, meter, member.clusterOptions));
    if (exposed !== undefined) driver = await keepingUsers(driver, exposed);
  } catch (error) {
    for (const listener of listeners) listener.close();
    for (const socket of early) socket.destroy();
    await member?.close();
    throw error;
  }
  // One that makes no difference between its tokens and others' has nothing to tell.
  const isTold = tokens.renewed && member.links !== undefined;
  const good = isTold ? sharedBy(driver, tokens, options, () => running) : tokens;
  const gate = new Gate(driver, hostPasswords, good);
  const running: Running = new Running(bound, { tls, driver, member, meter, gate, turns, options });
  for (const listener of listeners) listener.off("connection", keep);
  for (const socket of early) listeners[0]?.emit("connection", socket);
  await driver.announce(running.url);
  return running;
}

/** `own`, known to all members. */
function sharedBy(
  driver: Driver,
  own: Tokens,
  { authTokenTtlS = TOKEN_TTL_S }: ServerOptions,
  running: () => Running,
): Tokens {
  const order = (ordered: AuthOrder, done: () => void): void => running().order(ordered, done);
  const ttlMs = authTokenTtlS * 1_000;
  return sharedTokens({ own, driver, order, clock: hostClock, sha256: hostSha256, ttlMs });
}

/** `driver`, in which users are enabled and stay so. Throws CONFIG (definite), having closed it, if they are not. */
async function keepingUsers(driver: Driver, exposed: Address): Promise<Driver> {
  if (driver.users.state.enabled) return withUsersKept(driver);
  await driver.close();
  throw unguarded(exposed);
}

function memberPlace(
  options: VersionedOptions,
  bound: readonly Bound[],
  meter: Registry,
  turns: Turns,
): MemberPlace {
  const isSecure = options.certFile !== undefined;
  const scheme = isSecure ? "https" : "http";
  return {
    name: options.memberName ?? "default",
    dataDir: options.dataDir,
    bound,
    clientUrls: options.advertise ?? bound.map(({ authority }) => `${scheme}://${authority}`),
    isSecure,
    insecureBind: options.insecureBind === true,
    meter,
    turns,
    warn: options.warn ?? ((): void => {}),
    formats: options.formats ?? FORMATS,
  };
}

/** What a running server is made of. */
interface Parts {
  readonly tls: TlsGate | undefined;
  readonly driver: Driver;
  readonly member: Member;
  readonly meter: Registry;
  readonly gate: Gate;
  readonly turns: Turns;
  readonly options: ServerOptions;
}

class Running implements RunningServer {
  readonly url: string;
  readonly clientUrls: readonly string[];
  readonly driver: Driver;
  readonly #listeners: readonly Server[];
  readonly #tls: TlsGate | undefined;
  readonly #acceptor: Acceptor;
  /** For whoever may open the data directory. */
  readonly #local: Acceptor;
  readonly #grpcConnections = new Map<GrpcConnection, Socket>();
  /** Over connections that have closed. */
  #grpcReceived = 0;
  #grpcSent = 0;
  readonly #turns: Turns;
  readonly #wastes = new Wastes();
  readonly #gate: Gate;
  readonly #member: Member;
  readonly #cluster: Cluster;
  /** What it may not answer goes to the member that leads. */
  readonly #forwarding: Driver;
  readonly #presented: Presented;
  readonly #sockets = new Set<Socket>();
  readonly #reacting = new AbortController();
  readonly #metrics: ServerMetrics;
  readonly #rpcs: RpcMetrics;
  readonly #http: HttpFace;
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor(bound: readonly Bound[], parts: Parts) {
    const { tls, driver, member, meter, gate, turns, options } = parts;
    this.#turns = turns;
    this.#tls = tls;
    this.#gate = gate;
    this.#member = member;
    const { cluster, forwarder } = member.begin(driver);
    this.#cluster = cluster;
    this.#forwarding = forwarding(driver, forwarder);
    const [scheme, own] = tls === undefined ? ["http", "quorate"] : ["https", "quorates"];
    this.url = `${own}://${bound[0]?.authority ?? ""}`;
    this.clientUrls = bound.map(({ authority }) => `${scheme}://${authority}`);
    this.driver = driver;
    this.#listeners = bound.map(({ listener }) => listener);
    this.#presented = {
      version: options.reportVersion ?? ETCD_VERSION,
      watchProgressMs: options.watchProgressMs ?? WATCH_PROGRESS_MS,
    };
    const shared = { clock: hostClock, meter, cluster, turns };
    this.#acceptor = new Acceptor({ ...shared, driver, gate }, this.url);
    const system = acting(driver, () => SYSTEM);
    this.#local = new Acceptor({ ...shared, driver: system }, this.url);
    // Programs that open the same data directory come over a local socket.
    driver.accept(this.#local.accept);
    const context = this.#contextOf(acting(this.#forwarding, () => SYSTEM));
    this.#metrics = new ServerMetrics(meter);
    this.#rpcs = new RpcMetrics(this.#methodsFor({}));
    const pages: PageSource = {
      etcdVersion: this.#presented.version,
      status: () => driver.status(),
      metrics: () => this.#metrics.render(driver.status(), this.#connected()) + this.#rpcs.render(),
      isLearner: () => this.#cluster.isLearner,
      ready: () => !this.#draining,
      read: async () => void (await context.submit({ kind: "range", key: OPEN_END })),
    };
    this.#http = new HttpFace((token) => this.#methodsFor({ token }), pages, turns);
    if (tls !== undefined) tls.onSecure = (socket): void => this.#accept(socket);
    for (const listener of this.#listeners)
      listener.on("connection", (socket) =>
        tls === undefined ? this.#accept(socket) : tls.admit(socket),
      );
    this.#react();
  }

  /** Has it carried out wherever that is decided. */
  order(order: AuthOrder, done: () => void): void {
    this.#forwarding.submit({ kind: "auth", order }, undefined, done, SYSTEM);
  }

  onStopped(listener: (failure: Failure) => void): void {
    this.driver.onStopped(listener);
    this.#member.onRefused(listener);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#member.handOver();
    this.#draining = true;
    const closed = Promise.all(
      this.#listeners.map(
        (listener) => new Promise<void>((resolve) => listener.close(() => resolve())),
      ),
    );
    const drained = Promise.all([
      this.#acceptor.drain(),
      this.#local.drain(),
      ...[...this.#grpcConnections.keys()].map((connection) => connection.drain()),
      this.#http.drain(),
    ]);
    const bound = setTimeout(() => this.#destroyAll(), DRAIN_MS);
    await drained;
    clearTimeout(bound);
    this.#reacting.abort();
    // Where there are other members a client has somewhere to go at once.
    if (this.#cluster.isShared) this.#acceptor.end();
    try {
      await this.driver.close();
    } finally {
      await this.#member.close();
      this.#acceptor.end();
      this.#local.end();
      this.#destroyAll();
      await closed;
      this.#metrics.stop();
    }
  }

  #destroyAll(): void {
    this.#tls?.close();
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
    greet(socket, (protocol, first) => {
      if (protocol === "native") return this.#native(socket, first);
      const { links, isShared } = this.#member;
      if (protocol === "peer")
        return links !== undefined && isShared
          ? acceptPeer(socket, first, links)
          : void socket.destroy();
      if (protocol === "http2") return this.#http2(socket, first);
      this.#http.accept(socket, first);
    });
  }

  /** Who comes back from where too much was wasted waits for being read. */
  #http2(socket: Socket, first: Buffer): void {
    const penaltyMs = this.#wastes.penaltyMs(socket.remoteAddress ?? "", hostClock.monotonicMs());
    if (penaltyMs === 0) return this.#grpc(socket, first);
    socket.pause();
    const over = setTimeout(() => {
      socket.resume();
      this.#grpc(socket, first);
    }, penaltyMs);
    socket.once("close", () => clearTimeout(over));
  }

  #grpc(socket: Socket, first: Buffer): void {
    if (this.#draining) return void socket.destroy();
    const connection = new GrpcConnection(socket, first, {
      methodsFor: (token) => this.#methodsFor({ token, peerName: peerNameOf(socket) }),
      metrics: this.#rpcs,
      turns: this.#turns,
      wastes: this.#wastes,
    });
    this.#grpcConnections.set(connection, socket);
    socket.once("close", () => {
      this.#grpcReceived += socket.bytesRead;
      this.#grpcSent += socket.bytesWritten;
      this.#grpcConnections.delete(connection);
    });
  }

  /** What clients of etcd can call, as whoever shows these credentials. */
  #methodsFor(credentials: Credentials): Methods {
    const driver = acting(this.#forwarding, () => this.#gate.identify(credentials));
    return etcdMethods(this.#contextOf(driver), () => !this.#draining);
  }

  #contextOf(driver: Driver): EtcdContext {
    return new EtcdContext({
      driver,
      clock: hostClock,
      presented: this.#presented,
      sha256: hostSha256,
      gate: this.#gate,
      cluster: this.#cluster,
    });
  }

  #native(socket: Socket, first: Buffer): void {
    let handler: StreamHandler | undefined;
    streamOf(socket, `${socket.remoteAddress ?? "?"}:${socket.remotePort ?? 0}`, (stream) => {
      handler = this.#acceptor.accept(stream, peerNameOf(socket));
      return handler;
    });
    handler?.received(first);
  }

  #connected(): Connections {
    const open = [...this.#grpcConnections.values()];
    return {
      native: this.#acceptor.count + this.#local.count,
      grpc: this.#grpcConnections.size,
      grpcReceived: open.reduce((sum, socket) => sum + socket.bytesRead, this.#grpcReceived),
      grpcSent: open.reduce((sum, socket) => sum + socket.bytesWritten, this.#grpcSent),
    };
  }
}
