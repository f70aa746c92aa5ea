/**
 * One run of a scenario: a world made from a plan, faults, calm, rest, a last look.
 *
 * Invariants: I1 the same plan and scenario give the same run, event by event. I2 a run ends: after the time of faults
 * everything must come to rest within `calmMs`, or that is the finding. I3 after that a new client must be served.
 */
import { fail } from "../base/errors.ts";
import type { Header } from "../verify/history/history.ts";
import type { KeptHistory } from "../verify/simulator/kept-history.ts";
import type { FaultKind, Plan } from "../verify/simulator/plan.ts";
import { agreed, recover } from "../verify/simulator/recovery.ts";
import type { Recorder } from "../verify/simulator/recorded.ts";
import type { Line } from "../verify/simulator/timeline.ts";
import type { Violation } from "../verify/simulator/violation.ts";
import { SimWorld } from "../verify/simulator/world.ts";
import { replaceGlobals } from "./globals.ts";
import { operationLines } from "./operation-lines.ts";
import { userStage } from "./stage.ts";
import { World } from "./world.ts";

/** What a simulation does in one world. */
export type Scenario = (world: World) => unknown;

export interface RunOptions {
  readonly scenario: Scenario;
  /** How long everything may take to come to rest after the faults, ms. */
  readonly calmMs: number;
  /** `lies`: the server's disk says that it has written what it has not. */
  readonly disk: "honest" | "lies";
  /** Keeps a history of the run. */
  readonly history?: (() => Recorder) | undefined;
  /** Has the checkers judge a history that is kept under this header. */
  readonly judged?: Header | undefined;
}

/** How a run went. */
export interface Outcome {
  readonly plan: Plan;
  readonly violation: Violation | undefined;
  readonly lines: readonly Line[];
  /** Fingerprint of all that happened. */
  readonly trace: string;
  readonly events: number;
  readonly operations: number;
  readonly faults: number;
  /** How many faults of each kind of the plan hit something. */
  readonly hits: ReadonlyMap<FaultKind, number>;
  /** Terms in which a server led, after the first. */
  readonly leaderChanges: number;
  readonly virtualMs: number;
  /** Whether the scenario asked how many clients it should make. */
  readonly asksClients: boolean;
  readonly history: KeptHistory | undefined;
}

/** How long a new client may take to be served in the end, ms. */
const PROBE_MS = 60_000;

/** `detailed`: with a line for each operation, which costs time and changes nothing. */
export async function runPlan(plan: Plan, options: RunOptions, detailed = false): Promise<Outcome> {
  const world = new SimWorld({
    plan,
    stage: userStage,
    honestDisk: options.disk === "honest",
    history: options.judged,
  });
  const histories: Recorder[] = options.history === undefined ? [] : [options.history()];
  if (world.history !== undefined) histories.push(world.history);
  if (detailed) histories.push(operationLines(world.timeline));
  const face = new World(world, histories);
  const putBack = replaceGlobals();
  try {
    await passThrough(world, face, options);
  } finally {
    putBack();
  }
  judge(world);
  return {
    plan,
    violation: world.violation,
    lines: world.timeline.lines,
    trace: world.trace.hash,
    events: world.trace.count,
    operations: world.operations,
    faults: world.faultCount,
    hits: world.hits,
    leaderChanges: world.reigns.changes,
    virtualMs: world.agenda.nowMs,
    asksClients: face.asksClients,
    history: world.history,
  };
}

/** What checkers find in the history of a run in which nothing else was found. */
function judge(world: SimWorld): void {
  const wrong = world.violation === undefined ? world.history?.judge() : undefined;
  if (wrong !== undefined) world.found(wrong.rule, `the history is not right: ${wrong.text}`);
}

async function passThrough(world: SimWorld, face: World, options: RunOptions): Promise<void> {
  const { scenario, calmMs } = options;
  const { faultsMs } = world.plan;
  const isOver = beginScenario(world, () => scenario(face));
  let isRecovered = false;
  world.whenCalm(() => {
    const recovering = (): Promise<void> => recover(world).then(() => void (isRecovered = true));
    world.fate.in(0, () => void recovering());
  });
  const isDone = (): boolean => isOver() && world.processes.every((each) => each.isDone);
  const isAtRest = (): boolean => isDone() && isRecovered;
  world.begin();
  await world.run(faultsMs, isDone);
  world.pacify();
  await world.run(Math.max(faultsMs, world.agenda.nowMs) + calmMs, isAtRest);
  if (world.violation !== undefined) return;
  if (!isAtRest()) return unrest(world, calmMs, isOver());
  await during(world, PROBE_MS, "liveness", "a new client was not served", () =>
    probe(world, face),
  );
  await during(world, PROBE_MS, "liveness", "the checks did not end", () => face.verify());
  await during(world, PROBE_MS, "liveness", "the servers did not agree", async () => {
    for (const { member, revision, compactRevision, sum } of await agreed(world)) {
      const hash = sum.toString(16);
      world.history?.tell({ type: "state", member, revision, compactRevision, hash });
    }
  });
}

/** Starts the scenario on the machine to which nothing happens. Returns whether it has ended. */
function beginScenario(world: SimWorld, scenario: () => unknown): () => boolean {
  let isOver = false;
  world.fate.in(0, () => {
    const run = async (): Promise<void> => void (await scenario());
    run().then(
      () => {
        isOver = true;
      },
      (error: unknown) =>
        world.found(
          "error",
          `the scenario failed: ${error instanceof Error ? error.message : String(error)}`,
          error,
        ),
    );
  });
  return () => isOver;
}

function unrest(world: SimWorld, calmMs: number, isOver: boolean): void {
  const waiting = world.processes.filter(({ isDone }) => !isDone).map(({ name }) => name);
  if (!isOver) waiting.push("the scenario");
  world.found(
    "liveness",
    `nothing has gone wrong for ${calmMs / 1_000} s, and still not done: ${waiting.join(", ")}`,
  );
}

/** Does `act` in the world; that it does not end in time, or fails, is a finding. */
async function during(
  world: SimWorld,
  withinMs: number,
  rule: string,
  text: string,
  act: () => Promise<void>,
): Promise<void> {
  let isOver = false;
  world.fate.in(0, () => {
    act().then(
      () => {
        isOver = true;
      },
      (error: unknown) =>
        world.found(rule, `${text}: ${error instanceof Error ? error.message : String(error)}`),
    );
  });
  await world.run(world.agenda.nowMs + withinMs, () => isOver);
  if (!isOver) world.found(rule, `${text} within ${withinMs / 1_000} s`);
}

/** All must be able to go on: somebody new takes a lock and lets go of it. */
async function probe(world: SimWorld, face: World): Promise<void> {
  const q = await face.connect(world.fate, 1, {});
  const held = await q.lock("a new client").acquire({ timeoutMs: PROBE_MS });
  if (held.signal.aborted)
    throw fail("LOST", { object: "lock", what: "was lost in a calm world", remedy: "" });
  await held.release();
  await q.close();
}
