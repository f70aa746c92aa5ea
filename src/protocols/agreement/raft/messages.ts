/**
 * What members of a Raft cluster store and say to each other. Plain data: the trace format, the wire's and the log's.
 *
 * A member is known by a safe integer above zero; `NOBODY` stands where there is none. The content of an entry is
 * opaque here but for configurations.
 */

/** Identity of a member: a safe integer above 0, never used again for another member. */
export type MemberId = number;
/** No vote, no leader. */
export const NOBODY: MemberId = 0;

/** `noop` begins a term, `config` is a configuration, `data` is the caller's. */
export type EntryKind = "noop" | "data" | "config";

export interface Entry {
  readonly index: number;
  readonly term: number;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must be on stable storage before anything that follows from it is said. */
export interface HardState {
  readonly term: number;
  readonly vote: MemberId;
}

/** Who decides. While `outgoing` is not empty, a majority of each of the two sets is needed (joint consensus). */
export interface Configuration {
  readonly voters: readonly MemberId[];
  readonly outgoing: readonly MemberId[];
  /** They get the log and count for nothing. */
  readonly learners: readonly MemberId[];
}

/** Names a snapshot and what a member must know of the log that it replaces. */
export interface SnapshotMeta {
  readonly index: number;
  readonly term: number;
  /** Who made it: two members' snapshots of one index need not have the same bytes. */
  readonly source: MemberId;
  readonly config: Configuration;
}

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  /** The sender's term; of a pre-vote and its grant, the term that is asked for. */
  readonly term: number;
  /** With votes and answers to heartbeats: the sender's wall clock, for its host. Nothing to the machine. */
  readonly wallMs?: number | undefined;
}

/** What a message says, without who says it to whom. */
export type MessageBody =
  | { readonly kind: "preVote"; readonly lastIndex: number; readonly lastTerm: number }
  | { readonly kind: "preVoteReply"; readonly granted: boolean }
  | {
      readonly kind: "vote";
      readonly lastIndex: number;
      readonly lastTerm: number;
      /** The leader itself asked for this election. */
      readonly transfer: boolean;
    }
  | { readonly kind: "voteReply"; readonly granted: boolean }
  | {
      readonly kind: "append";
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly entries: readonly Entry[];
      readonly commit: number;
    }
  /** The sender has the leader's log up to `index` on stable storage. */
  | { readonly kind: "appendReply"; readonly index: number }
  /**
   * Nothing matches at `prevIndex`; it may at `hintIndex`, where the sender's term is `hintTerm`. At 0: the sender's log
   * ends at `hintIndex`, whatever it acknowledged before.
   */
  | {
      readonly kind: "appendRefused";
      readonly prevIndex: number;
      readonly hintIndex: number;
      readonly hintTerm: number;
    }
  | { readonly kind: "heartbeat"; readonly commit: number; readonly round: number }
  | { readonly kind: "heartbeatReply"; readonly round: number }
  | {
      readonly kind: "chunk";
      readonly snapshot: SnapshotMeta;
      readonly offset: number;
      readonly data: Uint8Array;
      readonly last: boolean;
    }
  /** The sender has the snapshot's first `next` bytes. */
  | { readonly kind: "chunkReply"; readonly index: number; readonly next: number }
  /** The receiver is to stand for election at once. */
  | { readonly kind: "timeoutNow" }
  /** The receiver leads a term that is over. */
  | { readonly kind: "outdated" };

export type Message = Envelope & MessageBody;
export type MessageOf<K extends MessageBody["kind"]> = Extract<Message, { readonly kind: K }>;

/** What an entry costs in a message or in memory, bytes. */
export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}
const ENTRY_OVERHEAD_BYTES = 24;
