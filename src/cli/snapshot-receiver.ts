/**
 * Receives the present state of a running server, over a connection of its own so that nothing else waits behind it.
 *
 * Invariants: I1 it resolves only when the server has said that all was sent and all was written. I2 at most
 * `PENDING_MAX` parts wait to be written: reading pauses beyond. I3 every failure is definite, for nothing is changed.
 */
import { toArray } from "../base/bytes.ts";
import { Malformed } from "../base/codec.ts";
import { fail, QuorateError } from "../base/errors.ts";
import type { ByteStream, StreamHandler } from "../ports/network.ts";
import type { UserCredentials } from "../sdk/address.ts";
import { parseServerUrl, shownUrl } from "../sdk/address.ts";
import type { ConnectOptions } from "../sdk/connect.ts";
import { networkOf } from "../sdk/connect.ts";
import { FrameReader, FrameWriter } from "../wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../wire/native/messages.ts";
import {
  clientCodec,
  MAGIC,
  REPLY_FRAME_BYTES_MAX,
  REQUEST_FRAME_BYTES_MAX,
  serverCodec,
} from "../wire/native/messages.ts";

const PENDING_MAX = 16;

export interface ReceiveOptions {
  /** Aborting ends it with ABORTED. */
  readonly signal: AbortSignal;
  /** Longest silence of the server, ms. */
  readonly timeoutMs: number;
  /** Who asks; else as the url says. */
  readonly credentials?: UserCredentials | undefined;
  readonly tls?: ConnectOptions["tls"];
}

type Write = (bytes: Uint8Array) => Promise<void>;

/** Gives the parts of the snapshot to `write`, in order. Errors: INVALID, UNAVAILABLE, TIMEOUT, ABORTED, PROTOCOL. */
export async function receiveSnapshot(
  url: string,
  write: Write,
  options: ReceiveOptions,
): Promise<void> {
  const shown = shownUrl(url);
  if (!/^quorates?:\/\//.test(url)) {
    const remedy =
      "Give --url quorate://HOST:PORT, or --data-dir DIR for one that nobody has open.";
    throw fail("INVALID", {
      object: `url ${shown}`,
      what: "is no server that can be asked",
      remedy,
    });
  }
  const { receiver, stream } = await dialled(url, write, options);
  const onAbort = (): void => receiver.fail(stopped(shown));
  options.signal.addEventListener("abort", onAbort, { once: true });
  if (options.signal.aborted) onAbort();
  try {
    await receiver.done;
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    stream.destroy();
  }
}

/** The first server that takes the connection. */
async function dialled(
  url: string,
  write: Write,
  { signal, timeoutMs, tls, credentials }: ReceiveOptions,
): Promise<{ readonly receiver: Receiver; readonly stream: ByteStream }> {
  const network = await networkOf(url, { tls });
  const { addresses, credentials: ofUrl } = parseServerUrl(url);
  let refused: unknown;
  for (const address of addresses) {
    const receiver = new Receiver(shownUrl(url), write, timeoutMs);
    const within = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    try {
      const stream = await network.dial(address, (each) => receiver.attach(each), within);
      receiver.ask(credentials ?? ofUrl);
      return { receiver, stream };
    } catch (error) {
      if (signal.aborted) throw stopped(shownUrl(url));
      refused = error;
    }
  }
  throw refused;
}

class Receiver implements StreamHandler {
  readonly done: Promise<void>;
  readonly #url: string;
  readonly #write: Write;
  readonly #timeoutMs: number;
  readonly #reader = new FrameReader<ServerMessage>(serverCodec, REPLY_FRAME_BYTES_MAX);
  #stream: ByteStream | undefined;
  #resolve: () => void = () => {};
  #reject: (error: unknown) => void = () => {};
  #writing: Promise<void> = Promise.resolve();
  #pending = 0;
  #silence: NodeJS.Timeout | undefined;

  constructor(url: string, write: Write, timeoutMs: number) {
    this.#url = url;
    this.#write = write;
    this.#timeoutMs = timeoutMs;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => {});
  }

  attach(stream: ByteStream): this {
    this.#stream = stream;
    return this;
  }

  ask(credentials: UserCredentials | undefined): void {
    const writer = new FrameWriter<ClientMessage>(clientCodec, REQUEST_FRAME_BYTES_MAX);
    writer.add({ kind: "hello", program: "quorate-cli", version: "1" });
    if (credentials !== undefined) writer.add({ kind: "authenticate", ...credentials });
    writer.add({ kind: "snapshotOpen", id: 1 });
    this.#stream?.write(toArray(MAGIC));
    this.#stream?.write(writer.take());
    this.#listen();
  }

  fail(error: unknown): void {
    clearTimeout(this.#silence);
    this.#reject(error);
  }

  received(bytes: Uint8Array): void {
    this.#listen();
    try {
      this.#reader.push(bytes);
      this.#reader.take((message) => this.#heed(message));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      const what = `answers in another protocol (${error.message})`;
      const remedy = "Check that a Quorate server of this version listens there.";
      this.fail(fail("PROTOCOL", { object: this.#url, what, remedy, outcome: "definite" }, error));
    }
  }

  drained(): void {}

  closed(reason: Error | undefined): void {
    const what = "ended the connection before all of the snapshot had come";
    const remedy = "Try again; its own log says more.";
    this.fail(
      fail("UNAVAILABLE", { object: this.#url, what, remedy, outcome: "definite" }, reason),
    );
  }

  #heed(message: ServerMessage): boolean {
    switch (message.kind) {
      case "snapshotPart":
        this.#keep(toArray(message.bytes));
        break;
      case "snapshotEnded":
        if (message.failure !== undefined) this.fail(new QuorateError(message.failure));
        else void this.#writing.then(this.#resolve);
        clearTimeout(this.#silence);
        break;
      case "goAway":
        // One that shuts down still sends what it has begun.
        if (message.failure.code !== "SHUTDOWN") this.fail(new QuorateError(message.failure));
        break;
      default:
    }
    return true;
  }

  #keep(bytes: Uint8Array): void {
    if (++this.#pending === PENDING_MAX) this.#stream?.pause();
    this.#writing = this.#writing
      .then(() => this.#write(bytes))
      .then(
        () => {
          if (this.#pending-- === PENDING_MAX) this.#stream?.resume();
        },
        (error: unknown) => this.fail(error),
      );
  }

  /** Expects to hear something; what waits to be written is this side's delay. */
  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      if (this.#pending > 0) return this.#listen();
      const what = `was silent for ${this.#timeoutMs} ms`;
      const remedy = "Check the server with quorate status, or raise --timeout-ms.";
      this.fail(fail("TIMEOUT", { object: this.#url, what, remedy, outcome: "definite" }));
    }, this.#timeoutMs);
  }
}

function stopped(url: string): QuorateError {
  const what = "was interrupted while its snapshot was being saved";
  return fail("ABORTED", { object: url, what, remedy: "Nothing was kept.", outcome: "definite" });
}
