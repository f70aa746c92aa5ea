/** What a server of a cluster tells its clients of the others: where they are, and who leads. */
import type { Failure } from "../../base/errors.ts";

export interface ClusterView {
  /** Where clients reach the members. */
  urls(): readonly string[];
  /** Where they reach the one that leads; empty if none is known. */
  leaderUrls(): readonly string[];
  /** Calls `changed` when either may have changed; returns how to stop. */
  observe(changed: () => void): () => void;
}

/** A refusal of a server that does not lead, with where the one is that does. */
export function directed(refusal: Failure, view: ClusterView | undefined): Failure {
  if (refusal.code !== "NOT_LEADER" && refusal.code !== "LEADER_CHANGED") return refusal;
  const leaderUrls = view?.leaderUrls() ?? [];
  if (leaderUrls.length === 0) return refusal;
  return { ...refusal, details: { ...refusal.details, leaderUrls: leaderUrls.join(",") } };
}
