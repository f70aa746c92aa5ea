/**
 * The remote engine: the Keyspace contract over the native wire.
 *
 * Invariants: I1 a command is sent again after a reconnect with the same caller and sequence, so it happens once. I2 a
 * caller is opened once per connection's life of this object and replaced only while nothing of it is in flight. I3 a
 * watch goes on from the revision after the last one delivered: never a gap, never a repeat. I4 an idle connection does
 * not keep the process alive.
 * Source: Lee et al., RIFL (SOSP 2015), for I1. Cost: one round trip a call; one more when a caller is opened.
 */
import { fail, failure, QuorateError } from "../../base/errors.ts";
import type { Failure } from "../../base/errors.ts";
import type { Guarantee } from "../../contract/guarantee.ts";
import type { CallOptions, Keyspace, Ran, RunOptions, WireState } from "../../contract/keyspace.ts";
import type { Procedure } from "../../contract/procedure.ts";
import type { Reply, Request, ResponseOf, RunResponse } from "../../contract/requests.ts";
import { cloneArgs } from "../../keyspace/procedure-tx.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type { Address, Network } from "../../ports/network.ts";
import { pending } from "../pending.ts";
import type { CallState } from "../pending.ts";
import { watchStream } from "../watch-stream.ts";
import { CallerWindow } from "./caller-window.ts";
import { Link } from "./link.ts";
import type { Waiting } from "./link.ts";
import { RemoteWatches } from "./watches.ts";

/** Requests that may wait for answers before more are turned away. */
const WAITING_MAX = 16_384;

export interface RemoteOptions {
  readonly addresses: readonly Address[];
  readonly network: Network;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly label: string;
  readonly guarantee: Guarantee;
  readonly program: string;
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
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
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
      interrupted: () => this.#watches.interrupted(),
    });
    this.#watches = new RemoteWatches(
      (message) => this.#link.send(message),
      () => this.#nextId++,
    );
  }

  connect(signal: AbortSignal | undefined): Promise<void> {
    return this.#link.first(signal);
  }

  call<R extends Request>(request: R, options?: CallOptions): Promise<ResponseOf[R["kind"]]> {
    if (this.#closed !== undefined) return Promise.reject(closedError(this.label));
    if (this.#waiting.size >= WAITING_MAX) return Promise.reject(overloaded(this.label));
    const id = this.#nextId++;
    return pending(
      this.#options.clock,
      this.label,
      request,
      options,
      (state, done) => this.#send(id, request, state, done),
      () => this.#forget(id),
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
    if (this.#link.procedures !== undefined && !this.#link.procedures.has(procedure.name)) {
      if (this.#options.evaluate !== undefined)
        return this.#options.evaluate(this, procedure, args, options);
    }
    const request = {
      kind: "run" as const,
      procedure: procedure.name,
      args: cloneArgs(args, procedure.name),
      prefix: options.prefix,
    };
    const answer: RunResponse = await this.call(request, options);
    return { result: answer.result as R, revision: answer.revision };
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
    for (const each of [...this.#waiting.values()])
      each.done({
        ok: false,
        failure: { ...reason, outcome: each.state.sent ? "indefinite" : "definite" },
      });
    this.#waiting.clear();
    if (this.#callers.opened)
      this.#link.send({
        kind: "request",
        id: 0,
        request: { kind: "callerClose", id: this.#callers.id },
      });
    this.#link.close();
  }

  #send(id: number, request: Request, state: CallState, done: (reply: Reply) => void): void {
    const caller = STAMPED.has(request.kind) ? this.#callers.stamp() : undefined;
    const waiting: Waiting = { request, caller, state, done, sends: 0 };
    this.#waiting.set(id, waiting);
    this.#link.hold(true);
    if (caller !== undefined) this.#openCaller();
    this.#transmit(id, waiting);
  }

  #transmit(id: number, waiting: Waiting): void {
    const { request, caller } = waiting;
    const stamp = caller === undefined ? undefined : this.#callers.current(caller);
    if (!this.#link.send({ kind: "request", id, request, caller: stamp })) return;
    waiting.state.sent = true;
    waiting.sends++;
  }

  /** Opens the caller on the wire ahead of the first command stamped with it. */
  #openCaller(): void {
    if (this.#callers.opened) return;
    const id = this.#nextId++;
    const request = { kind: "callerOpen" as const, id: this.#callers.id };
    const waiting: Waiting = {
      request,
      caller: undefined,
      state: { sent: false },
      done: () => {},
      sends: 0,
    };
    this.#waiting.set(id, waiting);
    this.#callers.opened = true;
    this.#transmit(id, waiting);
  }

  /** After a reconnect: whatever has no answer yet is sent again, in order, under the same stamps. */
  #resend(): void {
    for (const [id, waiting] of this.#waiting) this.#transmit(id, waiting);
    this.#watches.resume();
  }

  #replied(id: number, reply: Reply): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    if (!reply.ok && this.#retries(id, waiting, reply.failure)) return;
    this.#waiting.delete(id);
    if (waiting.caller !== undefined) this.#callers.answered(waiting.caller);
    if (this.#waiting.size === 0) this.#link.hold(false);
    waiting.done(reply);
  }

  /** A command that was sent once and met an unknown caller has not happened: it may go again under a new one. */
  #retries(id: number, waiting: Waiting, reason: Failure): boolean {
    if (reason.code !== "CALLER_UNKNOWN" || waiting.caller === undefined || waiting.sends !== 1)
      return false;
    this.#callers.answered(waiting.caller);
    this.#callers.renew(waiting.caller);
    waiting.caller = this.#callers.stamp();
    waiting.sends = 0;
    this.#waiting.delete(id);
    this.#openCaller();
    const again = this.#nextId++;
    this.#waiting.set(again, waiting);
    this.#transmit(again, waiting);
    return true;
  }

  /** The caller gave up: its stamp stays unacknowledged until the answer comes, which nobody takes. */
  #forget(id: number): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    waiting.done = (): void => {};
    if (waiting.state.sent) return;
    this.#waiting.delete(id);
    if (waiting.caller !== undefined) this.#callers.answered(waiting.caller);
    if (this.#waiting.size === 0) this.#link.hold(false);
  }
}

function closedError(label: string): QuorateError {
  return fail("CLOSED", {
    object: label,
    what: "this connection has been closed",
    remedy: "Connect again, or close it later.",
  });
}

function overloaded(label: string): QuorateError {
  return new QuorateError(
    failure("OVERLOADED", {
      object: label,
      what: `${WAITING_MAX} requests wait for answers`,
      remedy: "Await answers before sending more.",
    }),
  );
}
