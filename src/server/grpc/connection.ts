/**
 * HTTP/2 on an accepted socket: gRPC calls, and the limits of a connection.
 *
 * Invariants: I1 streams, headers, resets and pings of a connection are bounded; what exceeds them ends it. I2 `drain`
 * takes no new calls, ends streams, and resolves when those that can be answered have been.
 * Sources: gRPC over HTTP/2; grpc-go's rule on pings (two strikes), as etcd enforces it.
 */
import type { Socket } from "node:net";
import { Slots } from "../../base/slots.ts";
import type { Methods } from "../../service/grpc/method.ts";
import type { Turns } from "../../service/turns.ts";
import { LATER_MS, OneByOne } from "../../service/turns.ts";
import type { Wastes } from "../../service/wastes.ts";
import { said } from "../../wire/etcd/statuses.ts";
import { httpStatus } from "../../wire/grpc/answers.ts";
import { CODE } from "../../wire/http2/errors.ts";
import type { RequestHead } from "../../wire/http2/request-head.ts";
import { fieldOf } from "../../wire/http2/request-head.ts";
import type { Http2Stream, StreamEvents } from "../../wire/http2/stream.ts";
import type { RpcMetrics } from "../rpc-metrics.ts";
import type { CallOwner, LongAnswer } from "./call.ts";
import { GrpcCall, hangUp } from "./call.ts";
import { Http2Socket } from "./http2-socket.ts";
import type { Route } from "./route.ts";
import { httpRefusal, routeOf } from "./route.ts";

/** Shortest time between two pings of a client with open calls, ms; without calls, two hours. */
const PING_MIN_MS = 5_000;
const PING_IDLE_MIN_MS = 7_200_000;
const PING_STRIKES_MAX = 2;
/** What unfinished messages of all calls may take. */
const KEPT_BYTES_MAX: number = 64 << 20;
/** What answers a ping and opens a window: no data of ours. */
const ACKNOWLEDGING_BYTES = 40;

/** What the connections of a server share. */
export interface GrpcParts {
  readonly methodsFor: (token: string | undefined) => Methods;
  readonly metrics: RpcMetrics;
  readonly turns: Turns;
  readonly wastes: Wastes;
}

export class GrpcConnection implements CallOwner {
  readonly #turns: Turns;
  readonly #longAnswers = new OneByOne();
  /** Calls that have something left to heed. */
  readonly #resting = new Set<GrpcCall>();
  readonly #methodsFor: (token: string | undefined) => Methods;
  /** Of the last call: most clients show one token. */
  #methods: { readonly token: string | undefined; readonly of: Methods } | undefined;
  #route: { readonly head: RequestHead; readonly of: Route } | undefined;
  readonly #metrics: RpcMetrics;
  readonly #calls = new Slots<GrpcCall>();
  #onIdle: () => void = () => {};
  #lastPing = -Infinity;
  #strikes = 0;
  readonly #socket: Socket;
  readonly #http2: Http2Socket;
  #sentAtPing = 0;
  #keptBytes = 0;

  /** Takes over `socket`, of which `first` has been read. `methodsFor`: as whoever shows the token may use them. */
  constructor(
    socket: Socket,
    first: Uint8Array,
    { methodsFor, metrics, turns, wastes }: GrpcParts,
  ) {
    const address = socket.remoteAddress ?? "";
    this.#turns = turns;
    this.#methodsFor = methodsFor;
    this.#metrics = metrics;
    this.#socket = socket;
    this.#http2 = new Http2Socket(socket, turns, {
      opened: (stream, head) => this.#open(stream, head),
      pinged: () => this.#ping(),
      goOn: () => this.#goOn(),
      wasted: (nowMs) => {
        this.owes(LATER_MS.waste);
        return wastes.wasted(address, nowMs);
      },
    });
    this.#http2.received(first);
  }

  async drain(): Promise<void> {
    if (this.#socket.destroyed) return;
    const closed = new Promise<void>((resolve) => this.#socket.once("close", () => resolve()));
    this.#http2.drain();
    const idle = new Promise<void>((resolve) => (this.#onIdle = resolve));
    for (const call of this.#calls.all()) call.drain(said("stopped"));
    if (this.#calls.size === 0) this.#onIdle();
    await Promise.race([idle, closed]);
    this.#http2.flush();
  }

  keeps(bytes: number): boolean {
    this.#keptBytes += bytes;
    return this.#keptBytes <= KEPT_BYTES_MAX;
  }

  isTurnOver(): boolean {
    return this.#http2.turn.isOver("large");
  }

  owes(ms: number): void {
    this.#http2.turn.owes(ms);
  }

  rests(call: GrpcCall): void {
    this.#resting.add(call);
    this.#http2.turn.wait();
  }

  makeLong(pieces: Iterable<Uint8Array>, isUnwanted: () => boolean): LongAnswer {
    return this.#longAnswers.run(() => this.#turns.run(pieces, isUnwanted));
  }

  /** Those that rest go on in the order in which they began to, and before anything more is read. */
  #goOn(): void {
    for (const call of this.#resting) {
      this.#resting.delete(call);
      call.goOn();
      if (this.isTurnOver()) return;
    }
  }

  closed(call: GrpcCall): void {
    this.#resting.delete(call);
    this.#calls.take(call.slot);
    if (this.#calls.size === 0) this.#onIdle();
  }

  #open(stream: Http2Stream, head: RequestHead): StreamEvents {
    if (this.#route === undefined || this.#route.head !== head) {
      const refused = httpRefusal(head);
      if (refused !== undefined) return refuse(stream, refused);
      this.#route = { head, of: routeOf(head, this.#methodsOf(head), this.#metrics) };
    }
    const call = new GrpcCall(stream, this.#route.of, this);
    call.slot = this.#calls.add(call);
    call.start();
    return call;
  }

  #methodsOf(head: RequestHead): Methods {
    const token = fieldOf(head, "token") ?? fieldOf(head, "authorization");
    if (this.#methods === undefined || this.#methods.token !== token)
      this.#methods = { token, of: this.#methodsFor(token) };
    return this.#methods.of;
  }

  /** Pings measure the round trip while data moves; more often than that they only keep the server busy. */
  #ping(): void {
    const now = performance.now();
    const least = this.#calls.size > 0 ? PING_MIN_MS : PING_IDLE_MIN_MS;
    // A long message leaves in many frames, each of which a client may answer by a ping.
    const sent = this.#socket.bytesWritten - this.#sentAtPing;
    if (sent > ACKNOWLEDGING_BYTES) this.#strikes = 0;
    else if (now - this.#lastPing < least) this.#strikes++;
    this.#sentAtPing = this.#socket.bytesWritten;
    this.#lastPing = now;
    if (this.#strikes > PING_STRIKES_MAX) this.#http2.fail(CODE.enhanceYourCalm, "too_many_pings");
  }
}

/** Answers what is no gRPC call. */
function refuse(stream: Http2Stream, status: number): StreamEvents {
  const ignored = (): void => {};
  stream.respond(httpStatus(status), true);
  hangUp(stream);
  return { received: ignored, finished: ignored, drained: ignored, closed: ignored };
}
