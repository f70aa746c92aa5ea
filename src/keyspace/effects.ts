/**
 * What a transaction did, as plain data: made once by evaluation at the leader's head, written to the log, applied to
 * the base by the same code on every replica. Followers execute no procedure.
 *
 * Invariants: I1 revisions grow by one over transactions with changes; a transaction without changes has revision 0.
 * I2 a caller record is in the entry of the writes that it vouches for. I3 an entry is applied whole or not at all.
 */
import type { Bytes } from "../base/bytes.ts";
import type { AlarmKind, Reply, Request, Response } from "../contract/requests.ts";
import type { Role, User } from "./auth/users.ts";
import type { MemberRecord, Membership } from "./members.ts";

export type Change =
  | { readonly kind: "put"; readonly key: Bytes; readonly value: Bytes; readonly lease: bigint }
  | { readonly kind: "delete"; readonly key: Bytes };

export type MetaChange =
  | { readonly kind: "leaseGranted"; readonly id: bigint; readonly ttlMs: number }
  | { readonly kind: "leaseRevoked"; readonly id: bigint }
  /** A lease with more keys than one transaction may delete: no key can join it, its keys go in pages. */
  | { readonly kind: "leaseFenced"; readonly id: bigint }
  | { readonly kind: "callerOpened"; readonly id: bigint }
  | { readonly kind: "callerClosed"; readonly id: bigint }
  | {
      readonly kind: "replied";
      readonly id: bigint;
      readonly sequence: number;
      readonly firstUnacked: number;
      readonly request: Request["kind"];
      readonly reply: Reply;
    }
  | { readonly kind: "compacted"; readonly revision: number }
  /** A restore: revisions and tokens go on far above whatever was handed out after the snapshot was taken. */
  | { readonly kind: "restored"; readonly revision: number }
  | { readonly kind: "alarmed"; readonly alarm: AlarmKind; readonly on: boolean }
  /** A caller that only one user may use. */
  | { readonly kind: "callerOwned"; readonly id: bigint; readonly owner: string }
  | { readonly kind: "authSet"; readonly enabled: boolean; readonly revision: number }
  | { readonly kind: "userSet"; readonly user: User }
  | { readonly kind: "userGone"; readonly name: string }
  | { readonly kind: "roleSet"; readonly role: Role }
  | { readonly kind: "roleGone"; readonly name: string }
  /** Where a member is found. */
  | { readonly kind: "memberSet"; readonly member: MemberRecord }
  /** What is written from here on is of this format: every member can read it. */
  | { readonly kind: "formatRaised"; readonly format: number }
  /** A learner votes as soon as it has caught up, whoever leads then. */
  | { readonly kind: "voteDue"; readonly id: number }
  /** A user shows a token with this SHA-256, given at that auth revision. */
  | {
      readonly kind: "tokenGiven";
      readonly name: string;
      readonly digest: Bytes;
      readonly revision: number;
    };

/** One transaction's effects, in order. */
export interface Effects {
  readonly revision: number;
  readonly changes: readonly Change[];
  readonly meta: readonly MetaChange[];
}

/** What one command came to, before it is added. */
export interface Outcome {
  readonly response: Response;
  readonly meta?: readonly MetaChange[];
}

/** What is logged of an entry: its index and term are the log's. */
export interface Logged {
  /** Keyspace time at the end of the entry, ms since 1970. */
  readonly time: number;
  readonly transactions: readonly Effects[];
}

/** One log entry: many transactions, one flush. */
export interface Entry extends Logged {
  readonly index: number;
  readonly term: number;
  /** Who decides from here on, if the entry says. */
  readonly membership?: Membership | undefined;
}
