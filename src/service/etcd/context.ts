/**
 * What all services of the etcd face share: the replica as whoever calls may see it, the header of every answer, the
 * member as clients see it, the gate where they log in.
 */
import { QuorateError } from "../../base/errors.ts";
import type { Watch, WatchRequest } from "../../contract/keyspace.ts";
import type { Request, ResponseOf } from "../../contract/requests.ts";
import type { Driver } from "../../driver/face.ts";
import { watchStream } from "../../engines/watch-stream.ts";
import type { Operation } from "../../keyspace/auth/authority.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Sha256 } from "../../ports/digest.ts";
import type { Header } from "../../wire/etcd/messages.ts";
import type { Gate } from "../auth/gate.ts";
import type { Cluster } from "../cluster/cluster.ts";

/** How the server presents itself to clients of etcd. */
export interface Presented {
  /** The version of etcd whose interface it has: clients switch features by it. */
  readonly version: string;
  /** After this long without a change, watches that want it are told how far they are, ms. */
  readonly watchProgressMs: number;
}

export interface EtcdParts {
  /** Acting for whoever calls. */
  readonly driver: Driver;
  readonly clock: Clock;
  readonly presented: Presented;
  readonly sha256: Sha256;
  readonly gate: Gate;
  readonly cluster: Cluster;
}

export class EtcdContext implements EtcdParts {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly presented: Presented;
  readonly sha256: Sha256;
  readonly gate: Gate;
  readonly cluster: Cluster;
  #ids: Omit<Header, "revision"> | undefined;
  /** The last one: what goes to many watches at once has the same. */
  #header: Header | undefined;
  #headerIds: Omit<Header, "revision"> | undefined;

  constructor({ driver, clock, presented, sha256, gate, cluster }: EtcdParts) {
    this.sha256 = sha256;
    this.driver = driver;
    this.clock = clock;
    this.presented = presented;
    this.gate = gate;
    this.cluster = cluster;
  }

  /** Throws unless whoever calls may do what is not asked of the replica. */
  demand(operation: Operation): void {
    const refused = this.driver.refuses(operation);
    if (refused !== undefined) throw new QuorateError(refused);
  }

  /** Asks the replica. Rejects with `QuorateError`. */
  submit<R extends Request>(request: R): Promise<ResponseOf[R["kind"]]> {
    return new Promise((resolve, reject) => {
      this.driver.submit(request, undefined, (reply) => {
        if (reply.ok) resolve(reply.response as ResponseOf[R["kind"]]);
        else reject(new QuorateError(reply.failure));
      });
    });
  }

  /** A watch that `signal` ends quietly. */
  watch(request: WatchRequest, signal: AbortSignal): Watch {
    return watchStream((sink) => this.driver.watch(request, sink), signal);
  }

  header(revision: number): Header {
    const ids = this.ids();
    if (this.#header?.revision !== revision || this.#headerIds !== ids) {
      this.#header = { ...ids, revision };
      this.#headerIds = ids;
    }
    return this.#header;
  }

  /** Cluster, member and term: looked up once in a turn, because every answer carries them. */
  ids(): Omit<Header, "revision"> {
    if (this.#ids !== undefined) return this.#ids;
    const { clusterId, memberId, term } = this.driver.status();
    this.#ids = { clusterId, memberId, raftTerm: term };
    this.clock.soon(() => (this.#ids = undefined));
    return this.#ids;
  }
}
