/**
 * The remote engine: the Keyspace contract over the native wire.
 *
 * Invariants: I1 a command is sent again after a reconnect with the same caller and sequence, so it happens once. I2 a
 * caller's opening goes ahead of its commands; a caller that the server does not know is replaced, and only what went
 * onto a wire once, so that it cannot have happened, is stamped anew. I3 a watch goes on from the revision after the last
 * one delivered: never a gap, never a repeat. I4 only calls that somebody waits for keep the process alive. I5 a refusal
 * by a server that drains, or does not lead, is no answer: the next connection takes the request. I6 what a server that
 * lost leadership may have done is sent to the next one if its stamp, or its nature, has it happen once.
 * Source: Lee et al., RIFL (SOSP 2015), for I1. Cost: one round trip a call; one more when a caller is opened.
 */
import { fail, failure, QuorateError } from "../../base/errors.ts";
import { Slots } from "../../base/slots.ts";
import type { Failure } from "../../base/errors.ts";
import type { Guarantee } from "../../contract/guarantee.ts";
import type { CallOptions, Keyspace, Ran, RunOptions, WireState } from "../../contract/keyspace.ts";
import type { Procedure } from "../../contract/procedure.ts";
import type { Reply, Request, ResponseOf, RunResponse } from "../../contract/requests.ts";
import { argsText, dataOf } from "../../contract/json-data.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type { Address, Network } from "../../ports/network.ts";
import { changesState, pending } from "../pending.ts";
import type { CallState } from "../pending.ts";
import { watchStream } from "../watch-stream.ts";
import { REQUEST_FRAME_BYTES_MAX } from "../../wire/native/messages.ts";
import { CallerWindow, onWire } from "./caller-window.ts";
import type { Stamp } from "./caller-window.ts";
import type { Sent } from "./link.ts";
import { Link } from "./link.ts";
import { RemoteWatches } from "./watches.ts";

/** Requests that may wait for answers before more are turned away. */
const WAITING_MAX = 16_384;

/** A request without an answer yet. */
interface Waiting {
  id: number;
  /** Requests are sent again in this order. */
  place: number;
  readonly request: Request;
  stamp: Stamp | undefined;
  readonly state: CallState;
  done: (reply: Reply) => void;
  /** How often it has gone onto a wire and may have been carried out. */
  sends: number;
  /** Somebody waits for its answer. */
  wanted: boolean;
  /** Refused by a server that does not lead: waits until it may be sent again. */
  isParked: boolean;
}

export interface RemoteOptions {
  readonly addresses: readonly Address[];
  readonly network: Network;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly label: string;
  readonly guarantee: Guarantee;
  readonly program: string;
  /** Who asks, where the server has users enabled. */
  readonly credentials?: { readonly user: string; readonly password: string } | undefined;
  /** Evaluates a procedure that the server does not know, in this process. */
  readonly evaluate?:
    | (<A, R>(
        keyspace: Keyspace,
        procedure: Procedure<A, R>,
        args: A,
        options: RunOptions,
      ) => Promise<Ran<R>>)
    | undefined;
}

/** What a server over the native wire gives: what its own replica gives. */
export const REMOTE_GUARANTEE: Guarantee = {
  consistency: "linearizable",
  durability: "disk",
  time: "engine",
  fencing: "monotonic",
  watch: "resumable",
};

const STAMPED: ReadonlySet<Request["kind"]> = new Set([
  "put",
  "deleteRange",
  "txn",
  "run",
  "leaseGrant",
  "leaseRevoke",
  "auth",
]);

/** What has the same effect if it is done twice, without a stamp. */
const REPEATABLE: ReadonlySet<Request["kind"]> = new Set([
  "range",
  "hash",
  "status",
  "leases",
  "leaseTimeToLive",
  "leaseKeepAlive",
  "authShow",
  "callerOpen",
]);

/** Opens the engine; resolves when the first connection stands, rejects with UNAVAILABLE if none can be made. */
export async function openRemote(options: RemoteOptions, signal?: AbortSignal): Promise<Keyspace> {
  const remote = new Remote(options);
  await remote.connect(signal);
  return remote;
}

class Remote implements Keyspace {
  readonly guarantee: Guarantee;
  readonly label: string;
  readonly #options: RemoteOptions;
  readonly #link: Link;
  readonly #watches: RemoteWatches;
  readonly #callers: CallerWindow;
  readonly #waiting = new Slots<Waiting>();
  #wanted = 0;
  #places = 0;
  #closed: Promise<void> | undefined;

  constructor(options: RemoteOptions) {
    this.guarantee = options.guarantee;
    this.label = options.label;
    this.#options = options;
    this.#callers = new CallerWindow(options.entropy);
    this.#link = new Link(options, {
      connected: () => this.#resend(),
      replied: (id, reply) => this.#replied(id, reply),
      watch: (message) => this.#watches.heed(message),
      interrupted: () => this.#interrupted(),
      again: () => this.#sendParked(),
      expecting: () => this.#waiting.size > 0 || this.#watches.count > 0,
    });
    this.#watches = new RemoteWatches(
      (message) => this.#link.send(message) === "sent",
      () => this.#link.leaving,
    );
  }

  connect(signal: AbortSignal | undefined): Promise<void> {
    return this.#link.first(signal);
  }

  call<R extends Request>(request: R, options?: CallOptions): Promise<ResponseOf[R["kind"]]> {
    if (this.#closed !== undefined) return Promise.reject(closedError(this.label));
    if (this.#waiting.size >= WAITING_MAX || this.#link.full)
      return Promise.reject(overloaded(this.label, this.#waiting.size));
    let waiting: Waiting | undefined;
    return pending(
      this.#options.clock,
      this.label,
      request,
      options,
      (state, done) => {
        waiting = this.#send(request, state, done);
      },
      () => {
        if (waiting !== undefined) this.#forget(waiting);
      },
    );
  }

  watch(...[request, options]: Parameters<Keyspace["watch"]>): ReturnType<Keyspace["watch"]> {
    if (this.#closed !== undefined) {
      const reason = closedError(this.label).failure;
      return watchStream((sink) => {
        this.#options.clock.soon(() => sink.ended(reason));
        return { resume: () => {}, progress: () => {}, cancel: () => {} };
      }, options?.signal);
    }
    return watchStream((sink) => this.#watches.open(request, sink), options?.signal);
  }

  async run<A, R>(procedure: Procedure<A, R>, args: A, options: RunOptions = {}): Promise<Ran<R>> {
    const { evaluate } = this.#options;
    const known = this.#link.procedures?.has(procedure.name) !== false;
    if (!known && evaluate !== undefined) return evaluate(this, procedure, args, options);
    const request = {
      kind: "run" as const,
      procedure: procedure.name,
      args: argsText(args, procedure.name),
      prefix: options.prefix,
    };
    try {
      const answer: RunResponse = await this.call(request, options);
      return { result: dataOf(answer.result) as R, revision: answer.revision };
    } catch (error) {
      // The server that answered after a reconnect may be of another version than the one that was greeted.
      if (evaluate === undefined || !QuorateError.is(error, "PROCEDURE_UNKNOWN")) throw error;
      return evaluate(this, procedure, args, options);
    }
  }

  observe(listener: (state: WireState) => void): () => void {
    return this.#link.observe(listener);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const reason = closedError(this.label).failure;
    this.#watches.endAll(reason);
    for (const { id, state, done, request } of this.#waiting.all()) {
      this.#waiting.take(id);
      const outcome = state.sent && changesState(request) ? "indefinite" : "definite";
      done({ ok: false, failure: { ...reason, outcome } });
    }
    const { current } = this.#callers;
    if (current.opened) {
      const request = { kind: "callerClose" as const, id: current.id };
      this.#link.send({ kind: "request", id: 0, request });
    }
    this.#link.close();
  }

  #send(request: Request, state: CallState, done: (reply: Reply) => void): Waiting {
    const stamp = STAMPED.has(request.kind) ? this.#stamp() : undefined;
    this.#wanted++;
    this.#link.hold(true);
    return this.#enqueue({ request, stamp, state, done, wanted: true });
  }

  /** A stamp of a caller whose opening goes ahead of it, now and whenever both are sent again. */
  #stamp(): Stamp {
    const { current } = this.#callers;
    if (!current.opened) {
      current.opened = true;
      const request = { kind: "callerOpen" as const, id: current.id };
      const done = (reply: Reply): void => {
        if (reply.ok) return;
        current.refused = reply.failure;
        this.#callers.retire(current);
      };
      const state = { sent: false };
      this.#enqueue({ request, stamp: undefined, state, done, wanted: false });
    }
    return current.stamp();
  }

  #enqueue(call: Pick<Waiting, "request" | "stamp" | "state" | "done" | "wanted">): Waiting {
    const waiting: Waiting = { id: 0, place: ++this.#places, sends: 0, isParked: false, ...call };
    waiting.id = this.#waiting.add(waiting);
    this.#transmit(waiting);
    return waiting;
  }

  #transmit(waiting: Waiting): void {
    const { id, request, stamp, state } = waiting;
    waiting.isParked = false;
    const caller = stamp === undefined ? undefined : onWire(stamp);
    let sent: Sent;
    try {
      sent = this.#link.send({ kind: "request", id, request, caller });
    } catch (error) {
      return this.#refuse(waiting, unwritable(request, this.label, error));
    }
    if (sent === "offline") return;
    if (sent === "tooLarge") return this.#refuse(waiting, tooLarge(request, this.label));
    state.sent = true;
    waiting.sends++;
  }

  /** What no frame carries is answered from this side. */
  #refuse(waiting: Waiting, reason: Failure): void {
    const { id } = waiting;
    this.#options.clock.soon(() => {
      if (this.#waiting.get(id) === waiting) this.#replied(id, { ok: false, failure: reason });
    });
  }

  #interrupted(): void {
    this.#watches.interrupted();
    // What nobody waits for is not sent again: its stamp, given up, makes a late copy of it refused.
    for (const waiting of this.#waiting.all())
      if (!waiting.wanted && waiting.request.kind !== "callerOpen") this.#remove(waiting);
  }

  /** After a reconnect: whatever has no answer yet is sent again, in order, under the same stamps. */
  #resend(): void {
    this.#transmitAll(this.#waiting.all());
    this.#watches.resume();
  }

  #sendParked(): void {
    const parked = this.#waiting.all().filter(({ isParked }) => isParked);
    const isOpening = ({ request }: Waiting): boolean => request.kind === "callerOpen";
    this.#transmitAll(parked.filter((each) => each.wanted || isOpening(each)));
    // What nobody waits for any more is not sent again.
    for (const each of parked) if (!each.wanted && !isOpening(each)) this.#remove(each);
  }

  #transmitAll(all: readonly Waiting[]): void {
    for (const waiting of all.toSorted((a, b) => a.place - b.place)) this.#transmit(waiting);
  }

  #replied(id: number, reply: Reply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (!reply.ok && this.#triesAgain(waiting, reply.failure)) return;
    this.#remove(waiting);
    if (reply.ok) return waiting.done(reply);
    const { failure: reason } = reply;
    const told = refusedOpening(waiting, reason) ?? ofAllCopies(waiting, reason);
    waiting.done({ ok: false, failure: told });
  }

  #remove(waiting: Waiting): void {
    this.#waiting.take(waiting.id);
    const { stamp } = waiting;
    if (stamp !== undefined) stamp.caller.answered(stamp.sequence);
    if (waiting.wanted) this.#unwanted(waiting);
  }

  #unwanted(waiting: Waiting): void {
    waiting.wanted = false;
    if (--this.#wanted === 0) this.#link.hold(false);
  }

  /** Whether a refusal is dealt with here: the request has certainly not happened and can still be carried out. */
  #triesAgain(waiting: Waiting, reason: Failure): boolean {
    const { stamp } = waiting;
    const isLeft = reason.code === "SHUTDOWN" && this.#link.leaving && waiting.wanted;
    const isForNext = isLeft && (reason.outcome === "definite" || isRepeatable(waiting));
    if (isForNext || this.#isForAnother(waiting, reason)) {
      if (reason.outcome === "definite" && --waiting.sends === 0) waiting.state.sent = false;
      // The server has said that it goes: the next connection takes it.
      if (isForNext) return true;
      waiting.isParked = true;
      this.#link.misplaced(reason);
      return true;
    }
    if (reason.code !== "CALLER_UNKNOWN" || stamp === undefined) return false;
    this.#callers.retire(stamp.caller);
    // A server that would not open one caller is not asked to open the next for the same request.
    if (waiting.sends !== 1 || !waiting.wanted || stamp.caller.refused !== undefined) return false;
    stamp.caller.answered(stamp.sequence);
    waiting.sends = 0;
    waiting.stamp = this.#stamp();
    // Behind the opening of its new caller.
    waiting.place = ++this.#places;
    this.#transmit(waiting);
    return true;
  }

  /** Whether the server that refuses does not lead, or did so until now, and the request can go to the one that does. */
  #isForAnother(waiting: Waiting, { code, outcome }: Failure): boolean {
    if (!waiting.wanted && waiting.request.kind !== "callerOpen") return false;
    if (code === "NOT_LEADER") return outcome === "definite";
    return code === "LEADER_CHANGED" && isRepeatable(waiting);
  }

  /** Whoever called gave up. What was sent keeps its stamp until the answer comes, which nobody takes. */
  #forget(waiting: Waiting): void {
    if (!waiting.wanted) return;
    waiting.done = (): void => {};
    this.#unwanted(waiting);
    if (waiting.sends === 0) this.#remove(waiting);
  }
}

/** Whether it happens once however often it is sent, or is the same as if it did. */
function isRepeatable({ request, stamp }: Waiting): boolean {
  return stamp !== undefined || REPEATABLE.has(request.kind);
}

/**
 * The refusal of one copy says nothing of those that were sent before: of a server that takes nothing any more, and of
 * what has no stamp, which the first copy may have made impossible.
 */
function ofAllCopies(waiting: Waiting, reason: Failure): Failure {
  const { request, sends } = waiting;
  const isOfOne = reason.code === "SHUTDOWN" || !isRepeatable(waiting);
  if (sends < 2 || !isOfOne || !changesState(request)) return reason;
  return { ...reason, outcome: "indefinite" };
}

/** Why a command of a caller that was never opened has certainly not happened. */
function refusedOpening({ sends, stamp }: Waiting, reason: Failure): Failure | undefined {
  if (reason.code !== "CALLER_UNKNOWN" || sends !== 1) return undefined;
  const refused = stamp?.caller.refused;
  return refused === undefined ? undefined : { ...refused, outcome: "definite" };
}

function closedError(label: string): QuorateError {
  return fail("CLOSED", {
    object: label,
    what: "this connection has been closed",
    remedy: "Connect again, or close it later.",
  });
}

function overloaded(label: string, waiting: number): QuorateError {
  return fail("OVERLOADED", {
    object: label,
    what: `has ${waiting} requests without an answer, more than it can carry`,
    remedy: "Await answers before sending more.",
  });
}

function unwritable(request: Request, label: string, error: unknown): Failure {
  return failure("INVALID", {
    object: `${request.kind} at ${label}`,
    what: `cannot be written: ${error instanceof Error ? error.message : String(error)}`,
    remedy: "Give each field what its type says.",
  });
}

function tooLarge(request: Request, label: string): Failure {
  return failure("TOO_LARGE", {
    object: `${request.kind} at ${label}`,
    what: `is longer than ${REQUEST_FRAME_BYTES_MAX} bytes`,
    remedy: "Send less at once.",
  });
}
