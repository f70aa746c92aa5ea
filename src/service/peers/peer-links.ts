/**
 * The connections of a member with all the others, over the native frames: what a driver sends its messages by.
 *
 * Two connections go to each member, and two come from it: entries and chunks of snapshots keep their order on one, what
 * must not wait behind them (heartbeats, votes, answers) goes by the other. All of them are dialled by whoever sends.
 * Invariants: I1 who is let in is decided by `handshake.ts`. I2 what waits for a member is bounded, and kept only while
 * it is connected. I3 the driver hears of a lost connection in the turn in which it is lost. I4 a member that dials again
 * replaces its connection of the same lane.
 * Leaves out: sockets and TLS (the server's), who the members are (the driver's).
 */
import type { PeerAddress, PeerHandler, Peers, Remembered } from "../../driver/peers.ts";
import type { Meter } from "../../ports/meter.ts";
import type { ByteStream, StreamHandler } from "../../ports/network.ts";
import type { MemberId, Message } from "../../protocols/agreement/raft/messages.ts";
import { FrameReader } from "../../wire/native/framing.ts";
import type {
  Lane,
  MessageLane,
  PeerAnswer,
  PeerHello,
  PeerOpening,
  Refusal,
} from "../../wire/native/peer-handshake.ts";
import { formatOf, laneCodec } from "../../wire/native/peer-handshake.ts";
import { PEER_FRAME_BYTES_MAX } from "../../wire/native/peer-messages.ts";
import type { Acquaintance, Self } from "./handshake.ts";
import { judged } from "./handshake.ts";
import type { LaneContent } from "./incoming.ts";
import { IncomingLane } from "./incoming.ts";
import { OutgoingLane } from "./outgoing.ts";
import type { PeerPorts } from "./peer-dial.ts";
import type { Answering } from "./served-requests.ts";
import { ServedRequests } from "./served-requests.ts";

export interface PeerLinksOptions extends PeerPorts {
  readonly self: Omit<Self, "identity">;
  readonly meter: Meter;
  /** Who is a member, or where one is found, has changed. */
  readonly onMembers?: (() => void) | undefined;
  /** A member was turned away: it by this one, or this one by it. */
  readonly onRefused?:
    | ((member: MemberId, refusal: Refusal, by: "us" | "them") => void)
    | undefined;
}

/** What is known of one connection, for people. */
export interface PeerState {
  readonly isConnected: boolean;
  readonly queuedBytes: number;
}

interface Peer {
  address: PeerAddress;
  /** The configuration names it; else it has come by itself and is kept while it stays. */
  isNamed: boolean;
  readonly outgoing: Readonly<Record<MessageLane, OutgoingLane>>;
  readonly incoming: Map<Lane, IncomingLane>;
}

/** Urls of one member that are tried in turn. */
const URLS_MAX = 8;
const SILENT: LaneContent = { received: () => {}, drained: () => {}, closed: () => {} };
const LANES: readonly MessageLane[] = ["prompt", "bulk"];
const BULK: ReadonlySet<Message["kind"]> = new Set(["append", "chunk"]);

export class PeerLinks implements Peers, Acquaintance {
  readonly #options: PeerLinksOptions;
  /** Without an identity, which the directory has, nobody is dialled or let in. */
  #self: Self;
  readonly #peers = new Map<MemberId, Peer>();
  /** Seen to go; the state may not say so yet, or not at all in the format before. */
  readonly #removed = new Set<MemberId>();
  #remembered: Remembered = { format: 0, removed: [] };
  /** Of those who are named: nobody knows yet. */
  readonly #supposed = new Set<MemberId>();
  /** By which directory each was seen, or is recorded in the configuration. */
  readonly #identities = new Map<MemberId, string>();
  readonly #handshakes = new Set<IncomingLane>();
  readonly #dropped: { add(by?: number): void };
  readonly #sent: { add(by?: number): void };
  #handler: PeerHandler | undefined;
  #answering: Answering | undefined;
  #named: readonly PeerAddress[] = [];
  #isClosed = false;

  constructor(options: PeerLinksOptions) {
    this.#options = options;
    this.#self = { ...options.self, identity: "" };
    this.#sent = options.meter.counter(
      "quorate_peer_messages_total",
      "Messages given to the connections with other members.",
    );
    this.#dropped = options.meter.counter(
      "quorate_peer_messages_dropped_total",
      "Messages to other members that were dropped: no connection, or too many waited.",
    );
  }

  /** Who answers what other members ask for their clients. */
  answerBy(answering: Answering): void {
    this.#answering = answering;
  }

  attach(handler: PeerHandler): void {
    this.#handler = handler;
  }

  /** Says by which directory this member is to be known: from now on it dials the others and lets them in. */
  begin(identity: string): void {
    this.#self = { ...this.#self, identity };
    this.#take(this.#named);
  }

  members(members: readonly PeerAddress[], remembered: Remembered = this.#remembered): void {
    this.#remembered = remembered;
    this.#take(members);
    this.#supposed.clear();
  }

  /** A state that is older than what was supposed does not name who joined since: they were not removed. */
  suppose(members: readonly PeerAddress[]): void {
    for (const { id } of members) this.#supposed.add(id);
    this.#take(members);
  }

  #take(members: readonly PeerAddress[]): void {
    this.#named = members;
    this.#options.onMembers?.();
    if (this.#isClosed || this.#self.identity === "") return;
    const ids = new Set(members.map(({ id }) => id));
    for (const [id, peer] of this.#peers) {
      if (ids.has(id) || !peer.isNamed) continue;
      if (this.#supposed.has(id)) this.#letGo(id, peer);
      else this.#remove(id, peer);
    }
    for (const address of members) {
      if (address.identity !== "") this.#identities.set(address.id, address.identity);
      if (address.id !== this.#self.id) this.#name(address);
    }
  }

  send(messages: readonly Message[]): void {
    this.#sent.add(messages.length);
    for (const message of messages) {
      const lane: MessageLane = BULK.has(message.kind) ? "bulk" : "prompt";
      const peer = this.#peers.get(message.to);
      if (peer === undefined) this.#dropped.add();
      else peer.outgoing[lane].send(message);
    }
  }

  /** Serves a connection that another member, or whoever wants to become one, has dialled. */
  readonly accept = (stream: ByteStream): StreamHandler => {
    const incoming: IncomingLane = new IncomingLane(stream, this.#options.clock, {
      opening: (opening) => this.#answer(opening),
      welcomed: (hello, each) => this.#welcomed(incoming, hello, each),
      closed: (hello) => this.#closed(incoming, hello),
    });
    this.#handshakes.add(incoming);
    const isDeaf = this.#isClosed || this.#self.identity === "";
    if (isDeaf) this.#options.clock.soon(() => incoming.destroy());
    return incoming;
  };

  get format(): number {
    return this.#remembered.format;
  }
  identityOf(member: MemberId): string {
    return this.#identities.get(member) ?? "";
  }
  wasRemoved(member: MemberId): boolean {
    return this.#removed.has(member) || this.#remembered.removed.includes(member);
  }

  /** Of the connections to `member`. */
  stateOf(member: MemberId): PeerState {
    const peer = this.#peers.get(member);
    const lanes = peer === undefined ? [] : LANES.map((lane) => peer.outgoing[lane]);
    return {
      isConnected: peer !== undefined && lanes.every(({ isOpen }) => isOpen),
      queuedBytes: lanes.reduce((sum, { queuedBytes }) => sum + queuedBytes, 0),
    };
  }

  close(): Promise<void> {
    this.#isClosed = true;
    for (const peer of this.#peers.values()) end(peer);
    for (const incoming of this.#handshakes) incoming.destroy();
    this.#peers.clear();
    return Promise.resolve();
  }

  #name(address: PeerAddress): void {
    this.#removed.delete(address.id);
    const peer = this.#peers.get(address.id) ?? this.#add(address);
    peer.isNamed = true;
    this.#readdress(peer, address);
  }

  #readdress(peer: Peer, address: PeerAddress): void {
    peer.address = { ...address, identity: this.identityOf(address.id) };
    for (const lane of LANES) peer.outgoing[lane].readdress(peer.address);
  }

  #add(address: PeerAddress): Peer {
    const { id } = address;
    const to = { ...address, identity: this.identityOf(id) };
    const outgoing = (lane: MessageLane): OutgoingLane =>
      new OutgoingLane(this.#options, this.#self, to, lane, {
        opened: (identity) => this.#seen(id, identity),
        lost: () => this.#lost(id, lane),
        refused: (refusal, by) => this.#options.onRefused?.(id, refusal, by),
        dropped: (count) => this.#dropped.add(count),
      });
    const peer: Peer = {
      address: to,
      isNamed: false,
      outgoing: { prompt: outgoing("prompt"), bulk: outgoing("bulk") },
      incoming: new Map(),
    };
    this.#peers.set(id, peer);
    return peer;
  }

  /** Nobody says any more that it is a member: it is kept while it stays. */
  #letGo(id: MemberId, peer: Peer): void {
    peer.isNamed = false;
    if (peer.incoming.size > 0) return;
    this.#peers.delete(id);
    end(peer);
  }

  #remove(id: MemberId, peer: Peer): void {
    this.#removed.add(id);
    this.#identities.delete(id);
    this.#peers.delete(id);
    end(peer);
  }

  #answer(opening: PeerOpening): PeerAnswer {
    if (opening.kind === "ask") {
      return { kind: "told", cluster: this.#self.cluster, members: this.#named };
    }
    const found = judged(opening, this.#self, this);
    if ("version" in found)
      return { kind: "welcome", version: found.version, identity: this.#self.identity };
    this.#options.onRefused?.(opening.from, found, "us");
    return { kind: "refused", ...found };
  }

  #welcomed(incoming: IncomingLane, hello: PeerHello, stream: ByteStream): LaneContent {
    const { from, lane, identity, name, clientUrls } = hello;
    this.#seen(from, identity);
    const newest = formatOf(hello.newest);
    this.#handler?.identified(from, { identity, name, clientUrls, newest });
    const peer = this.#peers.get(from) ?? this.#add(stranger(hello));
    // It may have moved since its address was recorded, or was never asked for one.
    const shown = hello.peerUrls.filter((url) => !peer.address.peerUrls.includes(url));
    if (shown.length > 0)
      this.#readdress(peer, {
        ...peer.address,
        peerUrls: [...peer.address.peerUrls, ...shown].slice(-URLS_MAX),
      });
    const before = peer.incoming.get(lane);
    peer.incoming.set(lane, incoming);
    before?.destroy();
    // It is there: whatever waits before dialling it need not.
    for (const each of LANES) peer.outgoing[each].hurry();
    const answering = this.#answering;
    if (lane !== "requests") return this.#messagesOf(from);
    if (answering === undefined) this.#options.clock.soon(() => incoming.destroy());
    else return new ServedRequests(stream, this.#options.clock, answering);
    return SILENT;
  }

  #messagesOf(from: MemberId): LaneContent {
    const reader = new FrameReader(laneCodec(from, this.#self.id), PEER_FRAME_BYTES_MAX);
    return {
      ...SILENT,
      received: (bytes) => {
        reader.push(bytes);
        reader.take((message) => {
          if (message !== undefined) this.#handler?.received(message);
          return true;
        });
      },
    };
  }

  #closed(incoming: IncomingLane, hello: PeerHello | undefined): void {
    this.#handshakes.delete(incoming);
    const peer = hello === undefined ? undefined : this.#peers.get(hello.from);
    if (hello === undefined || peer?.incoming.get(hello.lane) !== incoming) return;
    peer.incoming.delete(hello.lane);
    this.#lost(hello.from, hello.lane);
    if (!peer.isNamed) this.#letGo(hello.from, peer);
  }

  #seen(member: MemberId, identity: string): void {
    if (this.#identities.get(member) === identity) return;
    this.#identities.set(member, identity);
    const peer = this.#peers.get(member);
    if (peer !== undefined) this.#readdress(peer, peer.address);
  }

  #lost(member: MemberId, lane: Lane): void {
    if (lane === "prompt" && !this.#isClosed) this.#handler?.lost(member);
  }
}

function end(peer: Peer): void {
  for (const lane of LANES) peer.outgoing[lane].close();
  for (const incoming of peer.incoming.values()) incoming.destroy();
}

/** A member that is not known yet, as it says of itself. */
function stranger({ from, name, peerUrls, clientUrls, identity }: PeerHello): PeerAddress {
  return { id: from, name, peerUrls, clientUrls, learner: false, identity };
}
