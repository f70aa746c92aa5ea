/** What a replica that cannot serve a request says, and to whom it points. */
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import type { MemberRecord } from "../keyspace/members.ts";
import type { MemberId } from "../protocols/agreement/raft/messages.ts";
import { NOBODY } from "../protocols/agreement/raft/messages.ts";

/** Who leads, as far as it is known. */
export interface LeaderHint {
  readonly id: MemberId;
  readonly term: number;
  readonly record: MemberRecord | undefined;
}

function details({ id, term, record }: LeaderHint): Failure["details"] {
  const urls = record?.clientUrls.join(",") ?? "";
  return { leader: id, term, ...(urls === "" ? {} : { leaderUrls: urls }) };
}

/** Nothing has happened. */
export function notLeader(hint: LeaderHint): Failure {
  return failure("NOT_LEADER", {
    object: "replica",
    what:
      hint.id === NOBODY
        ? "does not lead, and knows no leader"
        : "does not lead, or has only begun to",
    remedy: "Ask again; the connection finds the leader.",
    details: details(hint),
  });
}

/** What was being committed may happen yet. */
export function leaderChanged(hint: LeaderHint): Failure {
  return failure("LEADER_CHANGED", {
    object: "replica",
    what: "lost leadership while the command was being committed, so it may or may not happen",
    remedy: "Repeat it through the same caller, which has it happen once, or read the state first.",
    details: details(hint),
  });
}
