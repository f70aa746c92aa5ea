/**
 * The link: one native connection at a time, made again with backoff when it ends.
 *
 * Invariants: I1 messages of one turn leave in one write. I2 `send` is false while there is no connection, and nothing
 * is queued then: whoever owns the message sends it again at `connected`. I3 endpoints are tried in turn.
 */
import { toArray } from "../../base/bytes.ts";
import { asFailure, QuorateError } from "../../base/errors.ts";
import type { Failure } from "../../base/errors.ts";
import type { WireState } from "../../contract/keyspace.ts";
import type { Reply, Request } from "../../contract/requests.ts";
import type { Cancel } from "../../ports/clock.ts";
import type { Address, ByteStream, StreamHandler } from "../../ports/network.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../../wire/native/messages.ts";
import {
  clientCodec,
  MAGIC,
  REPLY_FRAME_BYTES_MAX,
  serverCodec,
} from "../../wire/native/messages.ts";
import type { CallState } from "../pending.ts";
import type { Stamp } from "./caller-window.ts";
import type { RemoteOptions } from "./remote.ts";

const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 2_000;
/** How long a server may take to say hello before another attempt is made; a server may be reading its data. */
const GREETING_MS = 5_000;
const GATHER_BYTES: number = 256 << 10;

/** A request without an answer yet. */
export interface Waiting {
  readonly request: Request;
  caller: Stamp | undefined;
  readonly state: CallState;
  done: (reply: Reply) => void;
  /** How often it has gone onto a wire. */
  sends: number;
}

export type WatchMessage = Extract<
  ServerMessage,
  { readonly kind: "watchStarted" | "watchBatch" | "watchEnded" }
>;

export interface LinkEvents {
  connected(): void;
  replied(id: number, reply: Reply): void;
  watch(message: WatchMessage): void;
  interrupted(): void;
}

export class Link {
  readonly #options: RemoteOptions;
  readonly #events: LinkEvents;
  readonly #writer = new FrameWriter<ClientMessage>(clientCodec);
  readonly #listeners = new Set<(state: WireState) => void>();
  #stream: ByteStream | undefined;
  #state: WireState = "suspended";
  #attempts = 0;
  #flushScheduled = false;
  #held = false;
  #cancelRetry: Cancel = () => {};
  procedures: ReadonlySet<string> | undefined;

  constructor(options: RemoteOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
  }

  /** Makes the first connection: every endpoint is tried once, and the last failure is thrown. */
  async first(signal: AbortSignal | undefined): Promise<void> {
    let last: unknown;
    for (const address of this.#options.addresses) {
      try {
        return await this.#dial(address, signal);
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  observe(listener: (state: WireState) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#state);
    return () => this.#listeners.delete(listener);
  }

  /** Whether the connection, and the attempts to make it again, keep the process alive. */
  hold(hold: boolean): void {
    this.#held = hold;
    this.#stream?.keepAlive(hold);
  }

  send(message: ClientMessage): boolean {
    if (this.#stream === undefined) return false;
    this.#writer.add(message);
    if (this.#writer.length >= GATHER_BYTES) this.#flush();
    else this.#flushSoon();
    return true;
  }

  close(): void {
    this.#flush();
    this.#cancelRetry();
    this.#tell("closed");
    this.#stream?.end();
    this.#stream = undefined;
  }

  #flushSoon(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#options.clock.soon(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#writer.length === 0) return;
    const gathered = this.#writer.take();
    this.#stream?.write(gathered);
  }

  /** Resolves when the server has said hello: only then is it known to be one. */
  #dial(address: Address, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      let greeted = false;
      const attach = (stream: ByteStream): StreamHandler => {
        const reader = new FrameReader<ServerMessage>(serverCodec, REPLY_FRAME_BYTES_MAX);
        return {
          received: (bytes) => {
            try {
              reader.push(bytes, (message) => {
                if (message.kind === "hello" && !greeted) {
                  greeted = true;
                  this.#greeted(stream, message.procedures);
                  resolve();
                } else if (greeted) this.#heed(message);
              });
            } catch {
              // Bytes that are no message: the connection cannot be trusted any more; what is in flight goes again.
              stream.destroy();
            }
          },
          drained: () => {},
          closed: (reason) => {
            if (greeted) this.#interrupted(stream);
            else reject(unreachable(this.#options.label, reason));
          },
        };
      };
      this.#options.network.dial(address, attach, signal).then(
        (stream) => {
          stream.write(toArray(MAGIC));
          const late = (): void => (greeted ? undefined : stream.destroy());
          this.#options.clock.after(GREETING_MS, late, { idle: true });
        },
        (error: unknown) => reject(error as Error),
      );
    });
  }

  #greeted(stream: ByteStream, procedures: readonly string[]): void {
    if (this.#state === "closed") return stream.destroy();
    this.#stream = stream;
    this.#attempts = 0;
    this.procedures = new Set(procedures);
    stream.keepAlive(this.#held);
    this.#writer.take();
    this.send({ kind: "hello", program: this.#options.program, version: "1" });
    this.#tell("connected");
    this.#events.connected();
  }

  #heed(message: ServerMessage): void {
    switch (message.kind) {
      case "reply":
        return this.#events.replied(message.id, message.reply);
      case "watchStarted":
      case "watchBatch":
      case "watchEnded":
        return this.#events.watch(message);
      case "goAway":
      case "hello":
      case "pong":
        return;
    }
  }

  #interrupted(stream: ByteStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    if (this.#state === "closed") return;
    this.#tell("suspended");
    this.#events.interrupted();
    this.#retry();
  }

  #retry(): void {
    const { clock, entropy, addresses } = this.#options;
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(this.#attempts, 8));
    // Full jitter: clients that lost one server do not come back as one wave.
    const delayMs = this.#attempts === 0 ? 0 : (entropy.u32() / 0x1_0000_0000) * ceiling;
    const address = addresses[this.#attempts % addresses.length] as Address;
    this.#attempts++;
    this.#cancelRetry = clock.after(
      delayMs,
      () => {
        this.#dial(address, undefined).catch(() => {
          if (this.#state !== "closed") this.#retry();
        });
      },
      { idle: !this.#held },
    );
  }

  #tell(state: WireState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function unreachable(label: string, reason: Error | undefined): QuorateError {
  const seen: Failure = asFailure(
    reason ?? new Error("it closed the connection before a greeting"),
    label,
  );
  return new QuorateError(
    { ...seen, outcome: "definite", remedy: "Check that a Quorate server listens there." },
    reason,
  );
}
