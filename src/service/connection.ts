/**
 * One native connection of a server, without sockets: bytes in, bytes out, the driver in between.
 *
 * Invariants: I1 what is read from the connection is bounded: beyond `IN_FLIGHT_MAX` requests or a full outgoing
 * buffer, reading pauses, in the middle of what has arrived if need be. Neither does what has arrived keep others waiting:
 * it is heeded in turns (`turns.ts`). I2 a watch whose client does not acknowledge costs a position, not a buffer. I3 answers of one
 * turn leave in few writes. I4 after `drain` no new request is taken and those in flight are answered.
 */
import { fromArray } from "../base/bytes.ts";
import { Malformed } from "../base/codec.ts";
import type { Failure } from "../base/errors.ts";
import { QuorateError, asFailure, failure } from "../base/errors.ts";
import type { Identity } from "../contract/auth.ts";
import type { ClusterOrder } from "../contract/cluster.ts";
import type { Reply, Request } from "../contract/requests.ts";
import type { Driver } from "../driver/face.ts";
import type { Clock } from "../ports/clock.ts";
import type { Meter } from "../ports/meter.ts";
import type { ByteStream, StreamHandler } from "../ports/network.ts";
import type { OrderReply } from "../wire/native/cluster-orders.ts";
import { FrameReader, FrameWriter } from "../wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../wire/native/messages.ts";
import { acting } from "./auth/acting.ts";
import { alone } from "./cluster/orders.ts";
import type { Gate } from "./auth/gate.ts";
import type { Cluster } from "./cluster/cluster.ts";
import type { ClusterView } from "./cluster/cluster-view.ts";
import { directed } from "./cluster/cluster-view.ts";
import type { WatchOwner } from "./open-watch.ts";
import { OpenWatch } from "./open-watch.ts";
import type { Turn } from "./turns.ts";
import { laterOfWatch, Turns } from "./turns.ts";
import {
  clientCodec,
  MAGIC,
  REPLY_FRAME_BYTES_MAX,
  REQUEST_FRAME_BYTES_MAX,
  serverCodec,
} from "../wire/native/messages.ts";

const IN_FLIGHT_MAX = 8_192;
/** Watches that one connection may have open. */
const WATCHES_MAX = 65_536;

export interface ServiceContext {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly meter: Meter;
  /** Shared with whoever else is served; absent: with nobody. */
  readonly turns?: Turns | undefined;
  /** Where clients say who they are; absent: whatever `driver` lets pass may be asked by anybody. */
  readonly gate?: Gate | undefined;
  /** The common name of the certificate with which the client has come. */
  readonly peerName?: string | undefined;
  /** Absent: nothing is said of other servers, and nothing about members is carried out. */
  readonly cluster?: (ClusterView & Pick<Cluster, "order">) | undefined;
}

/** The connection went while something was being sent. */
class Gone extends Error {}

/** Serves one connection. `MAGIC` is the first thing expected in the bytes. */
export class ServiceConnection implements StreamHandler {
  readonly #context: ServiceContext;
  /** As the client may see it. */
  readonly #driver: Driver;
  /** Whoever the client has shown to be. */
  #known: Identity | undefined;
  /** The client's password is being looked at: what follows waits. */
  #proving = false;
  readonly #stream: ByteStream;
  readonly #reader = new FrameReader<ClientMessage>(clientCodec, REQUEST_FRAME_BYTES_MAX);
  readonly #writer = new FrameWriter<ServerMessage>(serverCodec, REPLY_FRAME_BYTES_MAX);
  readonly #watches = new Map<number, OpenWatch>();
  readonly #owner: WatchOwner;
  readonly #requests: { add(by?: number): void };
  #magicRead = 0;
  #inFlight = 0;
  #blocked = false;
  #paused = false;
  #reading = false;
  readonly #turn: Turn;
  #flushScheduled = false;
  #closed = false;
  #draining: Failure | undefined;
  #snapshots = 0;
  /** Whoever waits for room to send. */
  #onRoom: (() => void) | undefined;
  #onDrained: () => void = () => {};
  #stopObserving: () => void = () => {};
  /** What the client was told last of the members. */
  #told = "";

  constructor(context: ServiceContext, stream: ByteStream) {
    this.#context = context;
    const { driver, gate } = context;
    this.#driver = gate === undefined ? driver : acting(driver, () => this.#identity(gate));
    this.#stream = stream;
    this.#owner = this.#ownerOfWatches();
    this.#turn = (context.turns ?? new Turns(context.clock)).turn(() => this.#goOn());
    this.#requests = context.meter.counter(
      "quorate_requests_total",
      "Requests received over the native protocol.",
    );
  }

  #ownerOfWatches(): WatchOwner {
    const blocked = (): boolean => this.#blocked;
    return {
      get blocked() {
        return blocked();
      },
      send: (message) => this.#send(message),
      forget: (id) => void this.#watches.delete(id),
    };
  }

  received(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#guarded(() => {
      const rest = this.#readMagic(bytes);
      if (rest === undefined) return;
      this.#reader.push(rest);
      this.#readOn();
    });
  }

  /** Bytes that are no message end the connection. */
  #guarded(read: () => void): void {
    try {
      read();
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#refuse(error.message);
    }
  }

  /** Heeds what has arrived, for as long as there is room for what it brings. */
  #readOn(): void {
    if (this.#reading || this.#full() || !this.#reader.ready) return;
    if (!this.#turn.begin()) return this.#flow();
    this.#reading = true;
    try {
      this.#reader.take((message) => this.#heed(message));
    } finally {
      this.#reading = false;
      this.#turn.end();
    }
  }

  /** The others have had their turn. */
  #goOn(): void {
    this.#guarded(() => this.#readOn());
    this.#flow();
  }

  #full(): boolean {
    const busy = this.#blocked || this.#proving || this.#turn.waits;
    return busy || this.#closed || this.#inFlight >= IN_FLIGHT_MAX;
  }

  drained(): void {
    this.#blocked = false;
    for (const watch of this.#watches.values()) watch.resume();
    this.#onRoom?.();
    this.#flow();
  }

  closed(): void {
    this.#closed = true;
    this.#turn.leave();
    this.#stopObserving();
    for (const watch of this.#watches.values()) watch.handle?.cancel();
    this.#watches.clear();
    this.#onRoom?.();
    this.#onDrained();
  }

  /** Says that the server is going and resolves when nothing is in flight or the connection is gone. */
  drain(reason: Failure): Promise<void> {
    this.#draining = reason;
    this.#send({ kind: "goAway", failure: reason });
    return new Promise((resolve) => {
      this.#onDrained = (): void => {
        if (this.#inFlight === 0 || this.#closed) resolve();
      };
      this.#onDrained();
    });
  }

  /** Sends what is gathered and ends the connection. */
  end(): void {
    this.#flush();
    this.#stream.end();
  }

  #readMagic(bytes: Uint8Array): Uint8Array | undefined {
    if (this.#magicRead === MAGIC.length) return bytes;
    const part = fromArray(bytes, 0, Math.min(bytes.length, MAGIC.length - this.#magicRead));
    if (MAGIC.slice(this.#magicRead, this.#magicRead + part.length) !== part)
      throw new Malformed("another protocol");
    this.#magicRead += part.length;
    if (this.#magicRead < MAGIC.length) return undefined;
    const { version, clusterId, procedures } = this.#context.driver.status();
    this.#send({ kind: "hello", version, cluster: clusterId.toString(), procedures });
    return bytes.subarray(part.length);
  }

  /** False if nothing more can be taken for now. */
  #heed(message: ClientMessage): boolean {
    this.#carryOut(message);
    // A connection that brings much at once lets the others go before the rest of it.
    if (this.#turn.isOver()) this.#flow();
    return !this.#full();
  }

  #carryOut(message: ClientMessage): void {
    switch (message.kind) {
      case "request":
        return this.#request(message.id, message);
      case "watchOpen":
        return this.#openWatch(message);
      case "watchTaken":
        return this.#watches.get(message.id)?.taken(message.batches);
      case "watchProgress":
        this.#watches.get(message.id)?.handle?.progress();
        return;
      case "watchCancel":
        this.#watches.get(message.id)?.handle?.cancel();
        this.#watches.delete(message.id);
        return;
      case "ping":
        return this.#send({ kind: "pong" });
      case "snapshotOpen":
        return void this.#snapshot(message.id);
      case "authenticate":
        return this.#authenticate(message.user, message.password);
      case "order":
        return this.#order(message.id, message.order);
      case "hello":
        return this.#greeted(message.version);
    }
  }

  /** Whoever can take it is told of the members, now and when they change. */
  #greeted(version: string): void {
    const { cluster } = this.#context;
    if (cluster === undefined || !(Number(version) >= 2)) return;
    const tell = (): void => {
      const told = { urls: cluster.urls(), leaderUrls: cluster.leaderUrls() };
      const text = JSON.stringify(told);
      if (text === this.#told) return;
      this.#told = text;
      this.#send({ kind: "members", ...told });
    };
    this.#stopObserving();
    this.#stopObserving = cluster.observe(tell);
    tell();
  }

  /** Who asks, now: a user whose password has been changed since is no longer who it was. */
  #identity(gate: Gate): Identity {
    const known = this.#known;
    if (known === undefined) return gate.identify({ peerName: this.#context.peerName });
    return known.kind === "user" ? gate.still(known) : known;
  }

  #authenticate(user: string, password: string): void {
    const { gate } = this.#context;
    if (gate === undefined || this.#proving) return;
    this.#proving = true;
    this.#flow();
    const done = (identity: Identity): void => {
      this.#known = identity;
      this.#proving = false;
      this.#flow();
    };
    gate.recognise(user, password).then(done, (error: unknown) => {
      const reason = asFailure(error, `connection from ${this.#stream.peer}`);
      if (reason.code === "UNAUTHENTICATED")
        return done({ kind: "refused", reason: "badPassword" });
      // It could not be looked at: the client comes again.
      this.#leave(reason);
    });
  }

  #request(
    id: number,
    { request, caller }: { request: Request; caller?: Parameters<Driver["submit"]>[1] },
  ): void {
    this.#requests.add();
    if (this.#draining !== undefined) {
      return this.#send({
        kind: "reply",
        id,
        of: request.kind,
        reply: { ok: false, failure: this.#draining },
      });
    }
    this.#inFlight++;
    this.#driver.submit(request, caller, (reply) => {
      this.#inFlight--;
      const { cluster } = this.#context;
      const told: Reply = reply.ok
        ? reply
        : { ok: false, failure: directed(reply.failure, cluster) };
      this.#send({ kind: "reply", id, of: request.kind, reply: told });
      this.#flow();
      if (this.#draining !== undefined) this.#onDrained();
    });
    this.#flow();
  }

  #order(id: number, order: ClusterOrder): void {
    const { cluster } = this.#context;
    const operation = { kind: order.kind === "list" ? "attend" : "maintain" } as const;
    const refused = this.#draining ?? this.#driver.refuses(operation);
    const answer = (reply: OrderReply): void => this.#send({ kind: "ordered", id, reply });
    if (refused !== undefined) return answer({ ok: false, failure: refused });
    if (cluster === undefined) return answer({ ok: false, failure: alone() });
    this.#inFlight++;
    cluster.order(order, (reply) => {
      this.#inFlight--;
      answer(reply);
      this.#flow();
      if (this.#draining !== undefined) this.#onDrained();
    });
  }

  #openWatch({ id, request }: ClientMessage & { readonly kind: "watchOpen" }): void {
    if (this.#watches.has(id)) throw new Malformed("a watch id that is in use");
    if (this.#watches.size >= WATCHES_MAX)
      return this.#send({ kind: "watchEnded", id, failure: this.#tooManyWatches() });
    const watch = new OpenWatch(this.#owner, id);
    this.#watches.set(id, watch);
    this.#turn.owes(laterOfWatch(this.#watches.size));
    watch.handle = this.#driver.watch(request, watch);
  }

  /** Sends the present state part by part, as fast as the other side takes it; other work goes on between two parts. */
  async #snapshot(id: number): Promise<void> {
    const refused = this.#draining ?? (this.#snapshots > 0 ? this.#oneAtATime() : undefined);
    if (refused !== undefined) return this.#send({ kind: "snapshotEnded", id, failure: refused });
    this.#snapshots++;
    this.#inFlight++;
    try {
      await this.#driver.snapshot(async (frame) => {
        this.#send({ kind: "snapshotPart", id, bytes: fromArray(frame) });
        await new Promise<void>((resolve) => this.#context.clock.soon(resolve));
        if (this.#blocked && !this.#closed) await this.#room();
        if (this.#closed) throw new Gone();
      });
      this.#send({ kind: "snapshotEnded", id });
    } catch (error) {
      if (error instanceof Gone) return;
      if (!QuorateError.is(error)) throw error;
      this.#send({ kind: "snapshotEnded", id, failure: asFailure(error, this.#stream.peer) });
    } finally {
      this.#snapshots--;
      this.#inFlight--;
      this.#flow();
      if (this.#draining !== undefined) this.#onDrained();
    }
  }

  /** Resolves when the outgoing buffer has emptied or the connection is gone. */
  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = (): void => {
        this.#onRoom = undefined;
        resolve();
      };
    });
  }

  #oneAtATime(): Failure {
    return failure("OVERLOADED", {
      object: `connection from ${this.#stream.peer}`,
      what: "is being sent a snapshot already",
      remedy: "Wait for its end, or open another connection.",
    });
  }

  #send(message: ServerMessage): void {
    if (this.#closed) return;
    if (!this.#writer.add(message)) return this.#tooLong(message);
    // The answers of a turn leave in parts, so that the client works meanwhile; a change goes to many watches at once.
    const { kind } = message;
    const isForMany = kind === "watchBatch" || kind === "watchStarted";
    if (isForMany ? this.#writer.large : this.#writer.full) return this.#flush();
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#context.clock.soon(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  /** What does not fit a frame is answered with that; a watch cannot go on without what it should have given. */
  #tooLong(message: ServerMessage): void {
    const reason = failure("TOO_LARGE", {
      object: `connection from ${this.#stream.peer}`,
      what: `an answer is longer than ${REPLY_FRAME_BYTES_MAX} bytes`,
      remedy: "Ask for less at once: use a limit, or allow fragments.",
    });
    if (message.kind === "reply")
      return this.#send({ ...message, reply: { ok: false, failure: reason } });
    if (message.kind !== "watchBatch") return;
    this.#watches.get(message.id)?.handle?.cancel();
    this.#watches.delete(message.id);
    this.#send({ kind: "watchEnded", id: message.id, failure: reason });
  }

  #flush(): void {
    if (this.#closed || this.#writer.length === 0) return;
    this.#blocked = !this.#stream.write(this.#writer.take());
    this.#flow();
  }

  /** Reading goes on only while there is room for what it brings. */
  #flow(): void {
    const pause = this.#full();
    if (pause === this.#paused || this.#closed) return;
    this.#paused = pause;
    if (pause) return this.#stream.pause();
    this.#stream.resume();
    // What had arrived before the pause: perhaps no further bytes come to bring it along.
    this.#context.clock.soon(() => this.#guarded(() => this.#readOn()));
  }

  #tooManyWatches(): Failure {
    return failure("OVERLOADED", {
      object: `connection from ${this.#stream.peer}`,
      what: `has ${WATCHES_MAX} watches open, as many as one may have`,
      remedy: "End watches, watch a range instead of keys, or open another connection.",
    });
  }

  #refuse(what: string): void {
    const reason = failure("PROTOCOL", {
      object: `connection from ${this.#stream.peer}`,
      what: `sent ${what}`,
      remedy: "Use a client of this protocol's version.",
    });
    this.#leave(reason);
  }

  #leave(reason: Failure): void {
    this.#send({ kind: "goAway", failure: reason });
    this.end();
    this.closed();
  }
}
