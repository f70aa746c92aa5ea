/**
 * `quorate sim`: the simulator's own workload (locks, elections, keys, leases, watches) against simulated servers, with
 * what a seed says going wrong. One seed prints its story, many print figures. No connection.
 */
import { closeSync, openSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fail } from "../../base/errors.ts";
import type { SeedResult, SwarmOptions } from "../../testing/swarm.ts";
import { SERVERS_MAX } from "../../verify/simulator/plan.ts";
import type { Context } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";

/** Between two lines that tell how far it is, ms. */
const TOLD_EACH_MS = 5_000;

export async function run(
  context: Context,
  _operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const { isThread, workHere } = await import("../../testing/swarm-jobs.ts");
  if (isThread()) return await workHere();
  const seed = flags.text("seed") ?? "1";
  const seeds = flags.integer("seeds", 1);
  const servers = flags.integer("servers", 1);
  const common = { servers, history: flags.text("history") };
  if (servers !== undefined && servers > SERVERS_MAX)
    throw wrong(`--servers ${servers}`, `1 to ${SERVERS_MAX}`);
  const jobs = flags.integer("jobs", 1);
  const file = flags.text("json");
  if (seeds === undefined) {
    if (jobs !== undefined || file !== undefined)
      throw wrong(jobs === undefined ? "--json" : "--jobs", "--seeds with it: it is for many");
    return await one(context, seed, common);
  }
  if (!/^\d{1,9}$/.test(seed))
    throw wrong(
      `--seed ${seed}`,
      "a whole number with --seeds, or no --seeds to see this one again",
    );
  const shared = { seeds, jobs: jobs ?? availableParallelism(), ...common };
  return await many(context, { first: Number(seed), ...shared }, file);
}

async function one(
  { terminal }: Context,
  seed: string,
  options: { readonly servers: number | undefined; readonly history: string | undefined },
): Promise<ExitCode> {
  const { story } = await import("../../testing/swarm.ts");
  const { text, outcome } = await story(seed, options);
  const { violation, trace, virtualMs, operations, faults, leaderChanges, plan } = outcome;
  if (terminal.format === "json") {
    terminal.json({
      ...{ seed, servers: plan.servers, violation: violation?.text, rule: violation?.rule },
      ...{ operations, faults, leaderChanges, virtualMs, trace, lines: outcome.lines },
    });
  } else {
    terminal.line(text);
    const found =
      violation === undefined ? "nothing is wrong" : `${violation.rule}: ${violation.text}`;
    terminal.line(
      `seed ${seed}: ${found}; ${plan.servers} servers, ${operations} operations, ${faults} faults, ${leaderChanges} changes of leader, ${(virtualMs / 1_000).toFixed(1)} s, trace ${trace}`,
    );
  }
  return violation === undefined ? EXIT.ok : EXIT.no;
}

async function many(
  { terminal, interrupt }: Context,
  options: SwarmOptions & { readonly jobs: number },
  file: string | undefined,
): Promise<ExitCode> {
  const { runSeeds } = await import("../../testing/swarm-jobs.ts");
  const { figuresOf } = await import("../../testing/swarm.ts");
  let count = 0;
  let found = 0;
  let toldAt = performance.now();
  const done = ({ violation }: SeedResult): void => {
    count++;
    if (violation !== undefined) {
      found++;
      terminal.note(violation);
    }
    if (performance.now() - toldAt < TOLD_EACH_MS) return;
    toldAt = performance.now();
    terminal.note(`${count} of ${options.seeds} seeds, ${found} violations`);
  };
  if (file !== undefined) begin(file);
  const program = process.argv[1] ?? "";
  const figures = figuresOf(await runSeeds({ ...options, program, signal: interrupt, done }));
  if (terminal.format === "json") terminal.json(figures);
  else
    for (const [name, value] of Object.entries(figures))
      terminal.line(`${name} ${typeof value === "object" ? hitsText(value) : value}`);
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(figures)}\n`);
  if (interrupt.aborted) return EXIT.interrupted;
  return figures.violations === 0 ? EXIT.ok : EXIT.no;
}

/** Before hours of work: that `file` can be written. What it holds stays until then. */
function begin(file: string): void {
  try {
    closeSync(openSync(file, "a"));
  } catch (error) {
    const what = `cannot be written: ${error instanceof Error ? error.message : String(error)}`;
    const remedy = "Name a file that can be written.";
    throw fail("INVALID", { object: `--json ${file}`, what, remedy }, error);
  }
}

function hitsText(hits: Readonly<Record<string, number>>): string {
  return Object.entries(hits)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(", ");
}

function wrong(object: string, wanted: string): Error {
  return fail("INVALID", { object, what: "cannot be simulated", remedy: `Give ${wanted}.` });
}
