/**
 * Formats of what members write for each other and for later: entries, snapshots, data directories, messages.
 *
 * Invariants: I1 a program reads the format before its newest as well, so that members of adjacent versions run together.
 * I2 what is written follows the format of the cluster, which is replicated state: it grows when every member can read the
 * next one, and never goes back. So no member is ever given what it cannot read.
 *
 * 1: before there were clusters; not read any more. 2: terms, votes, members. 3: the format of the cluster itself, the ids
 * of removed members, the promise of a vote, the members' wall clocks,
 * the tokens that they gave.
 */

/** What a program reads and can write, both ends included. */
export interface Formats {
  readonly oldest: number;
  readonly newest: number;
}

export const FORMATS: Formats = { oldest: 2, newest: 3 };

/** From which format on members tell their wall clocks to each other. */
export const TELLS_CLOCKS = 3;
/** From which format on members tell the tokens that they gave. */
export const TELLS_TOKENS = 3;
/** From which format on the state says which it is, who was removed, and who is to vote. */
export const REMEMBERS_MEMBERS = 3;
