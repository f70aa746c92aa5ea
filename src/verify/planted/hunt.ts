/** Looks for a planted mistake: seed after seed of its swarm, until one of them fails. */
import { AssertionFailure } from "../../base/assert.ts";
import { RULES } from "../../protocols/agreement/raft/rules.ts";
import { runCluster } from "../cluster/run.ts";
import { simulate } from "../raft/sim-cluster.ts";
import { Violation } from "../raft/safety.ts";
import type { Row } from "./table.ts";

/** What a search came to. */
export interface Hunted {
  /** How many seeds were needed, the one that found it included; undefined: it was not found. */
  readonly seeds: number | undefined;
  /** What was found. */
  readonly what: string;
}

/** Runs seeds from `from` on until one fails, at most `most`; `isOver` is asked between two. */
export async function hunt(
  row: Row,
  from: number,
  most: number,
  isOver: () => boolean = () => false,
): Promise<Hunted> {
  for (let seeds = 1; seeds <= most && !isOver(); seeds++) {
    const what = await failureOf(row, from + seeds - 1);
    if (what !== undefined) return { seeds, what };
  }
  return { seeds: undefined, what: "" };
}

/** What a seed finds; undefined: nothing. */
async function failureOf(row: Row, seed: number): Promise<string | undefined> {
  try {
    if (row.swarm === "raft") simulate({ seed, rules: { ...RULES, ...row.rules } });
    else await runCluster({ seed, plant: row.swarm === "clusters" ? row.plant : undefined });
    return undefined;
  } catch (error) {
    // Anything else is a mistake of the search itself.
    if (!(error instanceof AssertionFailure) && !(error instanceof Violation)) throw error;
    return error.message;
  }
}
