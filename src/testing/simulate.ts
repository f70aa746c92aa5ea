/**
 * `simulate()`: a scenario in many simulated worlds, in each of which other things go wrong. A failure is made small,
 * told as a story, and comes back with its seed.
 */
import { fail } from "../base/errors.ts";
import { minimise } from "../verify/simulator/minimise.ts";
import type { FaultKind, Plan, PlanSpace } from "../verify/simulator/plan.ts";
import { FAULT_KINDS, parsePlan, SERVERS_MAX } from "../verify/simulator/plan.ts";
import type { Recorder } from "../verify/simulator/recorded.ts";
import type { Violation } from "../verify/simulator/violation.ts";
import { Trace } from "../verify/simulator/trace.ts";
import type { SimulationError } from "./report.ts";
import { failed } from "./report.ts";
import type { Outcome, RunOptions, Scenario } from "./run.ts";
import { runPlan } from "./run.ts";
import { outside } from "./stage.ts";

/** How scenarios are run. */
export interface SimulateOptions {
  /**
   * The first seed, or what a report printed, which is one run. Default 1. The environment's QUORATE_SEED goes before it
   * and makes it one run.
   */
  readonly seed?: number | string | undefined;
  /** How many seeds, one after the other; default 1. More finds more. */
  readonly runs?: number | undefined;
  /** What stands behind the clients; today only `server`: Quorate servers, each with its disk, over the native protocol. */
  readonly engine?: "server" | undefined;
  /** How many servers: 1 to 7. Default: each seed draws 1, 3 (most often) or 5. */
  readonly servers?: number | undefined;
  /** What may go wrong; default everything, of which each seed leaves out a part. Empty: only what the scenario does. */
  readonly faults?: readonly FaultKind[] | undefined;
  /** How long things go wrong, ms; default 60,000. Then everything heals and must come to rest. */
  readonly faultsMs?: number | undefined;
  /** How long it may take to come to rest, ms; default 120,000. */
  readonly calmMs?: number | undefined;
  /** Most of what `world.clients` says; each seed draws from 1 on. Default 4. */
  readonly clients?: number | undefined;
  /** `lies`: the servers' disks say that they have written what they have not; to see a check find it. Default `honest`. */
  readonly disk?: "honest" | "lies" | undefined;
  /** Makes whoever keeps a history of a run. */
  readonly history?: (() => Recorder) | undefined;
  /** Runs that may be spent on making a failure small; default 60. */
  readonly smallerRuns?: number | undefined;
  /** The command that repeats a failure, with SEED where the seed goes; default a guess. */
  readonly replay?: string | undefined;
}

/** Of how many servers seeds draw. */
const SERVERS: readonly number[] = [1, 3, 3, 3, 5];

/** How a simulation went that found nothing. */
export interface Simulated {
  readonly runs: number;
  /** Calls of clients to the engine. */
  readonly operations: number;
  /** Faults that hit something. */
  readonly faults: number;
  /** Terms in which a server led, after the first of each run. */
  readonly leaderChanges: number;
  readonly events: number;
  readonly virtualMs: number;
  /** Fingerprint of all runs: equal for equal seeds, on every machine. */
  readonly trace: string;
}

/**
 * Runs `scenario` in `runs` simulated worlds: clients, server, network and disk in this process, under virtual time. Code
 * of the scenario gets virtual time and randomness from the usual globals. What it cannot do: a pause in the middle of
 * synchronous code. Real I/O in it (files, sockets, `import()`) takes real time, which no seed repeats.
 *
 * Throws `SimulationError` with the report of the first seed that fails, made small; INVALID for options.
 */
export async function simulate(options: SimulateOptions, scenario: Scenario): Promise<Simulated> {
  const space = spaceOf(options);
  const run = runOptions(options, scenario);
  const trace = new Trace();
  const sum = { runs: 0, operations: 0, faults: 0, leaderChanges: 0, events: 0, virtualMs: 0 };
  for (const plan of plansOf(options, space)) {
    const outcome = await outside(() => runPlan(plan, run));
    if (outcome.violation !== undefined) {
      throw (await explained(outcome, space, run, options)).error;
    }
    trace.text(outcome.trace);
    sum.runs++;
    sum.operations += outcome.operations;
    sum.faults += outcome.faults;
    sum.leaderChanges += outcome.leaderChanges;
    sum.events += outcome.events;
    sum.virtualMs += outcome.virtualMs;
  }
  return { ...sum, trace: trace.hash };
}

/** What plans are drawn from, of these options. */
export function spaceOf(options: SimulateOptions): PlanSpace {
  const { engine = "server", faults = FAULT_KINDS, faultsMs = 60_000, clients = 4 } = options;
  const { servers } = options;
  if ((engine as string) !== "server") {
    throw fail("CONFIG", {
      object: `engine ${String(engine)}`,
      what: "is not simulated",
      remedy: "Leave it out: the simulated engine is a Quorate server.",
    });
  }
  const unknown = faults.find((kind) => !FAULT_KINDS.includes(kind));
  if (unknown !== undefined) throw invalid(`fault ${unknown}`, FAULT_KINDS.join(", "));
  if (!(faultsMs > 0)) throw invalid(`faultsMs ${faultsMs}`, "milliseconds above 0");
  if (!(clients >= 1)) throw invalid(`clients ${clients}`, "a number from 1 on");
  if (
    servers !== undefined &&
    !(Number.isInteger(servers) && servers >= 1 && servers <= SERVERS_MAX)
  )
    throw invalid(`servers ${servers}`, `a number from 1 to ${SERVERS_MAX}`);
  return {
    servers: servers === undefined ? SERVERS : [servers],
    kinds: FAULT_KINDS.filter((kind) => faults.includes(kind)),
    clientsMax: clients,
    faultsMs,
  };
}

/** How a run of these options goes. */
export function runOptions(options: SimulateOptions, scenario: Scenario): RunOptions {
  const { calmMs = 120_000, disk = "honest", history } = options;
  return { scenario, calmMs, disk, history };
}

function plansOf(options: SimulateOptions, space: PlanSpace): readonly Plan[] {
  const given = process.env["QUORATE_SEED"] ?? options.seed ?? 1;
  if (typeof given === "string") return [parsePlan(given, space)];
  const { runs = 1 } = options;
  if (!(runs >= 1)) throw invalid(`runs ${runs}`, "a number from 1 on");
  return Array.from({ length: runs }, (_, at) => parsePlan(String(given + at), space));
}

/** The failure of `outcome`, made small and told. */
export async function explained(
  outcome: Outcome,
  space: PlanSpace,
  run: RunOptions,
  options: Pick<SimulateOptions, "smallerRuns" | "replay">,
): Promise<{ readonly error: SimulationError; readonly told: Outcome }> {
  const mistake = mistakeOf(outcome.violation);
  const again = (plan: Plan): Promise<Outcome> => outside(() => runPlan(plan, run));
  const plan = await minimise(outcome.plan, {
    runsMax: options.smallerRuns ?? 60,
    fewerClients: outcome.asksClients,
    servers: space.servers,
    fails: async (smaller) => {
      const { violation } = await again(smaller);
      return mistakeOf(violation) === mistake ? violation : undefined;
    },
  });
  const told = await outside(() => runPlan(plan, run, true));
  if (mistakeOf(told.violation) === mistake)
    return { error: failed(told, outcome.plan, space, options.replay), told };
  // It does not repeat: something in the scenario goes by the host's time or chance. Still worth telling.
  const error = failed(outcome, outcome.plan, space, options.replay);
  error.message = `not repeatable: the scenario depends on more than its seed\n${error.message}`;
  return { error, told: outcome };
}

/** What is taken for the same mistake: the rule; of errors and expectations, of which any may break, their text as well. */
function mistakeOf(violation: Violation | undefined): string | undefined {
  if (violation === undefined) return undefined;
  const { rule, text } = violation;
  return /^(error|expectation)$/.test(rule) ? `${rule} ${text.replaceAll(/\d+/g, "")}` : rule;
}

function invalid(object: string, wanted: string): Error {
  return fail("INVALID", { object, what: "cannot be simulated", remedy: `Give ${wanted}.` });
}
