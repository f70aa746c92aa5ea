/** What a failed simulation says: what is wrong, how to see it again, and the story that led to it. */
import { relative } from "node:path";
import type { Plan, PlanSpace } from "../verify/simulator/plan.ts";
import { planText } from "../verify/simulator/plan.ts";
import { seconds, timelineText } from "../verify/simulator/timeline.ts";
import type { Outcome } from "./run.ts";

/** Lines of the story that are printed; the last ones. */
const LINES_MAX = 200;

/** A simulation that found something. */
export class SimulationError extends Error {
  override readonly name = "SimulationError";
  /** What `seed` takes to see it again: the seed and what was left out of its plan. */
  readonly seed: string;
  /** What was broken, as a short name. */
  readonly rule: string;
  /** The story that led to it. */
  readonly timeline: string;

  constructor(message: string, seed: string, rule: string, timeline: string, cause: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.seed = seed;
    this.rule = rule;
    this.timeline = timeline;
  }
}

/** `whole`: the plan before it was made smaller. */
export function failed(
  outcome: Outcome,
  whole: Plan,
  space: PlanSpace,
  replay: string | undefined,
): SimulationError {
  const { violation, plan, lines } = outcome;
  const seed = planText(plan, space);
  const shown = lines.slice(-LINES_MAX);
  const timeline = timelineText(shown);
  const left = lines.length - shown.length;
  const message = [
    `seed ${seed}: ${violation?.rule ?? "?"} at ${seconds(violation?.atMs ?? 0)}: ${violation?.text ?? ""}`,
    `  again: ${replay?.replaceAll("SEED", seed) ?? replayCommand(seed)}`,
    `  ${smaller(outcome, whole)}`,
    ...(left > 0 ? [`  ${left} earlier lines are left out`] : []),
    timeline,
  ].join("\n");
  return new SimulationError(message, seed, violation?.rule ?? "?", timeline, violation?.cause);
}

function smaller({ plan, asksClients }: Outcome, whole: Plan): string {
  const [before, after] = [whole, plan].map(({ servers, faults, clients, faultsMs }) =>
    [
      `${servers} servers`,
      `${faults.length} faults`,
      ...(asksClients ? [`${clients} clients`] : []),
      `${faultsMs / 1_000} s`,
    ].join(", "),
  );
  return before === after ? `${before}` : `made smaller: ${before}; now ${after}`;
}

/** The line that runs this program again with `seed` alone. */
function replayCommand(seed: string): string {
  const { argv, env } = process;
  const script = relative(process.cwd(), argv[1] ?? "");
  if (env["VITEST"] !== undefined) return `QUORATE_SEED=${seed} npx vitest run`;
  if (env["JEST_WORKER_ID"] !== undefined) return `QUORATE_SEED=${seed} npx jest`;
  return `QUORATE_SEED=${seed} node ${script}`;
}
