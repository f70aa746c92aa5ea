/**
 * Changes of the members of a cluster, as orders: what they ask of the Raft machine and of the keyspace.
 *
 * Invariants: I1 who is taken in comes with where it is found, in one entry. I2 of what members say of themselves the
 * leader records what is news; the identity of a directory once and for all. I3 the format is raised when everybody whom
 * the configuration names has shown that it reads the next one.
 */
import type { Base } from "../keyspace/base.ts";
import type { MetaChange } from "../keyspace/effects.ts";
import type { MemberRecord } from "../keyspace/members.ts";
import { namedBy } from "../keyspace/members.ts";
import type { Change } from "../protocols/agreement/raft/configuration.ts";
import type { MemberId } from "../protocols/agreement/raft/messages.ts";

/** What can be asked of the cluster about its members. */
export type MemberOrder =
  /** Takes a member in, which gets the log and does not vote; `toVote`: until it has caught up. */
  | { readonly kind: "add"; readonly member: MemberRecord; readonly toVote?: boolean | undefined }
  /** A member that has caught up votes from now on. */
  | { readonly kind: "promote"; readonly id: MemberId }
  | { readonly kind: "remove"; readonly id: MemberId }
  /** A member is found elsewhere. */
  | { readonly kind: "update"; readonly id: MemberId; readonly peerUrls: readonly string[] }
  /** Another voter is to lead. */
  | { readonly kind: "transfer"; readonly to: MemberId };

/** What a member says of itself when it connects. */
export interface Shown {
  readonly identity: string;
  readonly name: string;
  readonly clientUrls: readonly string[];
  /** Said by a member that nobody took in: who made the cluster by itself. */
  readonly peerUrls?: readonly string[] | undefined;
  /** The newest format that it reads. */
  readonly newest: number;
}

/** What an order changes of who decides. */
export function changeOf(
  order: Extract<MemberOrder, { readonly kind: "add" | "promote" | "remove" }>,
): Change {
  switch (order.kind) {
    case "add":
      return { kind: "addLearner", member: order.member.id };
    case "promote":
      return { kind: "promote", member: order.id };
    case "remove":
      return { kind: "remove", member: order.id };
  }
}

/** The format that all members read, as far as they have shown; `own`: of the member that asks. */
export function commonFormat(
  { members }: Base,
  own: number,
  self: MemberId,
  shown: ReadonlyMap<MemberId, Shown>,
): number {
  const { voters, outgoing, learners } = members.membership;
  const others = [...voters, ...outgoing, ...learners].filter((id) => id !== self);
  return Math.min(own, ...others.map((id) => shown.get(id)?.newest ?? 0));
}

/** What members have shown and is not on record. */
export function unrecorded(base: Base, shown: ReadonlyMap<MemberId, Shown>): readonly MetaChange[] {
  const found: MetaChange[] = [];
  for (const [id, { identity, name, clientUrls, peerUrls }] of shown) {
    if (!namedBy(base.members.membership, id)) continue;
    const record = base.members.record(id);
    const isOther = record !== undefined && record.identity !== "" && record.identity !== identity;
    if (isOther) continue;
    const isSame =
      record !== undefined &&
      record.identity === identity &&
      record.name === name &&
      record.clientUrls.join() === clientUrls.join();
    if (isSame) continue;
    const known = record ?? { id, peerUrls: peerUrls ?? [] };
    found.push({ kind: "memberSet", member: { ...known, identity, name, clientUrls } });
  }
  return found;
}
