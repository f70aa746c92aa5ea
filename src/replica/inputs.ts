/**
 * What goes into a replica and what comes out: plain data, but for the state that a snapshot was read into.
 *
 * Duties of the driver: outputs are carried out in order; one write is under way at a time, answered by `written` when it
 * is on stable storage; while `behind`, the input `apply` follows at once; every tick that is due is given before
 * anything else.
 */
import type { Identity } from "../contract/auth.ts";
import type { CallerStamp, Query, Reply, Request } from "../contract/requests.ts";
import type { Base } from "../keyspace/base.ts";
import type { HeadOptions } from "../keyspace/head.ts";
import type { KeyspaceTime } from "../keyspace/keyspace-time.ts";
import type {
  ChunkRead,
  ChunkWrite,
  RaftInput,
  Standing,
} from "../protocols/agreement/raft/inputs.ts";
import type { MemberId, Message } from "../protocols/agreement/raft/messages.ts";
import type { Raft } from "../protocols/agreement/raft/raft.ts";
import type { LogRecord } from "./log-record.ts";
import type { MemberOrder, Shown } from "./members.ts";

/** The instant of a step, by this process's clocks. */
export interface Now {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export type ReplicaInput =
  /** Stands for election at once: a cluster of one leads from the start. */
  | { readonly kind: "start" }
  | {
      readonly kind: "request";
      readonly id: number;
      readonly request: Request;
      readonly caller: CallerStamp | undefined;
      /** Who asks; absent: nobody. */
      readonly identity?: Identity | undefined;
    }
  /** A change of the members, answered like a request. */
  | { readonly kind: "order"; readonly id: number; readonly order: MemberOrder }
  /** The log is free: close the open entry, if there is anything in it. */
  | { readonly kind: "seal" }
  /** Go on with what is committed. */
  | { readonly kind: "apply" }
  /** What a leader does by itself is due. */
  | { readonly kind: "maintain" }
  /** What the Raft machine is told as it is. */
  | Extract<
      RaftInput,
      { readonly kind: "tick" | "written" | "message" | "connectionLost" | "chunkRead" }
    >
  | { readonly kind: "shown"; readonly member: MemberId; readonly shown: Shown }
  | {
      readonly kind: "chunkWritten";
      readonly index: number;
      readonly next: number;
      readonly valid: boolean;
      /** After the last chunk: the state that it all came to. */
      readonly base?: Base | undefined;
    }
  /** A snapshot of the state at `index` can be read in chunks. */
  | { readonly kind: "snapshotTaken"; readonly index: number };

export type ReplicaOutput =
  /** Write this to the log; say `written` when it is stable. */
  | { readonly kind: "write"; readonly ticket: number; readonly record: LogRecord }
  | { readonly kind: "send"; readonly messages: readonly Message[] }
  | { readonly kind: "reply"; readonly id: number; readonly reply: Reply }
  /** Answer this query from the base, in slices. */
  | {
      readonly kind: "query";
      readonly id: number;
      readonly request: Query;
      readonly identity: Identity;
    }
  /** Committed state moved on: watches have something to read. */
  | { readonly kind: "applied"; readonly index: number }
  /** The whole state is another one: what was read from the old one is over. */
  | { readonly kind: "replaced"; readonly base: Base }
  /** This replica leads and serves. */
  | { readonly kind: "ready" }
  | { readonly kind: "standing"; readonly standing: Standing }
  /** Who is a member, or where one is found, has changed. */
  | { readonly kind: "members" }
  | ({ readonly kind: "chunkRead" } & ChunkRead)
  | ({ readonly kind: "chunkWrite" } & ChunkWrite);

/** How long what the replica keeps by itself is kept. */
export interface Retention {
  readonly historyMs: number;
  readonly historyBytes: number;
  /** Of revisions; exceeded by up to a tenth, so that not every write brings a compaction along. */
  readonly historyRevisions: number;
  readonly callerIdleMs: number;
}

export interface ReplicaParts {
  readonly raft: Raft;
  readonly base: Base;
  readonly head: HeadOptions;
  readonly time: KeyspaceTime;
  readonly retention: Retention;
  /** Whether entries are written or sent: else their bytes are not made. */
  readonly logged: boolean;
  /** Bytes of applied entries that stay in memory for members that catch up. */
  readonly tailBytes: number;
  /** The newest format that this member reads; absent: the format stays what it is. */
  readonly newest?: number | undefined;
}
