/**
 * Ways to spoil a right history, so that a checker can be asked whether it notices.
 *
 * Invariant: I1 each leaves a history that no correct system can give, whatever the rest of it is; where that cannot be
 * done it gives undefined.
 * Source: DeMillo, Lipton and Sayward, "Hints on Test Data Selection" (1978), for mutants; the breaches are those of
 * etcd's and Jepsen's reports.
 */
import type { Prng } from "../../base/prng.ts";
import type { CheckName } from "../checker/verdict.ts";
import type { HistoryEvent } from "../history/history.ts";
import { KEYSPACE_MUTATIONS } from "./keyspace-mutations.ts";
import { LEASE_MUTATIONS } from "./lease-mutations.ts";
import { OWNERSHIP_MUTATIONS } from "./ownership-mutations.ts";
import { WATCH_MUTATIONS } from "./watch-mutations.ts";

export interface Mutation {
  readonly name: string;
  /** The check that must notice. */
  readonly check: CheckName;
  apply(events: readonly HistoryEvent[], chance: Prng): readonly HistoryEvent[] | undefined;
}

export const MUTATIONS: readonly Mutation[] = [
  ...KEYSPACE_MUTATIONS,
  ...WATCH_MUTATIONS,
  ...LEASE_MUTATIONS,
  ...OWNERSHIP_MUTATIONS,
];
