/**
 * The link: one native connection at a time, made again with backoff when it ends.
 *
 * Invariants: I1 messages of one turn leave in few writes. I2 nothing is queued while there is no connection: whoever owns
 * a message sends it again at `connected`. I3 endpoints are tried in turn, each for a bounded time. I4 a peer that is
 * silent while something is expected of it is asked for a sign, then given up.
 */
import { toArray } from "../../base/bytes.ts";
import { fail, QuorateError } from "../../base/errors.ts";
import type { WireState } from "../../contract/keyspace.ts";
import type { Reply } from "../../contract/requests.ts";
import type { Cancel } from "../../ports/clock.ts";
import type { Address, ByteStream, StreamHandler } from "../../ports/network.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../../wire/native/messages.ts";
import {
  clientCodec,
  MAGIC,
  REPLY_FRAME_BYTES_MAX,
  REQUEST_FRAME_BYTES_MAX,
  serverCodec,
} from "../../wire/native/messages.ts";
import type { RemoteOptions } from "./remote.ts";

const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 2_000;
/** How long an endpoint may take to connect and say hello; a server may be reading its data. */
const GREETING_MS = 5_000;
/** Bytes that wait for the network before more are turned away. */
const BACKLOG_BYTES_MAX: number = 64 << 20;
/** Silence after which a peer that owes something is asked for a sign, and after which it is given up, ms. */
export const PING_AFTER_MS = 2_000;
export const SILENCE_MAX_MS = 8_000;

export type WatchMessage = Extract<
  ServerMessage,
  { readonly kind: "watchStarted" | "watchBatch" | "watchEnded" }
>;

export interface LinkEvents {
  connected(): void;
  replied(id: number, reply: Reply): void;
  watch(message: WatchMessage): void;
  interrupted(): void;
  /** Whether the other side owes an answer or may have news. */
  expecting(): boolean;
}

/** What became of a message: `offline` ones are the sender's to send again. */
export type Sent = "sent" | "offline" | "tooLarge";

export class Link {
  readonly #options: RemoteOptions;
  readonly #events: LinkEvents;
  readonly #writer = new FrameWriter<ClientMessage>(clientCodec, REQUEST_FRAME_BYTES_MAX);
  readonly #listeners = new Set<(state: WireState) => void>();
  readonly #closing = new AbortController();
  #stream: ByteStream | undefined;
  #state: WireState = "suspended";
  #attempts = 0;
  #flushScheduled = false;
  #held = false;
  #backlog = 0;
  #heardMs = 0;
  #asked = false;
  #cancelRetry: Cancel = () => {};
  #cancelLook: Cancel = () => {};
  procedures: ReadonlySet<string> | undefined;
  /** The server has said that it takes no more. */
  leaving = false;

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
        if (signal?.aborted === true) break;
      }
    }
    throw last;
  }

  observe(listener: (state: WireState) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#state);
    return () => this.#listeners.delete(listener);
  }

  /** Whether the connection keeps the process alive. */
  hold(hold: boolean): void {
    if (hold === this.#held) return;
    this.#held = hold;
    this.#stream?.keepAlive(hold);
  }

  /** More waits for the network than should. */
  get full(): boolean {
    return this.#backlog > BACKLOG_BYTES_MAX;
  }

  send(message: ClientMessage): Sent {
    if (this.#stream === undefined) return "offline";
    if (!this.#writer.add(message)) return "tooLarge";
    if (this.#writer.full) this.#flush();
    else this.#flushSoon();
    return "sent";
  }

  close(): void {
    this.#flush();
    this.#cancelRetry();
    this.#cancelLook();
    this.#tell("closed");
    this.#closing.abort();
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
    if (this.#writer.length === 0 || this.#stream === undefined) return;
    const gathered = this.#writer.take();
    this.#backlog = this.#stream.write(gathered) ? 0 : this.#backlog + gathered.length;
  }

  /** Resolves when the server has said hello: only then is it known to be one. */
  #dial(address: Address, signal: AbortSignal | undefined): Promise<void> {
    const { network, clock, label } = this.#options;
    return new Promise((resolve, reject) => {
      const giveUp = new AbortController();
      let opened: ByteStream | undefined;
      let greeted = false;
      const stop = (reason?: Error): void => {
        cancelTimer();
        signal?.removeEventListener("abort", onAbort);
        this.#closing.signal.removeEventListener("abort", onAbort);
        if (greeted) return resolve();
        giveUp.abort();
        opened?.destroy();
        reject(QuorateError.is(reason, "ABORTED") ? reason : unreachable(label, reason));
      };
      const onAbort = (): void => stop(abandoned(label, signal?.reason));
      const late = (): void => stop(new Error(`no greeting within ${GREETING_MS} ms`));
      const cancelTimer = clock.after(GREETING_MS, late, { idle: !this.#held });
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#closing.signal.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted === true || this.#closing.signal.aborted) return onAbort();
      const attach = (stream: ByteStream): StreamHandler =>
        this.#handler(
          stream,
          (procedures) => {
            greeted = true;
            this.#greeted(stream, procedures);
            stop();
          },
          stop,
        );
      network.dial(address, attach, giveUp.signal).then((stream) => {
        opened = stream;
        if (giveUp.signal.aborted) return stream.destroy();
        stream.write(toArray(MAGIC));
      }, stop);
    });
  }

  #handler(
    stream: ByteStream,
    greeted: (procedures: readonly string[]) => void,
    ended: (reason: Error | undefined) => void,
  ): StreamHandler {
    const reader = new FrameReader<ServerMessage>(serverCodec, REPLY_FRAME_BYTES_MAX);
    let known = false;
    const heed = (message: ServerMessage): boolean => {
      if (known) {
        if (this.#stream === stream) this.#heed(message);
      } else if (message.kind === "hello") {
        known = true;
        greeted(message.procedures);
      } else if (message.kind === "goAway") ended(new QuorateError(message.failure));
      return true;
    };
    return {
      received: (bytes) => {
        this.#heardMs = this.#options.clock.monotonicMs();
        this.#asked = false;
        try {
          reader.push(bytes);
          reader.take(heed);
        } catch (error) {
          // Bytes that are no message: the connection cannot be trusted any more; what is in flight goes again.
          if (!known) ended(anotherProtocol(this.#options.label, error));
          stream.destroy();
        }
      },
      drained: () => {
        if (this.#stream === stream) this.#backlog = 0;
      },
      closed: (reason) => {
        if (known) this.#interrupted(stream);
        else ended(reason);
      },
    };
  }

  #greeted(stream: ByteStream, procedures: readonly string[]): void {
    if (this.#state === "closed") return stream.destroy();
    this.#stream = stream;
    this.#attempts = 0;
    this.#backlog = 0;
    this.leaving = false;
    this.procedures = new Set(procedures);
    stream.keepAlive(this.#held);
    // What an earlier connection left unsent is sent again by its owners.
    this.#writer.take();
    this.send({ kind: "hello", program: this.#options.program, version: "1" });
    this.#look();
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
        this.leaving = true;
        return;
      case "hello":
      case "pong":
        return;
    }
  }

  /** From time to time: is the other side still there? */
  #look(): void {
    const { clock } = this.#options;
    this.#heardMs = clock.monotonicMs();
    this.#asked = false;
    const look = (): void => {
      const silentMs = clock.monotonicMs() - this.#heardMs;
      if (!this.#events.expecting()) this.#heardMs = clock.monotonicMs();
      else if (silentMs >= SILENCE_MAX_MS && this.#asked) return this.#stream?.destroy();
      else if (silentMs >= PING_AFTER_MS && !this.#asked) {
        this.#asked = true;
        this.send({ kind: "ping" });
      }
      this.#cancelLook = clock.after(PING_AFTER_MS / 2, look, { idle: true });
    };
    this.#cancelLook();
    this.#cancelLook = clock.after(PING_AFTER_MS / 2, look, { idle: true });
  }

  #interrupted(stream: ByteStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    this.#cancelLook();
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
    const again = (): void => {
      this.#dial(address, undefined).catch(() => {
        if (this.#state !== "closed") this.#retry();
      });
    };
    this.#cancelRetry = clock.after(delayMs, again, { idle: !this.#held });
  }

  #tell(state: WireState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function abandoned(label: string, reason: unknown): QuorateError {
  const what = "connecting was aborted";
  const remedy = "Nothing was begun.";
  return fail("ABORTED", { object: label, what, remedy, outcome: "definite" }, reason);
}

function anotherProtocol(label: string, error: unknown): QuorateError {
  const what = `answers in another protocol (${error instanceof Error ? error.message : String(error)})`;
  return fail("PROTOCOL", { object: label, what, remedy: "" }, error);
}

function unreachable(label: string, reason: Error | undefined): QuorateError {
  const remedy = "Check that a Quorate server listens there.";
  if (QuorateError.is(reason))
    return new QuorateError({ ...reason.failure, outcome: "definite", remedy }, reason);
  const what = `cannot be used: ${reason?.message ?? "it closed the connection before a greeting"}`;
  return fail("UNAVAILABLE", { object: label, what, remedy, outcome: "definite" }, reason);
}
