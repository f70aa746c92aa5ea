/**
 * What simulation costs a test: the start of a virtual Quorate, a virtual hour with a session and a lock held, and the
 * events of the simulated workload in a second. Processes of their own, so that none has been warmed up by another.
 */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { median, output } from "./drivers.ts";
import type { BenchOptions } from "./options.ts";
import type { Row } from "./rows.ts";
import { scratchDirectory } from "./servers.ts";
import { settingOf } from "./setting.ts";

const ENTRY: string = import.meta.resolve("quorate/testing");
const COMMAND = join(import.meta.dirname, "..", "src", "cli", "main.js");
const SEEDS = 60;

/**
 * Prints ms: the start of a first test, of the second, the hour by the wall clock and by its CPU time. The first test
 * ends before the second begins, as in a runner: what a world does once it has started is part of its own test.
 */
const PROGRAM = `import { virtual } from ${JSON.stringify(ENTRY)};
const took = async (act) => {
  const from = performance.now();
  await act();
  return performance.now() - from;
};
let world;
const start = () => took(async () => (world = await virtual()));
const first = await start();
await (await world.q.lock("a").acquire()).release();
await world.close();
const second = await start();
const { q, clock } = world;
await q.lock("a").acquire();
const before = process.cpuUsage();
const hour = await took(() => clock.advance(3_600_000));
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify([first, second, hour, (user + system) / 1_000]));
`;

export async function virtualBench(
  options: BenchOptions,
  report: (row: Row) => void,
): Promise<void> {
  const directory = scratchDirectory("virtual");
  const file = join(directory, "program.mjs");
  writeFileSync(file, PROGRAM);
  const runs: number[][] = [];
  const speeds: number[] = [];
  try {
    for (let round = 0; round < options.rounds; round++) {
      runs.push(JSON.parse(await output(process.execPath, [file])) as number[]);
      const told = await output(process.execPath, [
        ...[COMMAND, "sim", "--seeds", String(SEEDS), "--output", "json"],
      ]);
      speeds.push((JSON.parse(told) as { readonly eventsPerSecond: number }).eventsPerSecond);
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const setting = settingOf(options, { keys: 0, valueBytes: 0 });
  const row = (driver: string, unit: string, values: readonly number[], limit?: number): void =>
    report({
      ...{ bench: "virtual", inFlight: 1, driver, unit, ours: median([...values]), limit },
      ...{ peer: null, peerName: "", ratio: null, setting },
      note: `least ${Math.min(...values).toFixed(1)}, most ${Math.max(...values).toFixed(1)} of ${values.length}`,
    });
  const column = (at: number): number[] => runs.map((each) => each[at] ?? 0);
  row("the first test of a process starts", "ms", column(0));
  row("the next one starts", "ms", column(1), 5);
  row("a virtual hour", "ms", column(2), 1_000);
  row("a virtual hour, CPU", "ms", column(3));
  row(`events of the workload, ${SEEDS} seeds`, "1/s", speeds);
}
