/**
 * A server's part in a cluster: the listener for other members, the connections to them, and how requests find the one
 * that leads. What it is made of is made before the driver opens; what needs the driver, after.
 */
import type { Failure } from "../../base/errors.ts";
import { fail, failure } from "../../base/errors.ts";
import type { Formats } from "../../contract/formats.ts";
import type { Driver } from "../../driver/face.ts";
import type { ClusterOrder } from "../../contract/cluster.ts";
import type { ClusterOptions } from "../../driver/peers.ts";
import { hostClock } from "../../host/clock.ts";
import { hostEntropy } from "../../host/entropy.ts";
import type { Meter } from "../../ports/meter.ts";
import { belong } from "../../service/cluster/belonging.ts";
import { Cluster } from "../../service/cluster/cluster.ts";
import type { Forwarder } from "../../service/peers/forwarder.ts";
import type { Self } from "../../service/peers/handshake.ts";
import { PeerLinks } from "../../service/peers/peer-links.ts";
import type { Turns } from "../../service/turns.ts";
import type { Refusal } from "../../wire/native/peer-handshake.ts";
import { isLoopback, parseListen } from "../addresses.ts";
import type { Bound } from "../addresses.ts";
import type { MemberOptions, Membership } from "./membership.ts";
import { isMember, membershipOf } from "./membership.ts";
import { peerDialler, PeerListener } from "./peer-sockets.ts";

/** Before a member asks again for what is to be on record of it. */
const SETTLE_MS = 500;

export interface MemberPlace {
  readonly name: string;
  readonly dataDir: string | undefined;
  readonly bound: readonly Bound[];
  readonly clientUrls: readonly string[];
  readonly isSecure: boolean;
  readonly insecureBind: boolean;
  readonly meter: Meter;
  readonly turns: Turns;
  readonly warn: (message: string) => void;
  /** What it reads and writes. */
  readonly formats: Formats;
}

export class Member {
  readonly links: PeerLinks | undefined;
  readonly #membership: Membership | undefined;
  readonly #options: MemberOptions;
  readonly #place: MemberPlace;
  readonly #listener: PeerListener | undefined;
  readonly #onRefused: ((failure: Failure) => void)[] = [];
  readonly #warned = new Set<string>();
  #cluster: Cluster | undefined;
  #settling: ReturnType<typeof setInterval> | undefined;

  /** Throws CONFIG, ADDRESS_IN_USE (definite); what asking a cluster throws that is joined. */
  static async prepare(options: MemberOptions, place: MemberPlace): Promise<Member> {
    const { insecureBind, turns, warn, dataDir } = place;
    if (!(await isMember(options, dataDir)))
      return new Member(options, place, undefined, undefined);
    const wanted = [options.peerListen ?? []].flat().map(parseListen);
    const listener =
      wanted.length === 0
        ? undefined
        : await PeerListener.open(wanted, options, { insecureBind, turns, warn });
    try {
      const dial = peerDialler(options);
      const peerUrls = urlsOf(listener, options, place);
      const membership = await membershipOf(options, { ...place, peerUrls, dial });
      if (listener === undefined) refuseShared(place);
      refuseNowhere(membership.peerUrls, "--peer-advertise");
      refuseNowhere(place.clientUrls, "--advertise");
      return new Member(options, place, membership, listener);
    } catch (error) {
      await listener?.close();
      throw error;
    }
  }

  private constructor(
    options: MemberOptions,
    place: MemberPlace,
    membership: Membership | undefined,
    listener: PeerListener | undefined,
  ) {
    this.#options = options;
    this.#place = place;
    this.#membership = membership;
    this.#listener = listener;
    if (membership === undefined) return;
    const { meter, warn } = place;
    this.links = new PeerLinks({
      self: this.#selfOf(membership),
      dial: peerDialler(options),
      clock: hostClock,
      entropy: hostEntropy,
      meter,
      // Told before it is so: the driver has taken the change when this turn is over.
      onMembers: () => hostClock.soon(() => this.#cluster?.changed()),
      onRefused: (member, refusal, by) => this.#refused(member, refusal, by, warn),
    });
  }

  #selfOf({ id, clusterId, peerUrls }: Membership): Omit<Self, "identity"> {
    const { name, clientUrls, formats } = this.#place;
    return { id, cluster: clusterId.toString(), name, peerUrls, clientUrls, formats };
  }

  /** Whether members come to the clients' port. */
  get isShared(): boolean {
    return this.links !== undefined && this.#listener === undefined;
  }

  /** What the driver is told of the cluster. */
  get clusterOptions(): ClusterOptions | undefined {
    const { links } = this;
    if (this.#membership === undefined || links === undefined) return undefined;
    const { id, clusterId, initial, known } = this.#membership;
    const { name, clientUrls } = this.#place;
    const { electionMs, heartbeatMs } = this.#options;
    return {
      id,
      name,
      clientUrls,
      clusterId,
      peers: links,
      initial,
      known,
      electionMs,
      heartbeatMs,
    };
  }

  /** Begins to speak with the others for `driver`. */
  begin(driver: Driver): { readonly cluster: Cluster; readonly forwarder: Forwarder | undefined } {
    const { links } = this;
    const { name, clientUrls } = this.#place;
    const ports = { clock: hostClock, entropy: hostEntropy };
    const membership = this.#membership;
    if (links === undefined || membership === undefined) {
      const own = { name, clientUrls, peerUrls: [] };
      this.#cluster = new Cluster({ driver, ...ports, own });
      return { cluster: this.#cluster, forwarder: undefined };
    }
    const { id, peerUrls } = membership;
    const self = this.#selfOf(membership);
    const { cluster, forwarder } = belong(driver, links, self, {
      ...ports,
      dial: peerDialler(this.#options),
    });
    this.#cluster = cluster;
    this.#tellRepair(driver);
    this.#listener?.serve(links);
    this.#settle(cluster, id, peerUrls);
    return { cluster, forwarder };
  }

  /** Says that this member is being repaired, and when it is over. */
  #tellRepair(driver: Driver): void {
    const { warn, name, dataDir } = this.#place;
    let isRepairing = driver.standing().isRepairing;
    if (!isRepairing) return;
    warn(
      `member ${name}: part of ${dataDir ?? "its directory"} is damaged and was set aside (*.damaged); the other members send what it held`,
    );
    driver.onStanding((standing) => {
      if (!isRepairing || standing.isRepairing) return;
      isRepairing = false;
      warn(`member ${name} is repaired: it holds again what it had`);
    });
  }

  /** Calls `listener` when the others turn this member away for good. */
  onRefused(listener: (failure: Failure) => void): void {
    this.#onRefused.push(listener);
  }

  /** Before this member goes: clients find the next leader while this one still says who it is. */
  async handOver(): Promise<void> {
    await this.#cluster?.handOver();
  }

  async close(): Promise<void> {
    clearInterval(this.#settling);
    this.#cluster?.close();
    await this.links?.close();
    await this.#listener?.close();
  }

  /**
   * Until the record of this member says where it is reached, and that it votes if it joined to vote: asks whoever leads
   * for that. A leader that was to see to it may be gone, and a member may come back at another address.
   */
  #settle(cluster: Cluster, id: number, peerUrls: readonly string[]): void {
    const wantsVote = this.#options.join !== undefined && this.#options.learner !== true;
    let isAsking = false;
    const ask = (order: ClusterOrder): void => {
      isAsking = true;
      cluster.order(order, () => (isAsking = false));
    };
    this.#settling = setInterval(() => {
      const own = cluster.recorded(id);
      if (own === undefined || isAsking) return;
      if (own.peerUrls.toSorted().join() !== peerUrls.toSorted().join())
        return ask({ kind: "update", id, peerUrls });
      if (own.learner && wantsVote) return ask({ kind: "promote", id });
      clearInterval(this.#settling);
    }, SETTLE_MS);
    this.#settling.unref();
  }

  #refused(
    member: number,
    { reason, what }: Refusal,
    by: "us" | "them",
    warn: (message: string) => void,
  ): void {
    const isForGood = by === "them" && (reason === "removed" || reason === "identity");
    const whom = by === "us" ? "is not let in" : "does not let this one in";
    const text = `member ${member} ${whom}: ${what}`;
    if (!isForGood && !this.#warned.has(text)) warn(text);
    this.#warned.add(text);
    if (!isForGood) return;
    const { name, dataDir } = this.#place;
    const gone = failure("CONFIG", {
      object: `member ${name}, data directory ${dataDir ?? ""}`,
      what: `is turned away by member ${member}: ${what}`,
      remedy:
        "Remove it from the cluster if it is still there, and add it anew with an empty directory.",
    });
    for (const listener of this.#onRefused.splice(0)) listener(gone);
  }
}

function urlsOf(
  listener: PeerListener | undefined,
  { peerCertFile }: MemberOptions,
  { bound, isSecure }: MemberPlace,
): readonly string[] {
  if (listener !== undefined) {
    const scheme = peerCertFile === undefined ? "http" : "https";
    return listener.authorities.map((authority) => `${scheme}://${authority}`);
  }
  return bound.map(({ authority }) => `${isSecure ? "https" : "http"}://${authority}`);
}

/** An address that stands for all of a machine's is no address to anybody else. */
function refuseNowhere(urls: readonly string[], flag: string): void {
  const nowhere = urls.find((url) => /\/\/(0\.0\.0\.0|\[::\]):/.test(url));
  if (nowhere === undefined) return;
  throw fail("CONFIG", {
    object: "cluster",
    what: `would tell others that this member is at ${nowhere}, where they find nobody`,
    remedy: `Give ${flag} with the urls at which they reach it.`,
  });
}

/** Members know each other by certificates of their own; on the clients' port there are none. */
function refuseShared({ bound, insecureBind, isSecure }: MemberPlace): void {
  const isNear = bound.every(({ authority }) =>
    isLoopback(authority.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1")),
  );
  if ((isNear || insecureBind) && !isSecure) return;
  throw fail("CONFIG", {
    object: "cluster",
    what: isSecure
      ? "members cannot come to a port where clients show certificates"
      : "members would come to a port that other machines can reach, and nobody would know who they are",
    remedy:
      "Give --peer-listen with --peer-cert-file, --peer-key-file and --peer-trusted-ca-file, or --insecure-bind if the network is trusted.",
  });
}
