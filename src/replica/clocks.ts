/**
 * The wall clocks of the members, as they tell them with votes and answers to heartbeats: what keyspace time leans on.
 *
 * Invariants: I1 one clock that is wrong moves nothing while a majority of the voters agree. I2 what was told is worth less
 * the older it is: it is forgotten. What a message took on its way makes a clock seem late by as much.
 */
import type { Membership } from "../keyspace/members.ts";
import type { MemberId } from "../protocols/agreement/raft/messages.ts";
import type { Now } from "./inputs.ts";

/** Clocks that are no further apart agree. */
const AGREE_MS = 2_000;
const FORGOTTEN_MS = 10_000;

interface Told {
  /** Of that wall clock over this member's monotonic one. */
  readonly aheadMs: number;
  readonly atMs: number;
}

export class Clocks {
  readonly #told = new Map<MemberId, Told>();

  note(member: MemberId, wallMs: number, { monotonicMs }: Now): void {
    this.#told.set(member, { aheadMs: wallMs - monotonicMs, atMs: monotonicMs });
  }

  /** The time that a majority of the voters has, the earliest of theirs; undefined: none has one. */
  agreed({ voters }: Membership, self: MemberId, now: Now): number | undefined {
    const walls = this.#walls(voters, self, now);
    const needed = Math.floor(voters.length / 2) + 1;
    return walls.find((wall, at) => (walls[at + needed - 1] ?? Infinity) - wall <= AGREE_MS);
  }

  /** Whether each voter has told its clock. */
  areTold({ voters }: Membership, self: MemberId, now: Now): boolean {
    return this.#walls(voters, self, now).length === voters.length;
  }

  /** How far the median of the voters' clocks is ahead of this member's; of two the earlier. */
  aheadMs({ voters }: Membership, self: MemberId, now: Now): number {
    const walls = this.#walls(voters, self, now);
    return (walls[(walls.length - 1) >> 1] ?? now.wallMs) - now.wallMs;
  }

  /** Ascending. */
  #walls(voters: readonly MemberId[], self: MemberId, now: Now): readonly number[] {
    const walls = voters.flatMap((id) => {
      if (id === self) return [now.wallMs];
      const told = this.#told.get(id);
      const isFresh = told !== undefined && now.monotonicMs - told.atMs < FORGOTTEN_MS;
      return isFresh ? [now.monotonicMs + told.aheadMs] : [];
    });
    return walls.sort((a, b) => a - b);
  }
}
