/**
 * One native connection of a server, without sockets: bytes in, bytes out, the driver in between.
 *
 * Invariants: I1 what is read from the connection is bounded: beyond `IN_FLIGHT_MAX` requests or a full outgoing
 * buffer, reading pauses, in the middle of what has arrived if need be. I2 a watch whose client does not acknowledge costs a position, not a buffer. I3 answers of one
 * turn leave in few writes. I4 after `drain` no new request is taken and those in flight are answered.
 */
import { fromArray } from "../base/bytes.ts";
import { Malformed } from "../base/codec.ts";
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import type { Request } from "../contract/requests.ts";
import type { Driver } from "../driver/face.ts";
import type { WatchHandle, WatchSink } from "../keyspace/watch-hub.ts";
import type { Clock } from "../ports/clock.ts";
import type { Meter } from "../ports/meter.ts";
import type { ByteStream, StreamHandler } from "../ports/network.ts";
import { FrameReader, FrameWriter } from "../wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../wire/native/messages.ts";
import {
  clientCodec,
  MAGIC,
  REPLY_FRAME_BYTES_MAX,
  REQUEST_FRAME_BYTES_MAX,
  serverCodec,
  WATCH_WINDOW,
} from "../wire/native/messages.ts";

const IN_FLIGHT_MAX = 8_192;
/** Watches that one connection may have open. */
const WATCHES_MAX = 65_536;

interface OpenWatch {
  handle: WatchHandle | undefined;
  unacknowledged: number;
  held: boolean;
}

export interface ServiceContext {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly meter: Meter;
}

/** Serves one connection. `MAGIC` is the first thing expected in the bytes. */
export class ServiceConnection implements StreamHandler {
  readonly #context: ServiceContext;
  readonly #stream: ByteStream;
  readonly #reader = new FrameReader<ClientMessage>(clientCodec, REQUEST_FRAME_BYTES_MAX);
  readonly #writer = new FrameWriter<ServerMessage>(serverCodec, REPLY_FRAME_BYTES_MAX);
  readonly #watches = new Map<number, OpenWatch>();
  readonly #requests: { add(by?: number): void };
  #magicRead = 0;
  #inFlight = 0;
  #blocked = false;
  #paused = false;
  #reading = false;
  #flushScheduled = false;
  #closed = false;
  #draining: Failure | undefined;
  #onDrained: () => void = () => {};

  constructor(context: ServiceContext, stream: ByteStream) {
    this.#context = context;
    this.#stream = stream;
    this.#requests = context.meter.counter(
      "quorate_requests_total",
      "Requests received over the native protocol.",
    );
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
    if (this.#reading) return;
    this.#reading = true;
    try {
      if (!this.#full()) this.#reader.take((message) => this.#heed(message));
    } finally {
      this.#reading = false;
    }
  }

  #full(): boolean {
    return this.#closed || this.#blocked || this.#inFlight >= IN_FLIGHT_MAX;
  }

  drained(): void {
    this.#blocked = false;
    for (const watch of this.#watches.values()) this.#resume(watch);
    this.#flow();
  }

  closed(): void {
    this.#closed = true;
    for (const watch of this.#watches.values()) watch.handle?.cancel();
    this.#watches.clear();
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
    return !this.#full();
  }

  #carryOut(message: ClientMessage): void {
    switch (message.kind) {
      case "request":
        return this.#request(message.id, message);
      case "watchOpen":
        return this.#openWatch(message);
      case "watchTaken":
        return this.#taken(message.id, message.batches);
      case "watchProgress":
        this.#watches.get(message.id)?.handle?.progress();
        return;
      case "watchCancel":
        this.#watches.get(message.id)?.handle?.cancel();
        this.#watches.delete(message.id);
        return;
      case "ping":
        return this.#send({ kind: "pong" });
      case "hello":
        return;
    }
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
    this.#context.driver.submit(request, caller, (reply) => {
      this.#inFlight--;
      this.#send({ kind: "reply", id, of: request.kind, reply });
      this.#flow();
      if (this.#draining !== undefined) this.#onDrained();
    });
    this.#flow();
  }

  #openWatch({ id, request }: ClientMessage & { readonly kind: "watchOpen" }): void {
    if (this.#watches.has(id)) throw new Malformed("a watch id that is in use");
    if (this.#watches.size >= WATCHES_MAX)
      return this.#send({ kind: "watchEnded", id, failure: this.#tooManyWatches() });
    const watch: OpenWatch = { handle: undefined, unacknowledged: 0, held: false };
    this.#watches.set(id, watch);
    const sink: WatchSink = {
      started: (revision) => this.#send({ kind: "watchStarted", id, revision }),
      batch: (batch) => {
        this.#send({ kind: "watchBatch", id, batch });
        watch.unacknowledged++;
        watch.held = watch.unacknowledged >= WATCH_WINDOW || this.#blocked;
        return !watch.held;
      },
      ended: (reason) => {
        this.#watches.delete(id);
        this.#send({ kind: "watchEnded", id, failure: reason });
      },
    };
    watch.handle = this.#context.driver.watch(request, sink);
  }

  #taken(id: number, batches: number): void {
    const watch = this.#watches.get(id);
    if (watch === undefined) return;
    watch.unacknowledged = Math.max(0, watch.unacknowledged - batches);
    this.#resume(watch);
  }

  #resume(watch: OpenWatch): void {
    if (!watch.held || watch.unacknowledged >= WATCH_WINDOW || this.#blocked) return;
    watch.held = false;
    watch.handle?.resume();
  }

  #send(message: ServerMessage): void {
    if (this.#closed) return;
    if (!this.#writer.add(message)) return this.#tooLong(message);
    if (this.#writer.full) return this.#flush();
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
    this.#send({ kind: "goAway", failure: reason });
    this.end();
    this.closed();
  }
}
