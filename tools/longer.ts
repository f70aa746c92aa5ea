/** Tests that are random, run for longer than with the others: `npm run fuzz`, `npm run sim:clusters`. */
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { commandLine, refuse, wholeNumber } from "./script.ts";

interface Longer {
  /** The number that makes them longer, as the command line has it, and as the tests do. */
  readonly flag: string;
  readonly variable: string;
  readonly count: number;
  readonly counts: string;
  readonly folder: string;
  readonly files: RegExp;
}

const ALL: Readonly<Record<string, Longer>> = {
  fuzz: {
    flag: "inputs",
    variable: "QUORATE_FUZZ",
    count: 2_000_000,
    counts: "inputs of each decoder: frames, HTTP/2, entries, log segments, snapshots",
    folder: join("test", "fuzz"),
    files: /\.test\.js$/,
  },
  "sim:clusters": {
    flag: "clusters",
    variable: "QUORATE_CLUSTERS",
    count: 1_000,
    counts: "simulated clusters of whole drivers",
    folder: join("test", "swarms"),
    files: /^clusters\.prop\.test\.js$/,
  },
};

const [what = ""] = process.argv.splice(2, 1);
const longer = ALL[what] ?? refuse(`there are ${Object.keys(ALL).join(" and ")}`);
const usage = `npm run ${what} -- [options]

  --${longer.flag} N   ${longer.counts}; default ${longer.count}
  --seed S   the first of the seeds, default 1; a failure prints the seed that repeats it`;
const { values } = commandLine(usage, {
  [longer.flag]: { type: "string", default: String(longer.count) },
  seed: { type: "string", default: "1" },
});
const given = (flag: string): string => String(wholeNumber(flag, String(values[flag])));
const folder = join(import.meta.dirname, "..", longer.folder);
const files = readdirSync(folder).filter((name) => longer.files.test(name));
const { status } = spawnSync(
  process.execPath,
  ["--test", "--test-reporter=spec", ...files.map((name) => join(folder, name))],
  {
    stdio: "inherit",
    env: { ...process.env, [longer.variable]: given(longer.flag), QUORATE_SEED: given("seed") },
  },
);
process.exitCode = status ?? 1;
