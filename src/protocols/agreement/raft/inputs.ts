/**
 * What goes into a Raft machine and what comes out: plain data.
 *
 * The host gives inputs with `step` and takes what is to be done with `ready`. Duties of the host: messages may be sent
 * at once and may be lost; one write at a time, whole and in its order, answered by `written`; entries of `apply` are applied in
 * order, an installed snapshot before those after it; ticks follow a monotonic clock.
 */
import type { Failure } from "../../../base/errors.ts";
import type { Change } from "./configuration.ts";
import type { LogWrite } from "./log.ts";
import type { Entry, HardState, MemberId, Message, SnapshotMeta } from "./messages.ts";

export type RaftInput =
  /** This many ticks have gone by. */
  | { readonly kind: "tick"; readonly count: number }
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "propose"; readonly data: Uint8Array }
  /** `context` is the caller's: it is in the entry, behind the configuration. */
  | {
      readonly kind: "change";
      readonly changes: readonly Change[];
      readonly context?: Uint8Array | undefined;
    }
  /** Asks for an index that holds every write acknowledged before now. Ids ascend. */
  | { readonly kind: "read"; readonly id: number }
  /** The write of that number is on stable storage. */
  | { readonly kind: "written"; readonly ticket: number }
  /** Committed entries are applied up to `index`. */
  | { readonly kind: "applied"; readonly index: number }
  | { readonly kind: "transfer"; readonly to: MemberId }
  /** Stands for election now, whatever the time-out says. */
  | { readonly kind: "campaign" }
  /** The connection with that member is gone. */
  | { readonly kind: "connectionLost"; readonly member: MemberId }
  /** A snapshot of the applied state at `index` is durable; entries up to `dropTo` need not be kept for it. */
  | { readonly kind: "snapshotTaken"; readonly index: number; readonly dropTo: number }
  /** What `ChunkRead` asked for; `data` absent: that snapshot is no longer there. */
  | {
      readonly kind: "chunkRead";
      readonly to: MemberId;
      readonly index: number;
      readonly offset: number;
      readonly data?: Uint8Array | undefined;
      readonly last: boolean;
    }
  /** What `ChunkWrite` asked for is done; `valid` false: the whole is damaged and begins again. */
  | {
      readonly kind: "chunkWritten";
      readonly index: number;
      readonly next: number;
      readonly valid: boolean;
    };

/** What a proposal, a change, a read or a transfer comes to at once. */
export type Admitted =
  | { readonly ok: true; readonly index: number; readonly term: number }
  | { readonly ok: false; readonly failure: Failure };

export type Role = "follower" | "preCandidate" | "candidate" | "leader";

export interface Standing {
  readonly role: Role;
  readonly term: number;
  readonly leader: MemberId;
}

export interface Write extends LogWrite {
  readonly ticket: number;
  readonly hardState: HardState | undefined;
}

/** A chunk of the host's own snapshot, to be read and given back as `chunkRead`. */
export interface ChunkRead {
  readonly to: MemberId;
  readonly index: number;
  readonly offset: number;
}

/** A chunk to be kept, answered by `chunkWritten`. After the last one the host checks the whole. */
export interface ChunkWrite {
  readonly snapshot: SnapshotMeta;
  readonly offset: number;
  readonly data: Uint8Array;
  readonly last: boolean;
}

export interface ReadConfirmed {
  readonly id: number;
  /** The read may be answered once this index is applied. */
  readonly index: number;
}

/** What is to be done. Everything in it is handed over once. */
export interface Ready {
  /** May leave now: whatever had to be stable before is. */
  readonly messages: readonly Message[];
  /** Present only while no other write is under way. */
  readonly write: Write | undefined;
  /** Committed, in order, after those handed over before. */
  readonly apply: readonly Entry[];
  readonly commit: number;
  readonly reads: readonly ReadConfirmed[];
  /** Ids of reads that will not be confirmed: leadership was lost. */
  readonly readsRefused: readonly number[];
  readonly chunkReads: readonly ChunkRead[];
  readonly chunkWrites: readonly ChunkWrite[];
  /** Present if it changed. */
  readonly standing: Standing | undefined;
}
