/**
 * The link: one native connection at a time, made again with backoff when it ends.
 *
 * Invariants: I1 messages of one turn leave in few writes. I2 nothing is queued while there is no connection: whoever owns
 * a message sends it again at `connected`. I3 endpoints are tried in turn, who leads first, each for a bounded time. I4 a
 * peer that is silent while something is expected of it is asked for a sign, then given up; sooner where there is another
 * to go to. I5 a move to another endpoint ends the old connection when the new one stands, and not before.
 */
import { toArray } from "../../base/bytes.ts";
import { fail, QuorateError } from "../../base/errors.ts";
import type { WireState } from "../../contract/keyspace.ts";
import type { Failure } from "../../base/errors.ts";
import type { Reply } from "../../contract/requests.ts";
import type { Cancel } from "../../ports/clock.ts";
import type { Address, ByteStream, StreamHandler } from "../../ports/network.ts";
import { FrameReader, FrameWriter } from "../../wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../../wire/native/messages.ts";
import {
  CLIENT_VERSION,
  clientCodec,
  MAGIC,
  REPLY_FRAME_BYTES_MAX,
  REQUEST_FRAME_BYTES_MAX,
  serverCodec,
} from "../../wire/native/messages.ts";
import { abandoned } from "../pending.ts";
import { Endpoints } from "./endpoints.ts";
import type { RemoteOptions } from "./remote.ts";

const BACKOFF_MIN_MS = 20;
const BACKOFF_MAX_MS = 2_000;
/** Bounds the back-off between servers that do not lead: 160 ms. */
const MISPLACED_MAX = 3;
/** How long an endpoint may take to connect and say hello; a server may be reading its data. */
const GREETING_MS = 5_000;
/** The same where there are others to try. */
const GREETING_OF_SEVERAL_MS = 1_500;
/** Bytes that wait for the network before more are turned away. */
const BACKLOG_BYTES_MAX: number = 64 << 20;
/** Silence after which a peer that owes something is asked for a sign, and after which it is given up, ms. */
export const PING_AFTER_MS = 2_000;
export const SILENCE_MAX_MS = 8_000;
/** The same where there are others to go to: by then these have elected another leader, as a rule. */
const OF_SEVERAL = { pingAfterMs: 400, silenceMaxMs: 1_000 };

export type WatchMessage = Extract<
  ServerMessage,
  { readonly kind: "watchStarted" | "watchBatch" | "watchEnded" }
>;

type Hello = Extract<ServerMessage, { readonly kind: "hello" }>;

export interface LinkEvents {
  connected(): void;
  replied(id: number, reply: Reply): void;
  watch(message: WatchMessage): void;
  interrupted(): void;
  /** The server that refused to carry out requests, or the next one, may do so now. */
  again(): void;
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
  readonly #endpoints: Endpoints;
  #stream: ByteStream | undefined;
  /** Where `stream` leads. */
  #current: Address | undefined;
  #cluster: string | undefined;
  /** Refusals in a row of servers that do not lead. */
  #misplaced = 0;
  #isMoving = false;
  /** A move has not ended yet, and may still go elsewhere, and sooner. */
  #mayAimAnew = false;
  /** The latest term in which somebody was said to lead, and who that was. */
  #ledTerm = 0;
  #ledBy = "";
  #state: WireState = "suspended";
  #attempts = 0;
  #flushScheduled = false;
  #held = false;
  #backlog = 0;
  #heardMs = 0;
  #asked = false;
  #cancelRetry: Cancel = () => {};
  #cancelMove: Cancel = () => {};
  #cancelLook: Cancel = () => {};
  procedures: ReadonlySet<string> | undefined;
  /** The server has said that it takes no more. */
  leaving = false;

  constructor(options: RemoteOptions, events: LinkEvents) {
    this.#options = options;
    this.#events = events;
    this.#endpoints = new Endpoints(options.addresses);
  }

  /** Makes the first connection: every endpoint is tried once, and the last failure is thrown. */
  async first(signal: AbortSignal | undefined): Promise<void> {
    let last: unknown;
    for (let tries = this.#options.addresses.length; tries > 0; tries--) {
      try {
        return await this.#dial(this.#endpoints.next(), signal);
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
    this.#cancelMove();
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
      const greetingMs = this.#endpoints.areSeveral ? GREETING_OF_SEVERAL_MS : GREETING_MS;
      const late = (): void => stop(new Error(`no greeting within ${greetingMs} ms`));
      const cancelTimer = clock.after(greetingMs, late, { idle: !this.#held });
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#closing.signal.addEventListener("abort", onAbort, { once: true });
      if (signal?.aborted === true || this.#closing.signal.aborted) return onAbort();
      const attach = (stream: ByteStream): StreamHandler =>
        this.#handler(
          stream,
          (hello) => {
            if (!this.#isOfCluster(hello.cluster)) return stop(new Error("is of another cluster"));
            greeted = true;
            this.#greeted(stream, address, hello);
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
    greeted: (hello: Hello) => void,
    ended: (reason: Error | undefined) => void,
  ): StreamHandler {
    const reader = new FrameReader<ServerMessage>(serverCodec, REPLY_FRAME_BYTES_MAX);
    let known = false;
    const heed = (message: ServerMessage): boolean => {
      if (known) {
        if (this.#stream === stream) this.#heed(message);
      } else if (message.kind === "hello") {
        known = true;
        greeted(message);
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

  /** Of several endpoints each must be of the same cluster; the one that there is may have been made anew. */
  #isOfCluster(cluster: string): boolean {
    return !this.#endpoints.areSeveral || (this.#cluster ?? cluster) === cluster;
  }

  #greeted(stream: ByteStream, address: Address, { procedures, cluster }: Hello): void {
    if (this.#state === "closed") return stream.destroy();
    const before = this.#stream;
    if (before !== undefined) {
      this.#stream = undefined;
      this.#events.interrupted();
      before.destroy();
    }
    this.#stream = stream;
    this.#current = address;
    this.#cluster = cluster;
    this.#attempts = 0;
    this.#backlog = 0;
    this.leaving = false;
    this.procedures = new Set(procedures);
    stream.keepAlive(this.#held);
    // What an earlier connection left unsent is sent again by its owners.
    this.#writer.take();
    this.send({ kind: "hello", program: this.#options.program, version: CLIENT_VERSION });
    const { credentials } = this.#options;
    if (credentials !== undefined) this.send({ kind: "authenticate", ...credentials });
    this.#look();
    if (before === undefined) this.#tell("connected");
    this.#events.connected();
  }

  /**
   * The server does not lead, and says in `refusal` who does if it knows: goes there, or after a while to the next
   * endpoint, and says `again` when the request may be sent again.
   */
  misplaced(refusal: Failure): void {
    if (this.#isMoving || this.#state === "closed") return;
    this.#isMoving = true;
    const urls = String(refusal.details?.["leaderUrls"] ?? "");
    const term = Number(refusal.details?.["term"] ?? 0);
    // Terms only grow: two servers that name each other send nobody to and fro without a pause.
    const isNews = urls !== "" && term > this.#ledTerm;
    if (isNews) {
      this.#ledTerm = term;
      this.#misplaced = 0;
    }
    this.#aim(urls === "" ? [] : urls.split(","));
  }

  /** The server tells who leads now: what waits to go somewhere goes there. */
  #led(urls: readonly string[]): void {
    if (!this.#mayAimAnew || urls.length === 0 || urls.join() === this.#ledBy) return;
    this.#misplaced = 0;
    this.#aim(urls);
  }

  #aim(leaderUrls: readonly string[]): void {
    this.#ledBy = leaderUrls.join();
    const isElsewhere = this.#endpoints.prefer(leaderUrls, this.#current);
    // Who refuses and leads has only begun to: there is nowhere better to go.
    const isHere = leaderUrls.length > 0 && !isElsewhere;
    // An election takes a while, and not much longer.
    const attempts = Math.min(MISPLACED_MAX, this.#misplaced);
    const delayMs = isElsewhere && this.#misplaced === 0 ? 0 : this.#backoffMs(attempts);
    this.#misplaced++;
    this.#mayAimAnew = true;
    this.#cancelMove();
    const go = (): void => {
      if (isHere) this.#again();
      else this.#move();
    };
    this.#cancelMove = this.#options.clock.after(delayMs, go, { idle: !this.#held });
  }

  #again(): void {
    this.#isMoving = this.#mayAimAnew = false;
    if (this.#stream !== undefined) this.#events.again();
  }

  #move(): void {
    const again = (): void => this.#again();
    if (this.#stream === undefined || this.#state === "closed") return again();
    const address = this.#endpoints.next();
    if (address === this.#current) return again();
    // One that stands still takes a connection and says nothing: whoever is told of another meanwhile goes there.
    const elsewhere = new AbortController();
    this.#cancelMove = () => elsewhere.abort();
    // Whoever waits hears of it by `connected`, or is refused again where it is.
    const over = (then: () => void) => (): void => {
      if (!elsewhere.signal.aborted) then();
    };
    const moved = (): void => void (this.#isMoving = this.#mayAimAnew = false);
    this.#dial(address, elsewhere.signal).then(over(moved), over(again));
  }

  #heed(message: ServerMessage): void {
    switch (message.kind) {
      case "reply":
        if (message.reply.ok) this.#misplaced = 0;
        return this.#events.replied(message.id, message.reply);
      case "watchStarted":
      case "watchBatch":
      case "watchEnded":
        return this.#events.watch(message);
      case "goAway":
        this.leaving = true;
        return;
      case "members":
        this.#endpoints.learn(message.urls);
        return this.#led(message.leaderUrls);
      case "hello":
      case "pong":
      case "ordered":
      // Nobody asks for a snapshot here.
      case "snapshotPart":
      case "snapshotEnded":
        return;
    }
  }

  /** From time to time: is the other side still there? */
  #look(): void {
    const { clock } = this.#options;
    this.#heardMs = clock.monotonicMs();
    this.#asked = false;
    const look = (): void => {
      const { pingAfterMs, silenceMaxMs } = this.#patience;
      const silentMs = clock.monotonicMs() - this.#heardMs;
      if (!this.#events.expecting()) this.#heardMs = clock.monotonicMs();
      else if (silentMs >= silenceMaxMs && this.#asked) return this.#stream?.destroy();
      else if (silentMs >= pingAfterMs && !this.#asked) {
        this.#asked = true;
        this.send({ kind: "ping" });
      }
      this.#cancelLook = clock.after(pingAfterMs / 2, look, { idle: true });
    };
    this.#cancelLook();
    this.#cancelLook = clock.after(this.#patience.pingAfterMs / 2, look, { idle: true });
  }

  get #patience(): typeof OF_SEVERAL {
    if (this.#endpoints.areSeveral) return OF_SEVERAL;
    return { pingAfterMs: PING_AFTER_MS, silenceMaxMs: SILENCE_MAX_MS };
  }

  #interrupted(stream: ByteStream): void {
    if (this.#stream !== stream) return;
    this.#stream = undefined;
    if (this.#current !== undefined) this.#endpoints.left(this.#current);
    this.#current = undefined;
    this.#cancelLook();
    this.#cancelMove();
    this.#isMoving = this.#mayAimAnew = false;
    if (this.#state === "closed") return;
    this.#tell("suspended");
    this.#events.interrupted();
    this.#retry();
  }

  #retry(): void {
    const { clock } = this.#options;
    const delayMs = this.#attempts === 0 ? 0 : this.#backoffMs(this.#attempts);
    const address = this.#endpoints.next();
    this.#attempts++;
    const again = (): void => {
      this.#dial(address, undefined).catch(() => {
        if (this.#state !== "closed") this.#retry();
      });
    };
    this.#cancelRetry = clock.after(delayMs, again, { idle: !this.#held });
  }

  /** Full jitter: clients that lost one server do not come back as one wave. */
  #backoffMs(attempts: number): number {
    const ceiling = Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** Math.min(attempts, 8));
    return (this.#options.entropy.u32() / 0x1_0000_0000) * ceiling;
  }

  #tell(state: WireState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}

function anotherProtocol(label: string, error: unknown): QuorateError {
  const what = `answers in another protocol (${error instanceof Error ? error.message : String(error)})`;
  return fail("PROTOCOL", { object: label, what, remedy: "" }, error);
}

function unreachable(label: string, reason: Error | undefined): QuorateError {
  const remedy = "Check that a Quorate server listens there.";
  if (QuorateError.is(reason)) {
    const known = reason.failure.remedy === "" ? remedy : reason.failure.remedy;
    return new QuorateError({ ...reason.failure, outcome: "definite", remedy: known }, reason);
  }
  const what = `cannot be used: ${reason?.message ?? "it closed the connection before a greeting"}`;
  return fail("UNAVAILABLE", { object: label, what, remedy, outcome: "definite" }, reason);
}
