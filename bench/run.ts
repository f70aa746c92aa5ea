/**
 * `npm run bench`: runs the benchmarks that are named, prints each row as it comes, writes all to `--json FILE`.
 * Needs a machine that does nothing else.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { checkBench } from "./check.ts";
import { floodsBench } from "./floods.ts";
import { keysBench } from "./keys.ts";
import { CLUSTER, faceBench, loadBench } from "./load.ts";
import type { BenchOptions } from "./options.ts";
import { refuse } from "../tools/script.ts";
import { readOptions } from "./options.ts";
import type { Row } from "./rows.ts";
import { printRow } from "./rows.ts";
import { BENCH_DIRECTORY } from "./servers.ts";
import { startupBench } from "./startup.ts";
import { syscallsBench } from "./syscalls.ts";
import { virtualBench } from "./virtual.ts";

type Bench = (options: BenchOptions, report: (row: Row) => void) => Promise<void>;

const BENCHES: Readonly<Record<string, Bench>> = {
  put: (options, report) => loadBench("put", options, report),
  get: (options, report) => loadBench("get", options, report),
  lock: (options, report) => loadBench("lock", options, report),
  "etcd-put": (options, report) => faceBench("put", options, report),
  "etcd-range": (options, report) => faceBench("get", options, report),
  "etcd-lock": (options, report) => faceBench("lock", options, report),
  "watch-fanout": async (options, report) => {
    const once = { ...options, inFlight: [1] };
    await loadBench("fanout", once, report);
    await faceBench("fanout", once, report);
  },
  "cluster-put": (options, report) =>
    loadBench("put", { ...options, driver: "h2load" }, report, CLUSTER),
  "cluster-etcd-put": (options, report) =>
    faceBench("put", { ...options, driver: "h2load" }, report, CLUSTER),
  startup: startupBench,
  keys: keysBench,
  floods: floodsBench,
  check: checkBench,
  syscalls: syscallsBench,
  virtual: virtualBench,
};

async function main(): Promise<void> {
  const options = readOptions();
  const unknown = options.names.filter((name) => BENCHES[name] === undefined);
  if (unknown.length > 0)
    refuse(
      `no benchmark is called ${unknown.join(", ")}; there are ${Object.keys(BENCHES).join(", ")}`,
    );
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
