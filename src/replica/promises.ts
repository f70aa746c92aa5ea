/**
 * Learners that were promised a vote: the leader asks for it on their behalf until they have caught up.
 *
 * Invariant: the promise is replicated, so that whoever leads keeps it. In a format that does not have it, it is kept by
 * the leader that gave it, for as long as it leads.
 */
import type { Members } from "../keyspace/members.ts";
import type { MemberId } from "../protocols/agreement/raft/messages.ts";
import type { Raft } from "../protocols/agreement/raft/raft.ts";

export class Promises {
  readonly #given = new Set<MemberId>();

  give(id: MemberId): void {
    this.#given.add(id);
  }
  /** This member does not lead any more. */
  clear(): void {
    this.#given.clear();
  }

  /** A learner that is to vote and can. */
  due(members: Members, raft: Raft): MemberId | undefined {
    const { learners } = members.membership;
    for (const id of this.#given)
      if (!learners.includes(id) && !raft.config.learners.includes(id)) this.#given.delete(id);
    const ids = [...members.kept.toVote, ...this.#given];
    return ids.find((member) => !("code" in raft.configAfter([{ kind: "promote", member }])));
  }
}
