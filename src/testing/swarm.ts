/**
 * The workload that comes with the simulator over many seeds, and its figures.
 *
 * Rule: SIM-SWARM-1 each seed of a swarm does enough, and enough goes wrong in it, to mean anything: 500 operations, ten
 * faults that hit, and one change of leader where there are several servers. One that does not counts as a violation.
 */
import type { FaultKind, Plan, PlanSpace } from "../verify/simulator/plan.ts";
import { parsePlan } from "../verify/simulator/plan.ts";
import { timelineText } from "../verify/simulator/timeline.ts";
import { Trace } from "../verify/simulator/trace.ts";
import { writeHistory } from "./history-files.ts";
import type { Outcome, RunOptions } from "./run.ts";
import { runPlan } from "./run.ts";
import { explained, runOptions, spaceOf } from "./simulate.ts";
import { JUDGED, OPERATIONS_MIN, workload } from "./workload.ts";

const OPTIONS = { clients: 6, faultsMs: 40_000, replay: "quorate sim --seed SEED" } as const;
/** Of how many servers each seed draws: a lone one changes no leader. */
const SERVERS: readonly number[] = [3, 3, 3, 5];
const FAULTS_MIN = 10;
/** Drawn, of which some find nothing to hit. */
const FAULTS_DRAWN_MIN = 20;

/** What a swarm is made of. */
export interface SwarmOptions {
  /** The first seed. */
  readonly first: number;
  readonly seeds: number;
  /** How many servers; absent: each seed draws 3 (most often) or 5. */
  readonly servers?: number | undefined;
  /** Where the history of each seed that fails is written. */
  readonly history?: string | undefined;
}

/** What one seed came to. */
export interface SeedResult {
  readonly seed: number;
  readonly operations: number;
  readonly faults: number;
  readonly leaderChanges: number;
  readonly events: number;
  readonly virtualMs: number;
  /** What its run took in this process, ms. */
  readonly realMs: number;
  readonly trace: string;
  readonly hits: Readonly<Partial<Record<FaultKind, number>>>;
  /** What was violated, told. */
  readonly violation: string | undefined;
}

/** What a swarm has done. */
export interface SwarmFigures {
  readonly seeds: number;
  /** Calls of clients to the engine. */
  readonly operations: number;
  /** Faults that hit something. */
  readonly faults: number;
  /** Terms in which a server led, after the first of each seed. */
  readonly leaderChanges: number;
  /** Virtual time of all worlds, hours. */
  readonly clusterHours: number;
  /** Of one core. */
  readonly eventsPerSecond: number;
  /** Virtual time over real time, of one core. */
  readonly timesRealTime: number;
  readonly violations: number;
  /** Faults of the plans that hit something, by kind. */
  readonly hits: Readonly<Partial<Record<FaultKind, number>>>;
  /** Fingerprint of all seeds: equal for equal seeds, on every machine and in however many jobs. */
  readonly trace: string;
}

function spaceFor(servers: number | undefined): PlanSpace {
  const own = { clientsMin: 4, faultsMin: FAULTS_DRAWN_MIN };
  return { ...spaceOf(OPTIONS), servers: servers === undefined ? SERVERS : [servers], ...own };
}
function runsOf(): RunOptions {
  return { ...runOptions(OPTIONS, workload), judged: JUDGED };
}

/** The story of one seed of the workload, each operation in it, whether or not it ends well. */
export async function story(
  seed: string,
  { servers, history }: Pick<SwarmOptions, "servers" | "history">,
): Promise<{ readonly text: string; readonly outcome: Outcome }> {
  const outcome = await replayed(parsePlan(seed, spaceFor(servers)));
  if (history !== undefined) writeHistory(history, seed, outcome);
  return { text: timelineText(outcome.lines), outcome };
}

/** The run of a plan, whatever its seed would draw now. Plans of old have one server. */
export function replayed(plan: Omit<Plan, "servers"> & Partial<Plan>): Promise<Outcome> {
  return runPlan({ servers: 1, ...plan }, runsOf(), true);
}

/** Runs one seed; if it fails, makes it small and tells it. */
export async function runSeed(seed: number, options: SwarmOptions): Promise<SeedResult> {
  const space = spaceFor(options.servers);
  const from = performance.now();
  const outcome = await runPlan(parsePlan(String(seed), space), runsOf());
  const realMs = performance.now() - from;
  const { operations, faults, leaderChanges, events, virtualMs, trace, hits } = outcome;
  return {
    ...{ seed, operations, faults, leaderChanges, events, virtualMs, realMs, trace },
    hits: Object.fromEntries(hits),
    violation: await violationOf(outcome, space, options),
  };
}

async function violationOf(
  outcome: Outcome,
  space: PlanSpace,
  { history }: SwarmOptions,
): Promise<string | undefined> {
  if (outcome.violation === undefined) return tooLittle(outcome);
  const { error, told } = await explained(outcome, space, runsOf(), OPTIONS);
  if (history === undefined) return error.message;
  return `${error.message}\n  history: ${writeHistory(history, error.seed, told)}`;
}

/** SIM-SWARM-1. */
function tooLittle({ plan, operations, faults, leaderChanges }: Outcome): string | undefined {
  const changes = plan.servers > 1 ? 1 : 0;
  const isEnough = operations >= OPERATIONS_MIN && faults >= FAULTS_MIN && leaderChanges >= changes;
  if (isEnough) return undefined;
  return `seed ${plan.seed}: SIM-SWARM-1: ${operations} operations, ${faults} faults and ${leaderChanges} changes of leader are too few to mean anything`;
}

/** The figures of all seeds, in the order of these. */
export function figuresOf(results: readonly SeedResult[]): SwarmFigures {
  const sum = (of: (result: SeedResult) => number): number =>
    results.reduce((total, each) => total + of(each), 0);
  const trace = new Trace();
  const hits: Partial<Record<FaultKind, number>> = {};
  for (const each of results.toSorted((a, b) => a.seed - b.seed)) {
    trace.text(each.trace);
    for (const [kind, count] of Object.entries(each.hits) as [FaultKind, number][])
      hits[kind] = (hits[kind] ?? 0) + count;
  }
  const virtualMs = sum((each) => each.virtualMs);
  const realMs = sum((each) => each.realMs);
  return {
    seeds: results.length,
    operations: sum((each) => each.operations),
    faults: sum((each) => each.faults),
    leaderChanges: sum((each) => each.leaderChanges),
    clusterHours: Number((virtualMs / 3_600_000).toFixed(3)),
    eventsPerSecond: Math.round((sum((each) => each.events) / realMs) * 1_000),
    timesRealTime: Math.round(virtualMs / realMs),
    violations: results.filter(({ violation }) => violation !== undefined).length,
    hits,
    trace: trace.hash,
  };
}
