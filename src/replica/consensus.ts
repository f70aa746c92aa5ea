/**
 * What a replica needs of consensus, without I/O: who leads, what is committed, whether leadership still holds.
 * `solo.ts` is the consensus of one voter; a Raft machine fills the same face.
 */

/** What consensus says back. */
export type ConsensusOutput =
  | { readonly kind: "elected"; readonly term: number }
  | { readonly kind: "deposed" }
  /** Every entry up to `index` survives. */
  | { readonly kind: "committed"; readonly index: number }
  /** Leadership held at some instant after `read(id)`; all lower ids are confirmed too. */
  | { readonly kind: "readConfirmed"; readonly id: number };

export interface Consensus {
  /** Begins with what the log holds. */
  start(lastIndex: number, lastTerm: number): readonly ConsensusOutput[];
  /** The leader has given this entry to its log. */
  appended(index: number): readonly ConsensusOutput[];
  /** The leader's own log has the entries up to `index` on stable storage. */
  flushed(index: number): readonly ConsensusOutput[];
  /** Asks whether this replica still leads (ReadIndex, Ongaro's dissertation §6.4). Ids ascend. */
  read(id: number): readonly ConsensusOutput[];
}
