/** One order about the members of a cluster, given to a server by a connection of its own. */
import { toArray } from "../../base/bytes.ts";
import { Malformed } from "../../base/codec.ts";
import type { ErrorCode, Failure } from "../../base/errors.ts";
import { fail, QuorateError } from "../../base/errors.ts";
import type { ClusterAnswer, ClusterOrder } from "../../contract/cluster.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Address, ByteStream, Network, StreamHandler } from "../../ports/network.ts";
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

export interface OrderOptions {
  readonly addresses: readonly Address[];
  readonly network: Network;
  readonly clock: Clock;
  readonly label: string;
  readonly program: string;
  readonly credentials?: { readonly user: string; readonly password: string } | undefined;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** What came of an order, and of which cluster. */
export interface OrderOutcome {
  /** Decimal. */
  readonly cluster: string;
  readonly answer: ClusterAnswer;
}

/**
 * Has `order` carried out by the first server that can be reached. Errors: those of the server; UNAVAILABLE, definite if
 * no server took the order, else indefinite; TIMEOUT, ABORTED, indefinite for what changes something.
 */
export async function orderAt(options: OrderOptions, order: ClusterOrder): Promise<OrderOutcome> {
  let last: unknown;
  for (const address of options.addresses) {
    try {
      return await new Ordering(options, order).at(address);
    } catch (error) {
      last = error;
      const isElsewhere = QuorateError.is(error, "UNAVAILABLE") && error.outcome === "definite";
      if (!isElsewhere) break;
    }
  }
  throw last;
}

class Ordering implements StreamHandler {
  readonly #options: OrderOptions;
  readonly #order: ClusterOrder;
  readonly #reader = new FrameReader<ServerMessage>(serverCodec, REPLY_FRAME_BYTES_MAX);
  readonly #over = new AbortController();
  #stream: ByteStream | undefined;
  #cluster: string | undefined;
  /** Why the server takes no more. */
  #leaving: Failure | undefined;
  #resolve: (outcome: OrderOutcome) => void = () => {};
  #reject: (error: unknown) => void = () => {};

  constructor(options: OrderOptions, order: ClusterOrder) {
    this.#options = options;
    this.#order = order;
  }

  at(address: Address): Promise<OrderOutcome> {
    const { network, clock, timeoutMs, signal } = this.#options;
    return new Promise<OrderOutcome>((resolve, reject) => {
      const cancelLate = clock.after(timeoutMs, () =>
        this.#fail("TIMEOUT", `had no answer within ${timeoutMs} ms`),
      );
      const onAbort = (): void => this.#fail("ABORTED", "was interrupted", signal?.reason);
      const end = (): void => {
        cancelLate();
        signal?.removeEventListener("abort", onAbort);
        this.#over.abort();
        this.#stream?.destroy();
      };
      this.#resolve = (outcome) => {
        resolve(outcome);
        end();
      };
      this.#reject = (error) => {
        reject(error);
        end();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      network
        .dial(address, () => this, this.#over.signal)
        .then(
          (stream) => this.#begin(stream),
          (error: unknown) => this.#reject(error),
        );
    });
  }

  received(bytes: Uint8Array): void {
    try {
      this.#reader.push(bytes);
      this.#reader.take((message) => this.#heed(message));
    } catch (error) {
      if (!(error instanceof Malformed)) throw error;
      this.#fail("PROTOCOL", `answers in another protocol (${error.message})`, error);
    }
  }
  drained(): void {}
  closed(reason: Error | undefined): void {
    const { code = "UNAVAILABLE", what = "ended the connection before an answer" } =
      this.#leaving ?? {};
    this.#fail(code, what, reason);
  }

  #begin(stream: ByteStream): void {
    this.#stream = stream;
    stream.write(toArray(MAGIC));
  }

  #heed(message: ServerMessage): boolean {
    if (message.kind === "hello") {
      this.#cluster = message.cluster;
      this.#ask();
    } else if (message.kind === "goAway") {
      // Whoever goes still answers what it was asked before.
      if (this.#cluster === undefined) this.#reject(new QuorateError(message.failure));
      else this.#leaving = message.failure;
    } else if (message.kind === "ordered") {
      const { reply } = message;
      if (reply.ok) this.#resolve({ cluster: this.#cluster ?? "", answer: reply.answer });
      else this.#reject(new QuorateError(reply.failure));
    }
    return true;
  }

  #ask(): void {
    const { program, credentials } = this.#options;
    const writer = new FrameWriter<ClientMessage>(clientCodec, REQUEST_FRAME_BYTES_MAX);
    writer.add({ kind: "hello", program, version: CLIENT_VERSION });
    if (credentials !== undefined) writer.add({ kind: "authenticate", ...credentials });
    writer.add({ kind: "order", id: 1, order: this.#order });
    this.#stream?.write(writer.take());
  }

  #fail(code: ErrorCode, what: string, cause?: unknown): void {
    const wasAsked = this.#cluster !== undefined && this.#order.kind !== "list";
    const remedy = wasAsked
      ? "See quorate cluster members before repeating it."
      : "Nothing happened; check that a Quorate server listens there.";
    const outcome = wasAsked ? "indefinite" : "definite";
    this.#reject(fail(code, { object: this.#options.label, what, remedy, outcome }, cause));
  }
}
