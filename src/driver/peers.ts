/**
 * How a member of a cluster reaches the others: the face of the network between them.
 *
 * Best effort: messages may be lost, repeated, delayed, and reordered over reconnects; the Raft machine is made for it.
 * Leaves out: who is let in. Whoever connects members refuses one whose directory identity is not the one that is known
 * under its id.
 */
import type { MemberId, Message } from "../protocols/agreement/raft/messages.ts";

/** Where a member is found, and under which name. */
export interface PeerAddress {
  readonly id: MemberId;
  readonly name: string;
  /** Where the other members reach it. */
  readonly peerUrls: readonly string[];
  /** Where clients reach it. */
  readonly clientUrls: readonly string[];
  /** It gets the log and counts for nothing. */
  readonly learner: boolean;
  /** Of the directory that it writes to, decimal; empty while no member has seen it. */
  readonly identity: string;
}

/** What a network tells the member that uses it. */
export interface PeerHandler {
  received(message: Message): void;
  /** The connection with that member is gone. */
  lost(member: MemberId): void;
  /** What that member says of itself: the leader records it, the identity only if none is known under its id. */
  identified(member: MemberId, shown: PeerShown): void;
}

/** What a member shows when it connects to another. */
export interface PeerShown {
  readonly identity: string;
  readonly name: string;
  readonly clientUrls: readonly string[];
  /** The newest format that it reads. */
  readonly newest: number;
}

/** What the members know together beside who they are. */
export interface Remembered {
  /** Of what is written: whoever does not read it is no use. */
  readonly format: number;
  readonly removed: readonly MemberId[];
}

/** How a member reaches the others: best effort, unordered across reconnects; messages may be lost. */
export interface Peers {
  /** Queues messages for their `to`; drops what cannot be sent. */
  send(messages: readonly Message[]): void;
  /** Called once, before anything else. */
  attach(handler: PeerHandler): void;
  /** Whom the configuration names, with their addresses; called at start and whenever it changes. */
  members(members: readonly PeerAddress[], remembered: Remembered): void;
  /** Who may be members, before there is a configuration: that the first one does not name them says nothing of them. */
  suppose(members: readonly PeerAddress[]): void;
  close(): Promise<void>;
}

/** What makes a replica a member of a cluster. Absent: a cluster of one, which leads at once. */
export interface ClusterOptions {
  /** This member's. A safe integer above 0, never used for another. */
  readonly id: MemberId;
  readonly name: string;
  /** Where clients reach this member. */
  readonly clientUrls: readonly string[];
  /** Of the cluster, the same at each member: what another cluster says is not heard. */
  readonly clusterId: bigint;
  readonly peers: Peers;
  /**
   * The voters that a new cluster begins with, the same list at each of them, this one included. Absent: joins one that
   * is there, whose leader has added it as a learner. Read only while the directory is empty.
   */
  readonly initial?: readonly PeerAddress[] | undefined;
  /** Whom a member that joins knows at first: given to `peers` until the log says who the members are. */
  readonly known?: readonly PeerAddress[] | undefined;
  /** Time without a leader after which an election begins, ms: drawn from [n, 2n); default 500. */
  readonly electionMs?: number | undefined;
  /** Time between a leader's heartbeats, ms; default 50. */
  readonly heartbeatMs?: number | undefined;
  /** Bytes of applied entries kept in memory for members that are a little behind; default 16 MiB. Less: more snapshots. */
  readonly tailBytes?: number | undefined;
  /** Bytes of a snapshot in one message; default 256 KiB. */
  readonly chunkBytes?: number | undefined;
}
