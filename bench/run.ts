/**
 * `npm run bench`: runs the benchmarks that are named, prints each row as it comes, writes all to `--json FILE`.
 * Needs a machine that does nothing else.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { keysBench } from "./keys.ts";
import { loadBench } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { parseOptions, USAGE } from "./options.ts";
import type { Row } from "./rows.ts";
import { printRow } from "./rows.ts";
import { BENCH_DIRECTORY } from "./servers.ts";
import { startupBench } from "./startup.ts";
import { syscallsBench } from "./syscalls.ts";

type Bench = (options: BenchOptions, report: (row: Row) => void) => Promise<void>;

const BENCHES: Readonly<Record<string, Bench>> = {
  put: (options, report) => loadBench("put", options, report),
  get: (options, report) => loadBench("get", options, report),
  lock: (options, report) => loadBench("lock", options, report),
  startup: startupBench,
  keys: keysBench,
  syscalls: syscallsBench,
};

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) return console.log(USAGE);
  const unknown = options.names.filter((name) => BENCHES[name] === undefined);
  if (unknown.length > 0)
    throw new Error(`no benchmark is called ${unknown.join(", ")}\n\n${USAGE}`);
  mkdirSync(BENCH_DIRECTORY, { recursive: true });
  const rows: Row[] = [];
  for (const name of options.names) {
    await BENCHES[name]?.(options, (row) => {
      rows.push(row);
      printRow(row);
      // After each row: what was measured survives an interruption.
      if (options.json !== undefined)
        writeFileSync(options.json, `${JSON.stringify({ rows }, undefined, 2)}\n`);
    });
  }
}

await main();
