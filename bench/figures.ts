/** The form in which the benchmark of a large keyspace reports. */
import type { LongestTask } from "./loop-probe.ts";
import type { Row } from "./rows.ts";

/** No task of the event loop may be longer, ms, collections aside. */
const TASK_MS_MAX = 50;

/** Reports one figure. */
export type ReportFigure = (driver: string, unit: string, ours: number, own?: Partial<Row>) => void;

/** Says on standard error what goes on: some steps take half a minute. */
export function progress(what: string): void {
  process.stderr.write(`  … ${what}\n`);
}

export function taskFigure(
  figure: ReportFigure,
  phase: string,
  found: LongestTask & { readonly tookMs: number },
  more = "",
): void {
  const note = [
    `${found.overTen} tasks over 10 ms`,
    `longest by the wall clock ${found.wallMs.toFixed(1)} ms`,
    `${(found.collecting * 100).toFixed(0)} % of the samples are collection`,
    `the whole took ${found.tookMs.toFixed(0)} ms${more}`,
  ].join("; ");
  figure(`longest task while ${phase}`, "ms", found.longestMs, { limit: TASK_MS_MAX, note });
}
