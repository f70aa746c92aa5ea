/**
 * Runs the compiled tests with Node's own runner and ends with the totals on one line.
 *
 * Files run two at a time unless told otherwise: several start servers and measure order, and a machine with two cores is the
 * reference. Those named `*.alone.test` use all cores and come last, one at a time. Each line says how long its file took.
 * Of a file that failed, the tests that failed are told with their errors, and what it printed outside of the report; they
 * are named once more at the end. Those that were never begun because another failed are named only there. Exits with 1 if a
 * test failed or none ran.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { commandLine, wholeNumber } from "./script.ts";

const USAGE = `npm test -- [options]

  --match TEXT   only files whose path contains it
  --except TEXTS no files whose path contains one of these, comma between them
  --at-once N    files that run beside each other, default 2
  --rewrite      recorded files that tests compare with are written anew`;

const { values } = commandLine(USAGE, {
  match: { type: "string", default: "" },
  except: { type: "string", default: "" },
  "at-once": { type: "string", default: "2" },
  rewrite: { type: "boolean", default: false },
});

const root = join(import.meta.dirname, "..", "..");

function testFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return testFiles(path);
    return name.endsWith(".test.js") ? [path] : [];
  });
}

interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

interface Result extends Totals {
  readonly failures: readonly string[];
}

const RESULT = /^(\s*)(not )?ok \d+ - /;
/** Of one that was running when its parent's time was over, the time that it took is told. */
const NEVER_BEGUN = /^\s*duration_ms: 0$[^]*^\s*failureType: 'cancelledByParent'$/m;

/** What a TAP report says of the tests that failed, or all of it if it names none (the process died). */
function failures(report: string): { readonly names: string[]; readonly text: string } {
  const names: string[] = [];
  const beside: string[] = [];
  const told: string[][] = [];
  let test: string[] | undefined;
  for (const line of report.split("\n")) {
    const result = RESULT.exec(line);
    if (result !== null || /^\s*# Subtest: /.test(line)) test = undefined;
    if (result?.[2] !== undefined) {
      names.push(line.replace(RESULT, "").trim());
      told.push((test = []));
    }
    if (test !== undefined) test.push(line);
    else if (/^# (?!Subtest: )/.test(line)) beside.push(line);
  }
  const begun = told.filter((lines) => !NEVER_BEGUN.test(lines.join("\n")));
  return { names, text: names.length === 0 ? report : [...begun.flat(), ...beside].join("\n") };
}

/** Runs one file; its report is printed when it ends, and only then, so that two do not mix. */
function runFile(path: string): Promise<Result> {
  return new Promise((resolve) => {
    const env = values.rewrite ? { ...process.env, QUORATE_REWRITE: "1" } : process.env;
    const child = spawn(process.execPath, ["--test", "--test-reporter=tap", path], {
      cwd: root,
      env,
    });
    const started = performance.now();
    let report = "";
    child.stdout.on("data", (part: Buffer) => {
      report += part.toString();
    });
    child.stderr.on("data", (part: Buffer) => {
      report += part.toString();
    });
    child.on("close", (code) => {
      const count = (word: string): number =>
        Number(new RegExp(`^# ${word} (\\d+)$`, "m").exec(report)?.[1] ?? 0);
      const failed = count("fail") + count("cancelled");
      const totals = {
        passed: count("pass"),
        failed: code !== 0 && failed === 0 ? 1 : failed,
        skipped: count("skipped"),
      };
      const verdict = totals.failed > 0 ? "FAIL" : "ok  ";
      const seconds = ((performance.now() - started) / 1_000).toFixed(1);
      console.log(
        `${verdict} ${relative(root, path)} (${totals.passed} passed, ${totals.skipped} skipped, ${seconds} s)`,
      );
      for (const line of report.split("\n"))
        if (/# SKIP/.test(line)) console.log(`     ${line.trim()}`);
      const { names, text } = failures(report);
      if (totals.failed > 0) console.log(text);
      resolve({ ...totals, failures: names.map((name) => `${relative(root, path)}: ${name}`) });
    });
  });
}

async function main(): Promise<void> {
  const atOnce = wholeNumber("at-once", values["at-once"]);
  const excepted = values.except.split(",").filter((text) => text !== "");
  const files = [join(root, "dist", "src"), join(root, "dist", "test")]
    .flatMap(testFiles)
    .filter((path) => path.includes(values.match))
    .filter((path) => !excepted.some((text) => path.includes(text)))
    .sort();
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const failed: string[] = [];
  const isAlone = (path: string): boolean => path.endsWith(".alone.test.js");
  const together = files.filter((path) => !isAlone(path));
  const worker = async (paths: string[]): Promise<void> => {
    for (let path = paths.shift(); path !== undefined; path = paths.shift()) {
      const totals = await runFile(path);
      sum.passed += totals.passed;
      sum.failed += totals.failed;
      sum.skipped += totals.skipped;
      failed.push(...totals.failures);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, () => worker(together)));
  await worker(files.filter(isAlone));
  for (const name of failed) console.log(`failed: ${name}`);
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
}

await main();
