/** A Raft member by itself: a test plays the others. */
import type { Bytes } from "../../base/bytes.ts";
import { toArray } from "../../base/bytes.ts";
import type { Durable } from "../../protocols/agreement/raft/core.ts";
import type { Entry, Message, MessageBody } from "../../protocols/agreement/raft/messages.ts";
import { ManualCluster } from "./manual-cluster.ts";
import type { SimMember } from "./sim-member.ts";
import { blank } from "./sim-member.ts";

/** Entries from 1 on, of these terms. */
export function entriesOf(...terms: readonly number[]): readonly Entry[] {
  return terms.map((term, at) => ({
    index: at + 1,
    term,
    kind: "data",
    data: toArray(`${at + 1}.${term}` as Bytes),
  }));
}

/** Storage with a term, a vote and entries of these terms. */
export function diskOf(
  voters: readonly number[],
  term: number,
  vote: number,
  ...terms: readonly number[]
): Durable {
  return { ...blank(voters), hardState: { term, vote }, entries: entriesOf(...terms) };
}

/** Member 1. */
export function alone(disk: Durable): SimMember {
  return new ManualCluster([]).start(1, disk);
}

export function hears(member: SimMember, from: number, term: number, body: MessageBody): void {
  member.step({ kind: "message", message: { from, to: member.id, term, ...body } as Message });
}

/** What the member has said since it was last looked at, with its disk at rest. */
export function says(member: SimMember): readonly Message[] {
  member.flushAll();
  return member.out.splice(0);
}

export function termsOf(member: SimMember): readonly (number | undefined)[] {
  const { log } = member.raft;
  return Array.from({ length: log.last - log.first + 1 }, (_, at) => log.term(log.first + at));
}
