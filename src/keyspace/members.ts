/**
 * The members of the cluster as replicated state: who decides, where each is found, who was removed, who is to vote.
 *
 * Invariants: I1 the configuration is the one of the newest applied entry that brought one. I2 only whom it names has a
 * record: a new configuration removes the others'. I3 the identity of a member's directory, once known, never changes.
 * I4 who was removed is never named again, and is remembered for as long as it matters: of the newest `REMOVED_MAX`. I5
 * only learners are to vote. I6 the format never goes back; what it does not have is not in the state.
 * Leaves out: when a configuration is in force (the Raft machine, from the log on).
 */
import type { Codec } from "../base/codec.ts";
import { listOf, struct, textCodec, uintCodec } from "../base/codec.ts";
import { REMEMBERS_MEMBERS } from "../contract/formats.ts";

/** Who decides: as the Raft machine has it. While `outgoing` is not empty, a majority of each of the two is needed. */
export interface Membership {
  readonly voters: readonly number[];
  readonly outgoing: readonly number[];
  readonly learners: readonly number[];
}

/** Where a member is found, and which directory is its. */
export interface MemberRecord {
  readonly id: number;
  readonly name: string;
  readonly peerUrls: readonly string[];
  readonly clientUrls: readonly string[];
  /** Of its directory, decimal; empty while it is not known. */
  readonly identity: string;
}

/** Of a member that has not been told who decides. */
export const NO_MEMBERS: Membership = { voters: [], outgoing: [], learners: [] };

/** Ids that were removed earlier are forgotten: who comes under one is a stranger then, and still no member. */
const REMOVED_MAX = 1_024;

/** What is said of members beside where they are. */
export interface MembersKept {
  /** Of what is written. */
  readonly format: number;
  /** Oldest first. */
  readonly removed: readonly number[];
  /** Learners that vote as soon as they have caught up, in order of their ids. */
  readonly toVote: readonly number[];
}

export const memberCodec: Codec<MemberRecord> = struct<MemberRecord>({
  id: uintCodec,
  name: textCodec,
  peerUrls: listOf(textCodec),
  clientUrls: listOf(textCodec),
  identity: textCodec,
});

export function namedBy({ voters, outgoing, learners }: Membership, id: number): boolean {
  return voters.includes(id) || outgoing.includes(id) || learners.includes(id);
}

export class Members {
  #membership: Membership = NO_MEMBERS;
  readonly #records = new Map<number, MemberRecord>();
  #format = 0;
  #removed: number[] = [];
  readonly #toVote = new Set<number>();
  /** Grows with each change. */
  version = 0;

  get membership(): Membership {
    return this.#membership;
  }
  record(id: number): MemberRecord | undefined {
    return this.#records.get(id);
  }
  /** In order of their ids. */
  records(): readonly MemberRecord[] {
    return [...this.#records.values()].sort((a, b) => a.id - b.id);
  }

  get format(): number {
    return this.#format;
  }
  get kept(): MembersKept {
    const toVote = [...this.#toVote].sort((a, b) => a - b);
    return { format: this.#format, removed: this.#removed, toVote };
  }
  wasRemoved(id: number): boolean {
    return this.#removed.includes(id);
  }

  /** From here on, what is written is of `format`. */
  raise(format: number): void {
    this.version++;
    this.#format = Math.max(this.#format, format);
  }

  configure(membership: Membership): void {
    this.version++;
    const { voters, outgoing, learners } = this.#membership;
    this.#membership = membership;
    for (const id of this.#records.keys()) if (!namedBy(membership, id)) this.#records.delete(id);
    for (const id of this.#toVote) if (!membership.learners.includes(id)) this.#toVote.delete(id);
    if (this.#format < REMEMBERS_MEMBERS) return;
    const before = [...new Set([...voters, ...outgoing, ...learners])].sort((a, b) => a - b);
    const gone = before.filter((id) => !namedBy(membership, id));
    if (gone.length > 0) this.#removed = [...this.#removed, ...gone].slice(-REMOVED_MAX);
  }

  /** `id` is to vote once it has caught up, if it learns. */
  promise(id: number): void {
    if (!this.#membership.learners.includes(id)) return;
    this.version++;
    this.#toVote.add(id);
  }

  /** Takes what a snapshot says. */
  load({ format, removed, toVote }: MembersKept): void {
    this.version++;
    this.#format = format;
    this.#removed = [...removed];
    for (const id of toVote) this.promise(id);
  }

  /** The store goes on as another cluster: whoever was removed from the one before is nobody here. */
  forgetRemoved(): void {
    this.#removed = [];
  }

  /** What is said of somebody who is no member is not kept. */
  set({ id, name, peerUrls, clientUrls, identity: said }: MemberRecord): void {
    if (!namedBy(this.#membership, id)) return;
    const known = this.#records.get(id)?.identity ?? "";
    const identity = known === "" ? said : known;
    this.version++;
    // In one order of fields, so that a snapshot of it is the same everywhere.
    this.#records.set(id, { id, name, peerUrls, clientUrls, identity });
  }
}
