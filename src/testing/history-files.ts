/** Writes the history of a run to files: lines that `quorate check` takes, and a page to look at. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { check } from "../verify/checker/check.ts";
import { timeline } from "../verify/timeline/timeline.ts";
import type { Outcome } from "./run.ts";

/** Returns the path of the lines; the page is beside them. */
export function writeHistory(folder: string, seed: string, { history }: Outcome): string {
  const name = `seed-${seed}`;
  const path = join(folder, `${name}.jsonl`);
  if (history === undefined) return path;
  mkdirSync(folder, { recursive: true });
  writeFileSync(path, history.text());
  const whole = history.build();
  writeFileSync(join(folder, `${name}.html`), timeline(whole, check(whole), name));
  return path;
}
