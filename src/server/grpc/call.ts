/**
 * One gRPC call on an HTTP/2 stream: its head, its messages, its deadline, its end.
 *
 * Invariants: I1 a call ends once, with one status. I2 what a client sends is read only while it reads what it is
 * sent, and what it sends at once is heeded in turns. I3 when the call is over its deadline is off and whoever serves it
 * has been told.
 * Leaves out: what the methods do (`service`), limits of the connection (`connection.ts`).
 */
import type { Call, Incoming, Outgoing, UnaryMethod } from "../../service/grpc/method.ts";
import { statusOf } from "../../wire/etcd/statuses.ts";
import { ANSWER_HEAD, OK_TRAILERS, statusOnly, statusTrailers } from "../../wire/grpc/answers.ts";
import { frame, frameHead, MessageReader, writeFrame } from "../../wire/grpc/framing.ts";
import { GRPC, RpcStatus } from "../../wire/grpc/status.ts";
import { CODE } from "../../wire/http2/errors.ts";
import type { Http2Stream, StreamEvents } from "../../wire/http2/stream.ts";
import { encodedPieces, longList } from "../../wire/parts.ts";
import { ProtoWriter } from "../../wire/protobuf.ts";
import type { Route } from "./route.ts";

/** Longest request: etcd's 1.5 MiB of content and its 512 KiB for what surrounds it. */
export const REQUEST_BYTES_MAX: number = 2 << 20;
/** The longest delay that Node's timers take. */
export const DELAY_MAX_MS: number = 0x7fff_ffff;

/** What is gathered in a turn before whoever sends is told to wait. */
const GATHERED_BYTES: number = 256 << 10;

/** So much of what arrived is heeded before it is asked whether the turn is over. */
const HEEDED_BYTES: number = 2 << 10;

/** A client that goes on sending after its answer is told that nobody listens. */
export function hangUp(stream: Http2Stream): void {
  if (stream.remoteEnded || stream.closed) return;
  // What has arrived already may say that it is done.
  setImmediate(() => {
    if (!stream.remoteEnded) stream.reset(CODE.noError);
  });
}

/** Undefined: nobody wants it any more. */
export type LongAnswer = Promise<readonly Uint8Array[] | undefined>;

/** What the calls of a connection share. */
export interface CallOwner {
  /** Whether the connection has to wait for its next turn. */
  isTurnOver(): boolean;
  /** What the connection does in this turn causes as much beyond the time that it takes, ms. */
  owes(ms: number): void;
  /** `call` has something left to heed: its `goOn` is called in a turn of the connection. */
  rests(call: GrpcCall): void;
  /** Makes a long answer, after those before it. */
  makeLong(pieces: Iterable<Uint8Array>, isUnwanted: () => boolean): LongAnswer;
  /** So many bytes more of unfinished messages are kept. False: too many. */
  keeps(bytes: number): boolean;
  /** The call is over, and its stream closed. */
  closed(call: GrpcCall): void;
}

export class GrpcCall implements Call, Outgoing<object>, StreamEvents {
  readonly #stream: Http2Stream;
  readonly #route: Route;
  readonly #owner: CallOwner;
  readonly #reader = new MessageReader(REQUEST_BYTES_MAX);
  #incoming: Incoming<object> | undefined;
  /** Of an unfinished message, as the owner has been told. */
  #kept = 0;
  #started = false;
  #gathered: ProtoWriter | undefined;
  /** The client is not to be sent more for now. */
  #full = false;
  #answering = false;
  /** Arrived, and not heeded yet: others have their turn, or the client is to read first. */
  #unheeded: Uint8Array | undefined;
  #over = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;
  #aborting: AbortController | undefined;
  requestBytes = 0;
  /** Its place among the calls of its owner. */
  slot = 0;

  constructor(stream: Http2Stream, route: Route, owner: CallOwner) {
    this.#stream = stream;
    this.#route = route;
    this.#owner = owner;
    route.counter?.begun();
  }

  /** Made on demand: most calls never ask. */
  get signal(): AbortSignal {
    this.#aborting ??= new AbortController();
    if (this.#over) this.#aborting.abort();
    return this.#aborting.signal;
  }

  start(): void {
    const { method, timeoutMs } = this.#route;
    if (method instanceof RpcStatus) return this.end(method);
    this.#limit(timeoutMs);
    if (method.kind === "unary") return;
    try {
      this.#incoming = method.open(this);
    } catch (error) {
      this.end(statusOf(error));
    }
  }

  /** The server is going: a stream ends, a call that waits is told to stop waiting. */
  drain(reason: RpcStatus): void {
    if (this.#incoming !== undefined) this.end(reason);
    this.#aborting?.abort(reason);
  }

  owes(ms: number): void {
    this.#owner.owes(ms);
  }

  send(message: object): boolean {
    const { method } = this.#route;
    if (this.#over || method instanceof RpcStatus) return true;
    if (!this.#stream.headSent) this.#stream.respond(ANSWER_HEAD, false);
    const gathered = (this.#gathered ??= new ProtoWriter());
    if (gathered.length === 0) process.nextTick(() => this.#write());
    writeFrame(gathered, method.response, message);
    this.#full ||= this.#stream.wantsDrain || gathered.length >= GATHERED_BYTES;
    if (this.#full) this.#stream.pause();
    return !this.#full;
  }

  /** What was sent in one turn leaves in one write. */
  #write(): void {
    const gathered = this.#gathered;
    if (gathered === undefined || gathered.length === 0 || this.#stream.closed) return;
    const room = this.#stream.write(gathered.take());
    if (room && this.#full) this.drained();
  }

  end(status?: RpcStatus): void {
    if (this.#over) return;
    this.#write();
    this.#finish(status?.code ?? GRPC.ok);
    const stream = this.#stream;
    if (stream.headSent) stream.end(statusTrailers(status));
    else stream.respond(statusOnly(status), true);
    hangUp(stream);
  }

  /** The whole answer of a unary call, in one go. */
  #answer(response: object): void {
    if (this.#over) return;
    const of = (this.#route.method as UnaryMethod).response;
    const long = longList(of, response);
    if (long === undefined) return this.#finishWith([frame(of, response)]);
    const pieces = encodedPieces(of, response, long);
    this.#owner
      .makeLong(pieces, () => this.#over)
      .then(
        (parts) => parts === undefined || this.#finishWith([frameHead(parts), ...parts]),
        (error: unknown) => this.end(statusOf(error)),
      );
  }

  #finishWith(parts: readonly Uint8Array[]): void {
    if (this.#over) return;
    this.#finish(GRPC.ok);
    const stream = this.#stream;
    stream.respond(ANSWER_HEAD, false);
    for (const part of parts) stream.write(part);
    stream.end(OK_TRAILERS);
    hangUp(stream);
  }

  #limit(timeoutMs: number | undefined): void {
    if (timeoutMs === undefined) return;
    const late = (): void => {
      this.end(new RpcStatus(GRPC.deadlineExceeded, "context deadline exceeded"));
    };
    this.#deadline = setTimeout(late, Math.min(DELAY_MAX_MS, timeoutMs));
    this.#deadline.unref();
  }

  received(part: Uint8Array): void {
    if (this.#over) return;
    try {
      this.#heed(part);
      this.#keep(this.#reader.keptBytes);
    } catch (error) {
      this.end(statusOf(error));
    }
  }

  /** A client that brings much at once lets the others go before the rest of it. */
  #heed(part: Uint8Array): void {
    for (let at = 0; at < part.length && !this.#over; at += HEEDED_BYTES) {
      const rests = at > 0 && this.#incoming !== undefined;
      if (rests && (this.#full || this.#owner.isTurnOver())) {
        this.#unheeded = part.subarray(at);
        this.#stream.pause();
        if (!this.#full) this.#owner.rests(this);
        return;
      }
      const slice = part.subarray(at, at + HEEDED_BYTES);
      this.#reader.push(slice, (message) => this.#message(message));
    }
  }

  /** Heeds what is left, and then reads on, unless that has to wait. In a turn of its connection. */
  goOn(): void {
    if (this.#over || this.#full) return;
    const part = this.#unheeded;
    this.#unheeded = undefined;
    if (part !== undefined) this.received(part);
    if (this.#unheeded === undefined && !this.#full) this.#stream.resume();
  }

  #keep(bytes: number): void {
    if (bytes === this.#kept || this.#over) return;
    const more = bytes - this.#kept;
    this.#kept = bytes;
    if (this.#owner.keeps(more)) return;
    throw new RpcStatus(GRPC.resourceExhausted, "grpc: too many unfinished messages");
  }

  #message(bytes: Uint8Array): void {
    const { method } = this.#route;
    if (this.#over || method instanceof RpcStatus) return;
    if (this.#incoming !== undefined)
      return this.#incoming.received(method.request.decode(bytes, true));
    if (this.#started)
      throw new RpcStatus(GRPC.internal, "grpc: a unary call with more than one message");
    this.#started = true;
    this.requestBytes = bytes.length;
    this.#run(method as UnaryMethod, method.request.decode(bytes, true));
  }

  #run(method: UnaryMethod, request: object): void {
    this.#answering = true;
    const answer = method.run(request, this);
    if (!(answer instanceof Promise)) return this.#answer(answer);
    answer.then(
      (response: object) => this.#answer(response),
      (error: unknown) => this.end(statusOf(error)),
    );
  }

  finished(): void {
    if (this.#over) return;
    if (!this.#reader.clean || (this.#incoming === undefined && !this.#answering))
      return this.end(new RpcStatus(GRPC.internal, "grpc: the request ends in a message"));
    this.#incoming?.finished();
  }

  drained(): void {
    if (this.#over || !this.#full) return;
    this.#full = false;
    this.#owner.rests(this);
    this.#incoming?.drained();
  }

  /** The stream is gone, whether or not an answer was on its way. */
  closed(): void {
    if (!this.#over) this.#finish(GRPC.cancelled);
    this.#owner.closed(this);
  }

  #finish(code: number): void {
    this.#over = true;
    if (this.#kept > 0) this.#owner.keeps(-this.#kept);
    this.#route.counter?.ended(code);
    clearTimeout(this.#deadline);
    this.#aborting?.abort();
    this.#incoming?.closed();
    // What still comes is read and dropped, so that the stream can end.
    this.#stream.resume();
  }
}
