/**
 * A connection of HTTP/2 on an open socket: carries bytes between the two, times what may not last.
 *
 * Invariants: I1 what is written in one turn of the event loop leaves in one write. I2 while the socket is full nothing more
 * is taken from the connection, and when that makes it congested, nothing more is read. I3 what has come is read in
 * turns, shared with all who are served, and no more comes meanwhile. I4 a peer that is told that it is over has a moment
 * to read why.
 */
import type { Socket } from "node:net";
import { farewell } from "../../host/farewell.ts";
import type { Turn, Turns } from "../../service/turns.ts";
import type { ConnectionEvents } from "../../wire/http2/connection.ts";
import { Http2Connection } from "../../wire/http2/connection.ts";

/** A peer that has not said its settings after this long is disconnected, ms. */
const SETTLE_MS = 10_000;
/** Silence after which the system asks the other side for a sign, ms. */
const KEEPALIVE_MS = 30_000;

export class Http2Socket {
  readonly #socket: Socket;
  readonly #connection: Http2Connection;
  /** Of the connection: what its streams are told of is heeded in it too. */
  readonly turn: Turn;
  #scheduled = false;
  #paused = false;
  /** The socket takes no more for now. */
  #full = false;
  #ending = false;
  readonly #silent: ReturnType<typeof setTimeout>;

  /** Takes over `socket`; `received` is told what has been read of it. `goOn` begins each turn after the first. */
  constructor(
    socket: Socket,
    turns: Turns,
    events: Pick<ConnectionEvents, "opened" | "pinged" | "wasted"> & { goOn(): void },
  ) {
    this.#socket = socket;
    const turn = turns.turn(() => this.#inTurn(() => this.#goOn(events)));
    this.turn = turn;
    this.#connection = new Http2Connection({
      opened: (stream, head) => events.opened(stream, head),
      pinged: () => events.pinged(),
      pending: () => this.#schedule(),
      tired: () => turn.isOver(),
      wasted: (nowMs) => events.wasted?.(nowMs) ?? true,
    });
    this.#silent = setTimeout(() => socket.destroy(), SETTLE_MS);
    this.#silent.unref();
    socket.setNoDelay(true);
    // A peer that vanished without a word is noticed in the end.
    socket.setKeepAlive(true, KEEPALIVE_MS);
    socket.on("data", (chunk: Buffer) => this.received(chunk));
    socket.on("drain", () => this.#drained());
    socket.once("end", () => socket.destroySoon());
    socket.once("close", () => this.#closed());
  }

  received(chunk: Uint8Array): void {
    // Parts of a Buffer are made more slowly than parts of an array.
    const bytes = new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length);
    // Out of turn it keeps what has come.
    this.#inTurn(() => this.#connection.received(bytes, performance.now()));
    if (this.#connection.settled) clearTimeout(this.#silent);
  }

  #goOn(events: { goOn(): void }): void {
    events.goOn();
    this.#connection.goOn(performance.now());
  }

  #inTurn(work: () => void): void {
    const begun = this.turn.begin();
    try {
      work();
    } finally {
      if (begun) this.turn.end();
    }
    this.#flow();
  }

  /** Reads on only while there is time for what comes and room for what it brings. */
  #flow(): void {
    if (this.#ending) return;
    const { behind, congested } = this.#connection;
    const pause = this.turn.waits || behind || (this.#full && congested);
    if (pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#socket.pause();
    else this.#socket.resume();
  }

  /** Takes no new streams; when the open ones have ended, the socket is closed. */
  drain(): void {
    this.#connection.drain();
  }

  /** Ends everything; the peer is told why. */
  fail(code: number, text: string): void {
    this.#connection.fail(code, text);
  }

  /** Writes what there is. */
  flush(): void {
    this.#scheduled = false;
    while (!this.#full && !this.#ending && !this.#socket.destroyed) {
      const bytes = this.#connection.take();
      if (bytes === undefined) break;
      this.#full = !this.#socket.write(bytes) && this.#socket.writableLength > 0;
    }
    this.#flow();
    if (this.#connection.done && !this.#full) this.#end();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.flush());
  }

  #drained(): void {
    this.#full = false;
    this.flush();
  }

  #end(): void {
    if (this.#ending) return;
    this.#ending = true;
    farewell(this.#socket);
  }

  #closed(): void {
    clearTimeout(this.#silent);
    this.turn.leave();
    this.#connection.lost();
  }
}
