/**
 * Shows that the swarms find what they are there for.
 *
 * Each known mistake of src/verify/planted is searched for from three starting seeds, at most `--seeds` each; what it took is printed row by row, with the median. Then the same seeds are run without any mistake, of which
 * none may fail. Exits with 1 if a mistake was not found, or something was found where there is none.
 */
import { writeFileSync } from "node:fs";
import { hunt } from "../src/verify/planted/hunt.ts";
import type { Row } from "../src/verify/planted/table.ts";
import { TABLE } from "../src/verify/planted/table.ts";
import { commandLine, refuse, wholeNumber } from "./script.ts";

const STARTS = [1, 100_001, 200_001];
/** Of the seeds of a search, as many are run without a mistake: those of one row are those of all. */
const CLEAN_MAX = 200;

interface Found {
  readonly id: string;
  readonly title: string;
  readonly swarm: Row["swarm"];
  readonly why?: string;
  /** From each starting seed; null: not found. */
  readonly seeds: readonly (number | null)[];
  readonly seconds: readonly number[];
  readonly what: string;
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** CPU of this process, s. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

async function search(row: Row, most: number): Promise<Found> {
  const { id, title, swarm } = row;
  if (swarm === "none") return { id, title, swarm, why: row.why, seeds: [], seconds: [], what: "" };
  const seeds: (number | null)[] = [];
  const seconds: number[] = [];
  let what = "";
  for (const from of STARTS) {
    const began = cpuSeconds();
    const hunted = await hunt(row, from, most);
    seeds.push(hunted.seeds ?? null);
    seconds.push(cpuSeconds() - began);
    what ||= hunted.what;
  }
  return { id, title, swarm, seeds, seconds, what: what.replaceAll(/\s+/g, " ").slice(0, 160) };
}

function shown({ id, swarm, seeds, seconds, title, why, what }: Found): string {
  if (swarm === "none") return `${id}  not planted: ${title}: ${why}`;
  const taken = seeds.map((each) => each ?? "-").join(" ");
  const most = Math.max(...seconds).toFixed(1);
  return `${id}  seeds ${taken}  median ${median(seconds).toFixed(1)} s, most ${most} s  ${title}: ${what}`;
}

/** The same seeds without a mistake; how many of them fail. */
async function falseAlarms(rows: readonly Row[], found: readonly Found[]): Promise<number> {
  let alarms = 0;
  for (const swarm of ["clusters", "raft"] as const) {
    const row = rows.find((each) => each.swarm === swarm);
    if (row === undefined) continue;
    const own = found.filter((each) => each.swarm === swarm).flatMap(({ seeds }) => seeds);
    const most = Math.min(CLEAN_MAX, Math.max(...own.map((each) => each ?? CLEAN_MAX)));
    const clean: Row =
      swarm === "raft"
        ? { ...row, swarm, rules: {} }
        : { id: row.id, title: "none", swarm, plant: {} };
    for (const from of STARTS) {
      const { seeds, what } = await hunt(clean, from, most);
      console.log(`no mistake, ${swarm}, ${most} seeds from ${from}: ${what || "nothing found"}`);
      if (seeds !== undefined) alarms++;
    }
  }
  return alarms;
}

const USAGE = `npm run planted -- [options]

  --only IDS    rows by their ids, as E1,G3; default all
  --seeds N     seeds of each search, of which there are three a row, default 5000
  --json FILE   what each row took`;

const { values } = commandLine(USAGE, {
  only: { type: "string" },
  seeds: { type: "string", default: "5000" },
  json: { type: "string" },
});
const seeds = wholeNumber("seeds", values.seeds);
const only = values.only?.split(",");
const rows = TABLE.filter(({ id }) => only?.includes(id) ?? true);
const unknown = only?.filter((id) => !TABLE.some((row) => row.id === id)) ?? [];
if (unknown.length > 0)
  refuse(`--only takes ids of ${TABLE.map(({ id }) => id).join()}, not ${unknown.join()}`);
const found: Found[] = [];
for (const row of rows) {
  const each = await search(row, seeds);
  found.push(each);
  console.log(shown(each));
}
const alarms = await falseAlarms(rows, found);
const missed = found.filter(({ seeds }) => seeds.includes(null));
const planted = found.filter(({ swarm }) => swarm !== "none");
console.log(
  `${planted.length - missed.length} of ${planted.length} found, ${alarms} false alarms, median ${median(planted.map(({ seconds }) => median(seconds))).toFixed(1)} s`,
);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify(found, undefined, 2)}\n`);
process.exitCode = missed.length > 0 || alarms > 0 ? 1 : 0;
