/**
 * Runs the compiled tests with Node's own runner and ends with the totals on one line.
 *
 * `--match TEXT` runs only files whose path contains TEXT. Files run two at a time: several start servers and measure
 * order, and a machine with two cores is the reference. Exits with 1 if a test failed or none ran.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname, "..", "..");
const CONCURRENCY = 2;

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

/** Runs one file; its report is printed when it ends, and only then, so that two do not mix. */
function runFile(path: string): Promise<Totals> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ["--test", "--test-reporter=tap", path], { cwd: root });
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
      console.log(
        `${verdict} ${relative(root, path)} (${totals.passed} passed, ${totals.skipped} skipped)`,
      );
      for (const line of report.split("\n"))
        if (/# SKIP/.test(line)) console.log(`     ${line.trim()}`);
      if (totals.failed > 0) console.log(report);
      resolve(totals);
    });
  });
}

async function main(): Promise<void> {
  const at = process.argv.indexOf("--match");
  const match = at < 0 ? "" : (process.argv[at + 1] ?? "");
  const files = [join(root, "dist", "src"), join(root, "dist", "test")]
    .flatMap(testFiles)
    .filter((path) => path.includes(match))
    .sort();
  const sum = { passed: 0, failed: 0, skipped: 0 };
  const worker = async (): Promise<void> => {
    for (let path = files.shift(); path !== undefined; path = files.shift()) {
      const totals = await runFile(path);
      sum.passed += totals.passed;
      sum.failed += totals.failed;
      sum.skipped += totals.skipped;
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
  console.log(`${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
  process.exitCode = sum.failed > 0 || sum.passed === 0 ? 1 : 0;
}

await main();
