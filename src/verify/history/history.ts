/**
 * A recorded history: what clients asked and were told, what watches delivered, what members and resources said, in the
 * order in which one observer saw it.
 *
 * Invariants: I1 the order of events is real time: what stands before happened before, on one monotonic clock. I2 an
 * operation without a return may take effect at any time after its invocation, also after the last event. I3 a definite
 * failure had no effect.
 * Source: Herlihy and Wing, "Linearizability" (TOPLAS 1990), §2; Jepsen's histories for the kinds of return.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { WatchEvent } from "../../contract/keyspace.ts";
import type { Answer, Call } from "./calls.ts";

/** Keys of which a history tells every write; `end` as in a range. */
export interface Scope {
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
}

/** What holds for the whole history. */
export interface Header {
  /** ms in one unit of `at`; default 1. */
  readonly unitMs: number;
  /** Revision of the store when recording began, with none of the keys in it; default 1. */
  readonly since?: number | undefined;
  /** Keys that only recorded operations change; absent: all. */
  readonly scope?: readonly Scope[] | undefined;
  /** By how much clocks may differ over a lease's time, ms. */
  readonly marginMs: number;
}
export const PLAIN_HEADER: Header = { unitMs: 1, marginMs: 0 };

interface Timed {
  /** When, on one monotonic clock, in the header's unit. */
  readonly at: number;
}
export interface Invoked extends Timed {
  readonly type: "invoke";
  readonly process: string;
  /** Names the operation in the whole history. */
  readonly op: number;
  readonly call: Call;
}
export interface Answered extends Timed {
  readonly type: "answer";
  readonly op: number;
  readonly answer: Answer;
}
/** `definite`: it did not happen. `indefinite`: it may have, or may yet. */
export interface Failed extends Timed {
  readonly type: "definite" | "indefinite";
  readonly op: number;
  readonly code?: string | undefined;
}
export interface WatchAsked extends Timed {
  readonly type: "watch";
  readonly process: string;
  readonly watch: string;
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
  /** First revision wanted; absent: from now on. */
  readonly from?: number | undefined;
  readonly prevKv?: boolean | undefined;
  readonly without?: "put" | "delete" | undefined;
  readonly fragment?: boolean | undefined;
  /** The watch that this one goes on with. */
  readonly resumes?: string | undefined;
}
/** The engine has the watch, which stands at `revision`. */
export interface WatchStands extends Timed {
  readonly type: "watching";
  readonly watch: string;
  readonly revision: number;
}
export interface Delivered extends Timed {
  readonly type: "batch";
  readonly watch: string;
  /** Everything up to here has been delivered, unless `partial`. */
  readonly revision: number;
  readonly events: readonly WatchEvent[];
  readonly partial?: boolean | undefined;
}
export interface WatchEnded extends Timed {
  readonly type: "watch-ended";
  readonly watch: string;
  readonly code?: string | undefined;
}
/** A member's hash of its state at a revision. */
export interface StateHash extends Timed {
  readonly type: "state";
  readonly member: string;
  readonly revision: number;
  readonly compactRevision?: number | undefined;
  readonly hash: string;
}
/** An owner learnt that it owns no longer. */
export interface Lost extends Timed {
  readonly type: "lost";
  readonly process: string;
  readonly name: string;
  readonly token: number;
}
/** Somebody saw who owns. */
export interface Observed extends Timed {
  readonly type: "observed";
  readonly process: string;
  /** Observations of one stream come in order. */
  readonly stream: string;
  readonly name: string;
  /** null: nobody. */
  readonly token: number | null;
}
/** Something was done to the system; for the timeline alone. */
export interface Fault extends Timed {
  readonly type: "fault";
  readonly fault: string;
  readonly what: string;
  readonly phase: "begin" | "end" | "once";
}
export type HistoryEvent =
  | Invoked
  | Answered
  | Failed
  | WatchAsked
  | WatchStands
  | Delivered
  | WatchEnded
  | StateHash
  | Lost
  | Observed
  | Fault;

/** What an operation came to. */
export type OperationOutcome =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "definite" | "indefinite"; readonly code?: string | undefined };

/** One call from its invocation to its return. Places are indices of events. */
export interface Operation {
  readonly id: number;
  /** Among all operations of the history. */
  readonly index: number;
  readonly process: string;
  readonly call: Call;
  readonly invoked: number;
  readonly invokedAt: number;
  /** Infinity: it never returned, or nothing is known of its end. */
  readonly returned: number;
  readonly returnedAt: number;
  /** Place of the failure, for the timeline, where `returned` says nothing. */
  readonly failed: number | undefined;
  readonly outcome: OperationOutcome;
}

/** An event with its place. */
export type Placed<E extends HistoryEvent> = E & { readonly place: number };

/** One watch with all that it delivered. */
export interface WatchStream {
  readonly asked: Placed<WatchAsked>;
  readonly stands: Placed<WatchStands> | undefined;
  readonly batches: readonly Placed<Delivered>[];
  readonly ended: Placed<WatchEnded> | undefined;
}

/** A whole history, sorted by what it tells of. */
export interface History {
  readonly header: Header;
  /** Number of events. */
  readonly events: number;
  /** By invocation. */
  readonly operations: readonly Operation[];
  readonly watches: readonly WatchStream[];
  readonly states: readonly Placed<StateHash>[];
  readonly losses: readonly Placed<Lost>[];
  readonly observations: readonly Placed<Observed>[];
  readonly faults: readonly Placed<Fault>[];
  /** When each event was, by place; ms. */
  readonly times: Float64Array;
}
