/**
 * One connection that another member dialled: its handshake, then what it brings.
 *
 * Invariants: I1 until it is welcome it costs one short frame and a bounded time. I2 bytes that are no message end it.
 * I3 what it sends speaks for the member that it was welcomed as, and no other. I4 a silent connection is given up.
 */
import { fromArray } from "../../base/bytes.ts";
import { Malformed } from "../../base/codec.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { ByteStream, StreamHandler } from "../../ports/network.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import type { PeerAnswer, PeerHello, PeerOpening } from "../../wire/native/peer-handshake.ts";
import {
  answerCodec,
  HANDSHAKE_BYTES_MAX,
  openingCodec,
  PEER_MAGIC,
  SIGN_OF_LIFE,
} from "../../wire/native/peer-handshake.ts";
import { ALIVE_MS, HANDSHAKE_MS, SILENT_LOOKS_MAX } from "./peer-dial.ts";

/** Reads what comes after the welcome; throws `Malformed` for what is nothing. */
export interface LaneContent {
  received(bytes: Uint8Array): void;
  drained(): void;
  closed(): void;
}

export interface IncomingEvents {
  /** What to answer to an opening. */
  opening(opening: PeerOpening): PeerAnswer;
  /** It was welcome: who reads it. */
  welcomed(hello: PeerHello, stream: ByteStream): LaneContent;
  /** It is gone; `hello` is what it was welcomed with. */
  closed(hello: PeerHello | undefined): void;
}

export class IncomingLane implements StreamHandler {
  readonly #stream: ByteStream;
  readonly #clock: Clock;
  readonly #events: IncomingEvents;
  readonly #opening = new FrameReader<PeerOpening>(openingCodec, HANDSHAKE_BYTES_MAX);
  #content: LaneContent | undefined;
  #hello: PeerHello | undefined;
  #magicRead = 0;
  #silentLooks = 0;
  #isOver = false;
  #cancelLook: Cancel;

  constructor(stream: ByteStream, clock: Clock, events: IncomingEvents) {
    this.#stream = stream;
    this.#clock = clock;
    this.#events = events;
    this.#cancelLook = clock.after(HANDSHAKE_MS, () => this.destroy(), { idle: true });
  }

  destroy(): void {
    this.#isOver = true;
    this.#cancelLook();
    this.#stream.destroy();
  }

  received(bytes: Uint8Array): void {
    if (this.#isOver) return;
    this.#silentLooks = 0;
    try {
      if (this.#content === undefined) this.#open(bytes);
      else this.#content.received(bytes);
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.destroy();
    }
  }

  drained(): void {
    this.#content?.drained();
  }

  closed(): void {
    this.#isOver = true;
    this.#cancelLook();
    this.#content?.closed();
    this.#events.closed(this.#hello);
  }

  #open(bytes: Uint8Array): void {
    this.#opening.push(this.#readMagic(bytes));
    let opened = 0;
    this.#opening.take((opening) => {
      // Whoever dials waits for the answer before it sends more.
      if (++opened > 1) throw new Malformed("bytes after the opening");
      this.#answer(opening);
      return true;
    });
  }

  #readMagic(bytes: Uint8Array): Uint8Array {
    const part = fromArray(bytes, 0, Math.min(bytes.length, PEER_MAGIC.length - this.#magicRead));
    if (PEER_MAGIC.slice(this.#magicRead, this.#magicRead + part.length) !== part)
      throw new Malformed("another protocol");
    this.#magicRead += part.length;
    return bytes.subarray(part.length);
  }

  #answer(opening: PeerOpening): void {
    const answer = this.#events.opening(opening);
    const writer = new FrameWriter<PeerAnswer>(answerCodec, HANDSHAKE_BYTES_MAX);
    writer.add(answer);
    this.#stream.write(writer.take());
    this.#cancelLook();
    if (opening.kind !== "hello" || answer.kind !== "welcome") {
      this.#isOver = true;
      return this.#stream.end();
    }
    this.#hello = opening;
    this.#look();
    this.#content = this.#events.welcomed(opening, this.#stream);
  }

  #look(): void {
    const look = (): void => {
      if (++this.#silentLooks > SILENT_LOOKS_MAX) return this.#stream.destroy();
      this.#stream.write(SIGN_OF_LIFE);
      this.#look();
    };
    this.#cancelLook = this.#clock.after(ALIVE_MS, look, { idle: true });
  }
}
