/**
 * What a transaction did, as plain data: made once by evaluation at the leader's head, written to the log, applied to
 * the base by the same code on every replica. Followers execute no procedure.
 *
 * Invariants: I1 revisions grow by one over transactions with changes; a transaction without changes has revision 0.
 * I2 a caller record is in the entry of the writes that it vouches for. I3 an entry is applied whole or not at all.
 */
import type { Bytes } from "../base/bytes.ts";
import type { AlarmKind, Reply, Request } from "../contract/requests.ts";

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
  | { readonly kind: "alarmed"; readonly alarm: AlarmKind; readonly on: boolean };

/** One transaction's effects, in order. */
export interface Effects {
  readonly revision: number;
  readonly changes: readonly Change[];
  readonly meta: readonly MetaChange[];
}

/** One log entry: many transactions, one flush. */
export interface Entry {
  readonly index: number;
  readonly term: number;
  /** Keyspace time at the end of the entry, ms since 1970. */
  readonly time: number;
  readonly transactions: readonly Effects[];
}
