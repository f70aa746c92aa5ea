/**
 * One connection to another member as it is kept: dialled, introduced, kept alive, and dialled again with back-off when
 * it ends. What goes over it is its owner's.
 *
 * Invariants: I1 the owner has a stream only when the other side has said that it is the member that is meant. I2 a
 * connection that gives no sign of life is given up.
 */
import { toArray } from "../../base/bytes.ts";
import { Malformed } from "../../base/codec.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type { ByteStream, StreamHandler } from "../../ports/network.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import type { Lane, PeerAnswer, PeerOpening, Refusal } from "../../wire/native/peer-handshake.ts";
import {
  answerCodec,
  HANDSHAKE_BYTES_MAX,
  openingCodec,
  PEER_MAGIC,
  SIGN_OF_LIFE,
} from "../../wire/native/peer-handshake.ts";
import type { Self } from "./handshake.ts";
import { helloOf, isKnown } from "./handshake.ts";

const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 1_000;
/** How long connecting and the handshake may take. */
export const HANDSHAKE_MS = 5_000;
/** How often each side gives a sign of life, and after how many without one it gives the other up. */
export const ALIVE_MS = 1_000;
export const SILENT_LOOKS_MAX = 5;

/** Opens a stream to a member's url. */
export type DialPeer = (
  url: string,
  attach: (stream: ByteStream) => StreamHandler,
  signal: AbortSignal,
) => Promise<ByteStream>;

export interface PeerPorts {
  readonly dial: DialPeer;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

export interface DialEvents {
  /** The other side is the member that is meant, by the directory of that identity. */
  opened(identity: string): void;
  received(bytes: Uint8Array): void;
  drained(): void;
  /** The introduced connection is gone. */
  lost(): void;
  /** This member turned the other away, or was turned away by it. */
  refused(refusal: Refusal, by: "us" | "them"): void;
}

export class PeerDial {
  readonly #ports: PeerPorts;
  readonly #self: Self;
  readonly #lane: Lane;
  readonly #events: DialEvents;
  #address: PeerAddress;
  #stream: ByteStream | undefined;
  #dialling: AbortController | undefined;
  #attempts = 0;
  /** Something has been written since the last look. */
  #wrote = false;
  #silentLooks = 0;
  #isClosed = false;
  #cancelRetry: Cancel = () => {};
  #cancelLook: Cancel = () => {};

  constructor(ports: PeerPorts, self: Self, address: PeerAddress, lane: Lane, events: DialEvents) {
    this.#ports = ports;
    this.#self = self;
    this.#address = address;
    this.#lane = lane;
    this.#events = events;
    this.#dial();
  }

  get isOpen(): boolean {
    return this.#stream !== undefined;
  }

  /** Writes to the open connection; false: wait for `drained`. */
  write(bytes: Uint8Array): boolean {
    this.#wrote = true;
    return this.#stream?.write(bytes) ?? true;
  }

  /** Where it is to be found from now on, and by which directory it is known. */
  readdress(address: PeerAddress): void {
    this.#address = address;
  }

  /** The other side is there: no need to wait before dialling again. */
  hurry(): void {
    if (this.#isClosed || this.isOpen || this.#dialling !== undefined) return;
    this.#cancelRetry();
    this.#attempts = 0;
    this.#dial();
  }

  /** Ends the connection that there is; another is dialled. */
  drop(): void {
    this.#stream?.destroy();
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelRetry();
    this.#cancelLook();
    this.#dialling?.abort();
    this.#stream?.destroy();
    this.#stream = undefined;
  }

  #dial(): void {
    const { dial, clock } = this.#ports;
    const urls = this.#address.peerUrls;
    const url = urls[this.#attempts % Math.max(1, urls.length)];
    if (url === undefined) return this.#retry();
    const giveUp = new AbortController();
    this.#dialling = giveUp;
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      cancelLate();
      giveUp.abort();
      if (this.#dialling === giveUp) this.#dialling = undefined;
      this.#retry();
    };
    const cancelLate = clock.after(HANDSHAKE_MS, end, { idle: true });
    const opened = (): void => {
      cancelLate();
      if (this.#dialling === giveUp) this.#dialling = undefined;
    };
    const attach = (stream: ByteStream): StreamHandler => {
      giveUp.signal.addEventListener("abort", () => {
        if (this.#stream !== stream) stream.destroy();
      });
      return this.#handler(stream, opened, end);
    };
    dial(url, attach, giveUp.signal).then((stream) => this.#introduce(stream), end);
  }

  #introduce(stream: ByteStream): void {
    const opening = new FrameWriter<PeerOpening>(openingCodec, HANDSHAKE_BYTES_MAX);
    opening.add(helloOf(this.#self, this.#address, this.#lane));
    stream.write(toArray(PEER_MAGIC));
    stream.write(opening.take());
  }

  #handler(stream: ByteStream, opened: () => void, ended: () => void): StreamHandler {
    const reader = new FrameReader<PeerAnswer>(answerCodec, HANDSHAKE_BYTES_MAX);
    const answered = (answer: PeerAnswer): boolean => {
      const refusal = this.#refusalIn(answer);
      const by = answer.kind === "refused" ? "them" : "us";
      if (refusal !== undefined) this.#events.refused(refusal, by);
      if (refusal !== undefined || answer.kind !== "welcome" || this.#isClosed) stream.destroy();
      else {
        opened();
        this.#open(stream, answer.identity);
      }
      // What follows is the owner's to read, and comes in later bytes: nothing is sent before something is asked.
      return false;
    };
    return {
      received: (bytes) => {
        this.#silentLooks = 0;
        try {
          if (this.#stream === stream) return this.#events.received(bytes);
          reader.push(bytes);
          reader.take(answered);
        } catch (error) {
          if (!(error instanceof Malformed)) throw error;
          stream.destroy();
        }
      },
      drained: () => {
        if (this.#stream === stream) this.#events.drained();
      },
      closed: () => {
        if (this.#stream === stream) this.#lost();
        else ended();
      },
    };
  }

  #refusalIn(answer: PeerAnswer): Refusal | undefined {
    if (answer.kind === "refused") return answer;
    if (answer.kind !== "welcome") return undefined;
    return isKnown(this.#address.id, this.#address.identity, answer);
  }

  #open(stream: ByteStream, identity: string): void {
    this.#stream = stream;
    this.#attempts = 0;
    this.#silentLooks = 0;
    this.#look();
    this.#events.opened(identity);
  }

  #lost(): void {
    this.#stream = undefined;
    this.#cancelLook();
    if (this.#isClosed) return;
    this.#retry();
    this.#events.lost();
  }

  /** Silence is counted in looks, so that a pause of this process is none. */
  #look(): void {
    const look = (): void => {
      if (++this.#silentLooks > SILENT_LOOKS_MAX) return this.#stream?.destroy();
      if (!this.#wrote) this.#stream?.write(SIGN_OF_LIFE);
      this.#wrote = false;
      this.#look();
    };
    this.#cancelLook = this.#ports.clock.after(ALIVE_MS, look, { idle: true });
  }

  #retry(): void {
    if (this.#isClosed) return;
    const { clock, entropy } = this.#ports;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#attempts, 8));
    const drawn = entropy.u32() / 0x1_0000_0000;
    this.#attempts++;
    this.#cancelRetry();
    const delayMs = ceiling * (0.5 + drawn / 2);
    this.#cancelRetry = clock.after(delayMs, () => this.#dial(), { idle: true });
  }
}
