/**
 * As which member a server starts: what its data directory says, else what its options say, else what the cluster says
 * that it joins.
 *
 * Invariants: I1 a directory that belongs to a member stays that member's, whatever the options say of the beginning. I2
 * every member of a new cluster finds the same ids from the same options. I3 a member that is added and was not started
 * yet is found by its urls: whoever starts again goes on as the same member.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { fail, QuorateError } from "../../base/errors.ts";
import type { MemberShown } from "../../contract/cluster.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import { orderAt } from "../../engines/remote/order.ts";
import { identityIn } from "../../driver/identity.ts";
import { hostClock } from "../../host/clock.ts";
import { hostDisk } from "../../host/disk.ts";
import { hostEntropy } from "../../host/entropy.ts";
import { id63 } from "../../ports/entropy.ts";
import { networkOf } from "../../sdk/connect.ts";
import { parseServerUrl, shownUrl } from "../../sdk/address.ts";
import type { TlsConnectOptions } from "../../host/tls-network.ts";
import { askMember } from "../../service/peers/enquiry.ts";
import type { DialPeer } from "../../service/peers/peer-dial.ts";
import type { PeerTlsOptions } from "./peer-sockets.ts";

/** Joining takes an order of the cluster, which may be electing. */
const JOIN_MS = 10_000;
const TOKEN = "quorate-cluster";

/** One of the members that a cluster begins with. */
export interface InitialMember {
  readonly name: string;
  readonly peerUrls: readonly string[];
}

/** How a server is a member of a cluster. None given: it is alone. */
export interface MemberOptions extends PeerTlsOptions {
  /** `HOST:PORT`s at which the other members reach it. Default: where it listens for clients. */
  readonly peerListen?: string | readonly string[] | undefined;
  /** Listening for others does not by itself make it a member that others can be added to. Default false. */
  readonly aloneUnlessNamed?: boolean | undefined;
  /** The urls that the others are told; default where it listens for them. */
  readonly peerAdvertise?: readonly string[] | undefined;
  /** Every member of a new cluster, this one included; the same at each of them. */
  readonly initialCluster?: readonly InitialMember[] | undefined;
  /** Tells clusters apart that begin with the same members. */
  readonly initialClusterToken?: string | undefined;
  /** `existing`: this member has been added to the cluster that `initialCluster` names. Default `new`. */
  readonly initialClusterState?: "new" | "existing" | undefined;
  /** The url of a server of a cluster to become a member of; `credentials` in it if it has users enabled. */
  readonly join?: string | undefined;
  readonly joinTls?: TlsConnectOptions | undefined;
  /** Joins without a vote. */
  readonly learner?: boolean | undefined;
  /** Time without a leader after which an election begins, ms; default 500. */
  readonly electionMs?: number | undefined;
  /** Time between a leader's heartbeats, ms; default 50. */
  readonly heartbeatMs?: number | undefined;
}

/** As whom a server starts. */
export interface Membership {
  readonly id: number;
  readonly clusterId: bigint;
  readonly peerUrls: readonly string[];
  readonly initial?: readonly PeerAddress[] | undefined;
  readonly known?: readonly PeerAddress[] | undefined;
}

export interface Place {
  readonly name: string;
  readonly dataDir: string | undefined;
  /** Where it is reached by the others, unless the options say otherwise. */
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  readonly dial: DialPeer;
}

/** Whether the server is a member of a cluster, or wants to be. */
export async function isMember(
  { initialCluster, join: at, peerListen, aloneUnlessNamed }: MemberOptions,
  dataDir: string | undefined,
): Promise<boolean> {
  if (initialCluster !== undefined || at !== undefined) return true;
  if (peerListen !== undefined && aloneUnlessNamed !== true) return true;
  return (await directoryOf(dataDir))?.made === "cluster";
}

/** As whom a member starts. Throws CONFIG (definite); what asking the cluster throws. */
export async function membershipOf(options: MemberOptions, place: Place): Promise<Membership> {
  const found = await directoryOf(place.dataDir);
  const { initialCluster, join: at, initialClusterState: state } = options;
  const peerUrls = ownUrls(options, place);
  if (found !== undefined) return { ...found, peerUrls };
  if (at !== undefined) return await joining(options, place, peerUrls);
  if (initialCluster !== undefined && state === "existing")
    return await existing(initialCluster, place, peerUrls);
  if (initialCluster !== undefined) return founding(options, initialCluster, place, peerUrls);
  const id = freshId();
  const initial = [memberAt({ id, name: place.name, peerUrls }, place.clientUrls)];
  return { id, clusterId: id63(hostEntropy), peerUrls, initial };
}

function ownUrls(options: MemberOptions, place: Place): readonly string[] {
  const { peerAdvertise, initialCluster } = options;
  if (peerAdvertise !== undefined) return peerAdvertise;
  return initialCluster?.find(({ name }) => name === place.name)?.peerUrls ?? place.peerUrls;
}

/** Whose directory it is. What cannot be read is refused here: a member must not be asked in for it. */
async function directoryOf(
  dataDir: string | undefined,
): Promise<{ readonly id: number; readonly clusterId: bigint; readonly made: string } | undefined> {
  if (dataDir === undefined || !existsSync(dataDir)) return undefined;
  const found = await identityIn(hostDisk(dataDir));
  if (found === undefined) return undefined;
  return { id: Number(found.memberId), clusterId: BigInt(found.clusterId), made: found.made };
}

function founding(
  { initialClusterToken: token = TOKEN }: MemberOptions,
  initialCluster: readonly InitialMember[],
  { name, clientUrls }: Place,
  peerUrls: readonly string[],
): Membership {
  const own = initialCluster.find((each) => each.name === name);
  if (own === undefined || asOne(own.peerUrls) !== asOne(peerUrls))
    throw fail("CONFIG", {
      object: "--initial-cluster",
      what: `does not name ${name} at ${peerUrls.join(",")}, this member`,
      remedy: "Name every member with the urls at which the others reach it, this one too.",
    });
  const initial = initialCluster.map((each) =>
    memberAt({ ...each, id: derivedId(each.peerUrls, token) }, each === own ? clientUrls : []),
  );
  const ids = initial.map(({ id }) => id).toSorted((a, b) => a - b);
  if (new Set(ids).size < ids.length)
    throw fail("CONFIG", {
      object: "--initial-cluster",
      what: "names one member twice",
      remedy: "Give each member its own name and urls.",
    });
  const clusterId = hashed([token, ...ids.map(String)]) >> 1n;
  return { id: derivedId(own.peerUrls, token), clusterId, peerUrls, initial };
}

/** Urls in an order of their own, by which they can be compared. */
function asOne(urls: readonly string[]): string {
  return urls
    .map((url) => url.replace("//localhost:", "//127.0.0.1:"))
    .toSorted()
    .join();
}

/** The same wherever it is made: of 52 bits, and never 0. */
function derivedId(peerUrls: readonly string[], token: string): number {
  return Number(hashed([token, ...peerUrls.toSorted()]) >> 12n) || 1;
}

function hashed(parts: readonly string[]): bigint {
  return createHash("sha256").update(JSON.stringify(parts)).digest().readBigUInt64BE(0);
}

function freshId(): number {
  return (hostEntropy.u32() & 0xf_ffff) * 2 ** 32 + hostEntropy.u32() || 1;
}

/** Of a member that was added before: who it is, the others know. */
async function existing(
  initialCluster: readonly InitialMember[],
  { name, dial }: Place,
  peerUrls: readonly string[],
): Promise<Membership> {
  const others = initialCluster.flatMap((each) => (each.name === name ? [] : each.peerUrls));
  let last: unknown;
  for (const url of others) {
    try {
      const { cluster, members } = await askMember(url, dial, hostClock);
      const own = members.find((each) => each.peerUrls.some((at) => peerUrls.includes(at)));
      if (own !== undefined)
        return { id: own.id, clusterId: BigInt(cluster), peerUrls, known: members.map(known) };
      last = fail("CONFIG", {
        object: `member ${name} at ${peerUrls.join(",")}`,
        what: `is not among the members that ${url} knows`,
        remedy: "Add it first: quorate cluster add, or etcdctl member add.",
      });
    } catch (error) {
      last = error;
    }
  }
  throw last ?? fail("CONFIG", nobodyElse());
}

async function joining(
  { join: url = "", joinTls, learner = false }: MemberOptions,
  { name }: Place,
  peerUrls: readonly string[],
): Promise<Membership> {
  const { addresses, credentials } = parseServerUrl(url);
  const network = await networkOf(url, { tls: joinTls });
  const at = {
    addresses,
    network,
    credentials,
    clock: hostClock,
    label: shownUrl(url),
    program: "quorate serve",
    timeoutMs: JOIN_MS,
  };
  const listed = await orderAt(at, { kind: "list" });
  const isHere = (each: MemberShown): boolean =>
    each.peerUrls.some((own) => peerUrls.includes(own));
  // Added before, by an earlier start that ended, or by somebody else for this one.
  const before = listed.answer.members.find((each) => each.name === "" && isHere(each));
  const { cluster, answer } =
    before === undefined ? await orderAt(at, { kind: "add", name: "", peerUrls, learner }) : listed;
  const id = before?.id ?? answer.added;
  if (id === 0) throw new QuorateError(notAdded(name));
  return { id, clusterId: BigInt(cluster), peerUrls, known: answer.members.map(known) };
}

function notAdded(name: string): QuorateError["failure"] {
  return fail("UNAVAILABLE", {
    object: `member ${name}`,
    what: "was not added by the cluster that it wants to join",
    remedy: "Start it again.",
    outcome: "definite",
  }).failure;
}

function nobodyElse(): { readonly object: string; readonly what: string; readonly remedy: string } {
  return {
    object: "--initial-cluster",
    what: "names nobody but this member, and the cluster is there already",
    remedy: "Name the other members with their urls.",
  };
}

function memberAt(
  { id, name, peerUrls }: InitialMember & { readonly id: number },
  clientUrls: readonly string[],
): PeerAddress {
  return { id, name, peerUrls, clientUrls, learner: false, identity: "" };
}

function known(member: MemberShown): PeerAddress {
  return { ...member, identity: "" };
}
