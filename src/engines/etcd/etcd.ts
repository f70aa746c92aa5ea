/**
 * The etcd engine: the Keyspace contract over etcd's v3 API. Procedures run in this process with optimistic commit.
 *
 * Invariants: I1 a command that may have reached etcd is never sent again by itself; what certainly did not leave is,
 * until its time is over. I2 queries are sent again. I3 leases and revisions are etcd's own, so that other programs see
 * what is held. Cost: one round trip a call, `status` two; procedures as `optimistic/pump.ts` says.
 * Leaves out: callers (etcd has no deduplication), alarms that etcd does not know.
 */
import { asFailure, fail, QuorateError } from "../../base/errors.ts";
import type { Failure } from "../../base/errors.ts";
import type { Guarantee } from "../../contract/guarantee.ts";
import type { CallOptions, Keyspace, Ran, RunOptions, WireState } from "../../contract/keyspace.ts";
import type { Procedure } from "../../contract/procedure.ts";
import type * as contract from "../../contract/requests.ts";
import { OPEN_END } from "../../contract/requests.ts";
import type { Clock } from "../../ports/clock.ts";
import { sleep } from "../../ports/clock.ts";
import type { Entropy } from "../../ports/entropy.ts";
import type { Empty, LeaseId, LeaseKeepAliveResponse, Method } from "../../wire/etcd/messages.ts";
import { METHODS } from "../../wire/etcd/messages.ts";
import type { Init } from "../../wire/protobuf.ts";
import type { Evaluate } from "../optimistic/pump.ts";
import { optimistic } from "../optimistic/pump.ts";
import { abandoned, changesState, pending } from "../pending.ts";
import { watchStream } from "../watch-stream.ts";
import * as convert from "./convert.ts";
import { failureOf, understood } from "./failures.ts";
import { GrpcStatus } from "../../ports/grpc.ts";
import type { GrpcClient } from "../../ports/grpc.ts";
import { EtcdWatch } from "./watch.ts";

/** What etcd gives. Deadlines are measured by the clients' wall clocks, because etcd does not tell its own. */
export const ETCD_GUARANTEE: Guarantee = {
  consistency: "linearizable",
  durability: "majority",
  time: "clients",
  fencing: "monotonic",
  watch: "resumable",
};

const CONNECT_MS = 5_000;
const RETRY_MS = 20;
const RETRY_MAX_MS = 1_000;
const UNAVAILABLE = 14;

export interface EtcdOptions {
  readonly client: GrpcClient;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly label: string;
}

/** Opens the engine; rejects with UNAVAILABLE if etcd cannot be reached, ABORTED if `signal` aborts first. */
export async function openEtcd(options: EtcdOptions, signal?: AbortSignal): Promise<Keyspace> {
  let onAbort = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    onAbort = (): void => reject(abandoned(options.label, signal?.reason));
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  try {
    await Promise.race([options.client.ready(CONNECT_MS), aborted]);
  } catch (error) {
    options.client.close();
    if (QuorateError.is(error)) throw error;
    const status = new GrpcStatus(UNAVAILABLE, (error as Error).message, true);
    throw new QuorateError(failureOf(status, options.label), error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
  return new Etcd(options);
}

class Etcd implements Keyspace {
  readonly guarantee: Guarantee = ETCD_GUARANTEE;
  readonly label: string;
  readonly #options: EtcdOptions;
  readonly #evaluate: Evaluate;
  readonly #watches = new Set<EtcdWatch>();
  readonly #listeners = new Set<(state: WireState) => void>();
  #state: WireState = "connected";

  constructor(options: EtcdOptions) {
    this.label = options.label;
    this.#options = options;
    const { clock, entropy } = options;
    this.#evaluate = optimistic(this, { clock, entropy, now: () => clock.wallMs() });
  }

  call<R extends contract.Request>(
    request: R,
    options?: CallOptions,
  ): Promise<contract.ResponseOf[R["kind"]]> {
    if (this.#state === "closed") return Promise.reject(this.#closedError());
    let wanted = true;
    return pending(
      this.#options.clock,
      this.label,
      request,
      options,
      (state, done) => {
        void this.#attempts(request, state, () => wanted && this.#state !== "closed").then(done);
      },
      () => (wanted = false),
    );
  }

  watch(...[request, options]: Parameters<Keyspace["watch"]>): ReturnType<Keyspace["watch"]> {
    const { client, clock } = this.#options;
    return watchStream((sink) => {
      if (this.#state === "closed") {
        const reason = this.#closedError().failure;
        clock.soon(() => sink.ended(reason));
        return { resume: () => {}, progress: () => {}, cancel: () => {} };
      }
      const opened: EtcdWatch = new EtcdWatch(client, clock, request, sink, () =>
        this.#watches.delete(opened),
      );
      this.#watches.add(opened);
      return opened;
    }, options?.signal);
  }

  run<A, R>(procedure: Procedure<A, R>, args: A, options?: RunOptions): Promise<Ran<R>> {
    if (this.#state === "closed") return Promise.reject(this.#closedError());
    return this.#evaluate(procedure, args, options);
  }

  observe(listener: (state: WireState) => void): () => void {
    this.#listeners.add(listener);
    listener(this.#state);
    return () => this.#listeners.delete(listener);
  }

  close(): Promise<void> {
    if (this.#state === "closed") return Promise.resolve();
    this.#tell("closed");
    const reason = this.#closedError().failure;
    for (const watch of [...this.#watches]) watch.end(reason);
    this.#options.client.close();
    return Promise.resolve();
  }

  #tell(state: WireState): void {
    if (this.#state === state || this.#state === "closed") return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }

  /** Sends until there is an answer, or one that must not be asked for again. */
  async #attempts(
    request: contract.Request,
    state: { sent: boolean },
    wanted: () => boolean,
  ): Promise<contract.Reply> {
    for (let delayMs = RETRY_MS; ; delayMs = Math.min(RETRY_MAX_MS, 2 * delayMs)) {
      state.sent = true;
      try {
        const response = await this.#send(request);
        this.#tell("connected");
        return { ok: true, response };
      } catch (error) {
        if (!(error instanceof GrpcStatus))
          return { ok: false, failure: asFailure(error, `${request.kind} at ${this.label}`) };
        if (error.code === UNAVAILABLE) this.#tell("suspended");
        const again = error.code === UNAVAILABLE && (error.unsent || !changesState(request));
        state.sent = !again;
        if (again && wanted()) await sleep(this.#options.clock, delayMs);
        // Whoever was told that nothing happened must be right: a call that was given up is not sent again.
        if (!again || !wanted()) return { ok: false, failure: this.#failure(request, error) };
      }
    }
  }

  #failure(request: contract.Request, status: GrpcStatus): Failure {
    const object = `${request.kind} at ${this.label}`;
    const failed = failureOf(status, object);
    return changesState(request) ? failed : { ...failed, outcome: "definite" };
  }

  async #send(request: contract.Request): Promise<contract.Response> {
    switch (request.kind) {
      case "range":
        return convert.rangeResponse(await this.#ask(METHODS.range, convert.rangeRequest(request)));
      case "put":
        return convert.putResponse(await this.#ask(METHODS.put, convert.putRequest(request)));
      case "deleteRange": {
        const message = convert.deleteRequest(request);
        return convert.deleteResponse(await this.#ask(METHODS.deleteRange, message));
      }
      case "txn":
        return convert.txnResponse(await this.#ask(METHODS.txn, convert.txnRequest(request)));
      case "compact":
        return headerOnly(await this.#ask(METHODS.compact, request));
      case "leaseGrant":
      case "leaseRevoke":
      case "leaseKeepAlive":
      case "leaseTimeToLive":
      case "leases":
        return await this.#lease(request);
      case "alarm":
      case "hash":
      case "status":
        return await this.#maintain(request);
      case "run":
      case "callerOpen":
      case "callerClose":
      case "auth":
      case "authShow":
        throw fail("GUARANTEE", {
          object: `${request.kind} at ${this.label}`,
          what: "is not something that this engine asks of etcd",
          remedy: "Use run() for procedures, which this process evaluates; etcdctl for users.",
        });
    }
  }

  async #lease(
    request: contract.Request & { readonly kind: `lease${string}` },
  ): Promise<contract.Response> {
    switch (request.kind) {
      case "leaseGrant": {
        const ttl = Math.ceil(request.ttlMs / 1_000);
        const granted = await this.#ask(METHODS.leaseGrant, { id: request.id, ttl });
        return { ...headerOnly(granted), id: granted.id, ttlMs: granted.ttl * 1_000 };
      }
      case "leaseRevoke":
        return headerOnly(await this.#ask(METHODS.leaseRevoke, { id: request.id }));
      case "leaseKeepAlive": {
        const kept = await this.#keepAlive(request.id);
        return { ...headerOnly(kept), ttlMs: Math.max(0, kept.ttl) * 1_000 };
      }
      case "leaseTimeToLive": {
        const { id, keys } = request;
        const left = await this.#ask(METHODS.leaseTimeToLive, { id, keys });
        const ttlMs = left.ttl < 0 ? -1 : left.ttl * 1_000;
        const grantedTtlMs = left.grantedTtl * 1_000;
        return { ...headerOnly(left), ttlMs, grantedTtlMs, keys: left.keys };
      }
      case "leases": {
        const all = await this.#ask(METHODS.leaseLeases, {});
        return { ...headerOnly(all), ids: all.leases.map((lease) => lease.id) };
      }
    }
  }

  async #maintain(
    request: contract.AlarmRequest | contract.HashRequest | contract.StatusRequest,
  ): Promise<contract.Response> {
    switch (request.kind) {
      case "alarm": {
        const action = { get: 0, activate: 1, deactivate: 2 }[request.action];
        const alarm = request.alarm === "NOSPACE" ? 1 : request.alarm === "CORRUPT" ? 2 : 0;
        const raised = await this.#ask(METHODS.alarm, { action, alarm });
        return { ...headerOnly(raised), alarms: convert.alarmKinds(raised) };
      }
      case "hash": {
        const { revision = 0 } = request;
        const hashed = await this.#ask(METHODS.hashKv, { revision });
        const { hash, compactRevision } = hashed;
        return { ...headerOnly(hashed), hash, compactRevision };
      }
      case "status":
        return await this.#status();
    }
  }

  async #status(): Promise<contract.StatusResponse> {
    const everything = { key: OPEN_END, rangeEnd: OPEN_END, countOnly: true };
    const nothing: Init<Empty> = {};
    const [status, range, leases, alarms] = await Promise.all([
      this.#ask(METHODS.status, nothing),
      this.#ask(METHODS.range, everything),
      this.#ask(METHODS.leaseLeases, nothing),
      this.#ask(METHODS.alarm, {}),
    ]);
    return {
      revision: convert.revisionOf(status),
      compactRevision: 0,
      clusterId: status.header?.clusterId ?? 0n,
      memberId: status.header?.memberId ?? 0n,
      leader: status.leader,
      term: status.raftTerm,
      commitIndex: status.raftIndex,
      version: status.version,
      keys: range.count,
      bytes: status.dbSize,
      quotaBytes: 0,
      leases: leases.leases.length,
      watchers: this.#watches.size,
      alarms: convert.alarmKinds(alarms),
      time: this.#options.clock.wallMs(),
      procedures: [],
    };
  }

  async #ask<Q extends object, S extends object>(
    method: Method<Q, S>,
    request: Init<Q>,
  ): Promise<S> {
    const { client } = this.#options;
    const bytes = await client.unary(method.path, method.request.encode(request));
    return this.#understood(method, bytes);
  }

  /** A stream for one renewal: an open one would keep the process alive. */
  async #keepAlive(id: bigint): Promise<LeaseKeepAliveResponse> {
    const { path, request } = METHODS.leaseKeepAlive;
    const bytes = await new Promise<Uint8Array>((resolve, reject) => {
      const stream = this.#options.client.duplex(path, {
        received: (answer) => {
          resolve(answer);
          stream.end();
        },
        ended: (status) => reject(status),
      });
      const asked: Init<LeaseId> = { id };
      stream.send(request.encode(asked));
    });
    return this.#understood(METHODS.leaseKeepAlive, bytes);
  }

  #understood<Q extends object, S extends object>(
    { path, response }: Method<Q, S>,
    bytes: Uint8Array,
  ): S {
    return understood(`${path} at ${this.label}`, () => response.decode(bytes));
  }

  #closedError(): QuorateError {
    return fail("CLOSED", {
      object: this.label,
      what: "this connection has been closed",
      remedy: "Connect again, or close it later.",
    });
  }
}

function headerOnly(response: Parameters<typeof convert.revisionOf>[0]): {
  readonly revision: number;
} {
  return { revision: convert.revisionOf(response) };
}
