/**
 * Makes a failing plan small: fewer faults, servers and clients, less time, as long as it still fails in the same way.
 *
 * Source: Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (IEEE TSE 2002), ddmin over the
 * faults. It deviates in being bounded by a number of runs: what it ends with then is small, not always smallest.
 */
import type { Fault, Plan } from "./plan.ts";
import { keeping } from "./plan.ts";

export interface MinimiseOptions {
  /** Runs that may be spent on it. */
  readonly runsMax: number;
  /** Whether the number of clients means anything. */
  readonly fewerClients: boolean;
  /** How many servers there may be. */
  readonly servers: readonly number[];
  /** Whether a plan still fails in the same way, and when it did, ms of virtual time. */
  readonly fails: (plan: Plan) => Promise<{ readonly atMs: number } | undefined>;
}

export async function minimise(failing: Plan, options: MinimiseOptions): Promise<Plan> {
  let left = options.runsMax;
  const tries = async (plan: Plan): Promise<boolean> => {
    if (left <= 0) return false;
    left--;
    return (await options.fails(plan)) !== undefined;
  };
  let plan = failing;
  for (const servers of options.servers.toSorted((a, b) => a - b)) {
    if (servers >= failing.servers) break;
    const fewer = { ...plan, servers };
    if (!(await tries(fewer))) continue;
    plan = fewer;
    break;
  }
  // Most often none of what comes after the failure matters, and often none of the clients but two.
  for (let clients = 1; options.fewerClients && clients < plan.clients; clients++) {
    const fewer = { ...plan, clients };
    if (!(await tries(fewer))) continue;
    plan = fewer;
    break;
  }
  plan = keeping(plan, await fewest(plan.faults, (faults) => tries(keeping(plan, faults))));
  const last = plan.faults.reduce((end, { atMs, forMs }) => Math.max(end, atMs + forMs), 0);
  for (const faultsMs of [last + 1, last + 5_000, last + 20_000]) {
    const shorter = { ...plan, faultsMs };
    if (faultsMs >= plan.faultsMs) break;
    if (!(await tries(shorter))) continue;
    plan = shorter;
    break;
  }
  return plan;
}

/** The least of `faults` that still fails, by taking out ever smaller parts. */
async function fewest(
  faults: readonly Fault[],
  fails: (faults: readonly Fault[]) => Promise<boolean>,
): Promise<readonly Fault[]> {
  if (faults.length === 0 || (await fails([]))) return [];
  let kept = faults;
  for (let parts = 2; kept.length >= 2;) {
    const size = Math.ceil(kept.length / parts);
    let smaller: readonly Fault[] | undefined;
    for (let at = 0; at < kept.length && smaller === undefined; at += size) {
      const rest = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await fails(rest)) smaller = rest;
    }
    if (smaller !== undefined) {
      kept = smaller;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(kept.length, parts * 2);
  }
  return kept;
}
