/**
 * Known mistakes, each one rule of Raft replaced: for showing that a check would find them. Only this floor names
 * them; servers and clients cannot reach it.
 */
import type { Rules } from "../../protocols/agreement/raft/rules.ts";
import { RULES } from "../../protocols/agreement/raft/rules.ts";

/** The mistakes by name; each says what a member does wrong. */
export type Mistake =
  | "commits entries of an earlier term by counting"
  | "answers before term and vote are stable"
  | "counts entries before they are stable"
  | "votes for a log that is behind"
  | "votes twice in a term"
  | "confirms reads without asking"
  | "confirms reads before it has committed in its term"
  | "changes members before it has committed in its term"
  | "changes members while a change is not committed"
  | "asks one majority of a joint configuration"
  | "cuts its log at the end of a late message"
  | "lets a late snapshot replace its log"
  | "commits further than a message has verified"
  | "leads on without a majority"
  | "grants votes while a leader is heard"
  | "stands without asking first"
  | "keeps its lease through a transfer";

const PLANTED: Readonly<Record<Mistake, Partial<Rules>>> = {
  "commits entries of an earlier term by counting": { countsTowardsCommit: () => true },
  "answers before term and vote are stable": { termAndVoteFirst: false },
  "counts entries before they are stable": {
    ownEntriesFirst: false,
    entriesFirst: false,
  },
  "votes for a log that is behind": { upToDate: () => true },
  "votes twice in a term": { freeToVote: () => true },
  "confirms reads without asking": { readNeedsQuorum: false },
  "confirms reads before it has committed in its term": { readNeedsOwnTerm: false },
  "changes members before it has committed in its term": { changeNeedsOwnTerm: false },
  "changes members while a change is not committed": { oneChangeAtATime: false },
  "asks one majority of a joint configuration": {
    deciding: ({ config }) => ({ ...config, outgoing: [] }),
  },
  "cuts its log at the end of a late message": { cutsAtConflictOnly: false },
  "lets a late snapshot replace its log": { keepsLogThatHoldsSnapshot: false },
  "commits further than a message has verified": {
    followerCommit: (commit, _verified, last) => Math.min(commit, last),
  },
  "leads on without a majority": { checksQuorum: false },
  "grants votes while a leader is heard": { staysWithLeader: false },
  "stands without asking first": { asksFirst: false },
  "keeps its lease through a transfer": { transferEndsLease: false },
};

export function planted(mistake: Mistake): Rules {
  return { ...RULES, ...PLANTED[mistake] };
}
