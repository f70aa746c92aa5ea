/**
 * One life of a simulated server as a member of a cluster: the product's own connections between members and what is
 * ordered over them, on the simulated network.
 *
 * Invariant: everything here belongs to one life of the machine and ends with it.
 */
import { assert } from "../../base/assert.ts";
import { FORMATS } from "../../contract/formats.ts";
import type { Prng } from "../../base/prng.ts";
import type { Driver } from "../../driver/face.ts";
import type { ClusterOptions, PeerAddress } from "../../driver/peers.ts";
import { silentMeter } from "../../ports/meter.ts";
import { belong } from "../../service/cluster/belonging.ts";
import type { Cluster } from "../../service/cluster/cluster.ts";
import type { PeerPorts } from "../../service/peers/peer-dial.ts";
import { PeerLinks } from "../../service/peers/peer-links.ts";
import type { Refusal } from "../../wire/native/peer-handshake.ts";
import type { Machine } from "./machine.ts";
import type { SimNetwork } from "./network.ts";
import { CLIENT_PORT } from "./network.ts";

/** Where members are reached by each other. */
const PEER_PORT = 2380;
const CLUSTER_ID = 99n;
/** How the members of a cluster are set, all of them alike. */
export interface ClusterShape {
  readonly electionMs: number;
  /** What decides how they catch each other up. */
  readonly tailBytes: number;
  readonly chunkBytes: number;
}
/** A leader speaks so often in the time after which it is taken for gone: the product's own. */
const HEARTBEATS = 6;
/** The product's own, and longer. */
const ELECTION_MS: readonly number[] = [300, 600, 1_200];
/** Little is kept for members that are behind, so that snapshots travel. */
const TAIL_BYTES: readonly number[] = [1, 4_000, 1 << 20];
const CHUNK_BYTES: readonly number[] = [500, 5_000, 256 << 10];

export function drawShape(random: Prng): ClusterShape {
  return {
    electionMs: random.pick(ELECTION_MS),
    tailBytes: random.pick(TAIL_BYTES),
    chunkBytes: random.pick(CHUNK_BYTES),
  };
}

/** As which member a server starts. */
export interface Membership extends ClusterShape {
  readonly id: number;
  /** Those who begin the cluster, or whom it has when this one joins. */
  readonly members: readonly PeerAddress[];
  readonly joins?: boolean | undefined;
}

/** Where the other members reach a server of this name. */
export function peerUrlOf(name: string): string {
  return `http://${name}:${PEER_PORT}`;
}

/** The members of a cluster of servers with these names. */
export function membersNamed(names: readonly string[]): readonly PeerAddress[] {
  return names.map((name, at) => memberNamed(name, at + 1));
}

/** The server `name` as a voter that nobody has seen. */
export function memberNamed(name: string, id: number): PeerAddress {
  const clientUrls = [`quorate://${name}:${CLIENT_PORT}`];
  return { id, name, peerUrls: [peerUrlOf(name)], clientUrls, learner: false, identity: "" };
}

export class SimMember {
  readonly #membership: Membership;
  readonly #links: PeerLinks;
  readonly #ports: PeerPorts;
  readonly #listens: () => void;
  #cluster: Cluster | undefined;

  /** `turnedAway` is told when the others will not have it any more. */
  constructor(
    membership: Membership,
    machine: Machine,
    network: SimNetwork,
    turnedAway: (what: string) => void,
  ) {
    this.#membership = membership;
    const { clock, random: entropy } = machine;
    const own = network.of(machine);
    const dial: PeerPorts["dial"] = (url, attach, signal) =>
      own.dial({ kind: "tcp", ...placeOf(url) }, attach, signal);
    this.#ports = { dial, clock, entropy };
    this.#links = new PeerLinks({
      self: this.#self,
      ...this.#ports,
      meter: silentMeter,
      // Told before it is so: the driver has taken the change when this turn is over.
      onMembers: () => clock.soon(() => this.#cluster?.changed()),
      onRefused: (_member, { reason, what }: Refusal, by) => {
        if (by === "them" && (reason === "removed" || reason === "identity")) turnedAway(what);
      },
    });
    this.#listens = () =>
      network.listen(machine, (stream) => this.#links.accept(stream), PEER_PORT);
  }

  get #own(): PeerAddress {
    const { members, id } = this.#membership;
    const own = members.find((each) => each.id === id);
    assert(own !== undefined, "it is a member");
    return own;
  }
  get #self() {
    const { id, name, peerUrls, clientUrls } = this.#own;
    const cluster = CLUSTER_ID.toString();
    return { id, name, peerUrls, clientUrls, cluster, formats: FORMATS };
  }

  /** What the driver is told of the cluster. */
  get clusterOptions(): ClusterOptions {
    const { members, joins, electionMs, tailBytes, chunkBytes } = this.#membership;
    const { id, name, clientUrls } = this.#own;
    const others = joins === true ? { known: members } : { initial: members };
    return {
      ...{ id, name, clientUrls, clusterId: CLUSTER_ID, peers: this.#links, ...others },
      ...{ electionMs, heartbeatMs: electionMs / HEARTBEATS, tailBytes, chunkBytes },
    };
  }

  /** Begins to speak with the others for `driver`. */
  begin(driver: Driver): Cluster {
    const { cluster } = belong(driver, this.#links, this.#self, this.#ports);
    this.#cluster = cluster;
    this.#listens();
    return cluster;
  }

  /** Before it goes: clients find the next leader while this one still says who it is. */
  async handOver(): Promise<void> {
    await this.#cluster?.handOver();
  }

  async close(): Promise<void> {
    this.#cluster?.close();
    await this.#links.close();
  }
}

function placeOf(url: string): { readonly host: string; readonly port: number } {
  const [, host = "", port] = /^http:\/\/([^:]+):(\d+)$/.exec(url) ?? [];
  return { host, port: Number(port) };
}
