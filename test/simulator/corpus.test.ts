/** Plans that once failed, replayed. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { replayed } from "../../src/testing/swarm.ts";
import { timelineText } from "../../src/verify/simulator/timeline.ts";

const folder = join(import.meta.dirname, "..", "..", "..", "test", "corpus");

interface Finding {
  /** As it was drawn then: what seeds draw may change. */
  readonly plan: Parameters<typeof replayed>[0];
  readonly rule: string;
  readonly text: string;
  readonly cause: string;
}

const files = readdirSync(folder).filter((name) => name.endsWith(".json"));

test("[SIM-CORPUS-1] there is a corpus", () => assert.ok(files.length > 0));

for (const file of files) {
  const { plan, text } = JSON.parse(readFileSync(join(folder, file), "utf8")) as Finding;
  test(`[SIM-CORPUS-1] ${file}: ${text} (seed ${plan.seed})`, { timeout: 240_000 }, async () => {
    const outcome = await replayed(plan);
    const { violation, lines } = outcome;
    assert.equal(violation, undefined, `${violation?.text ?? ""}\n${timelineText(lines)}`);
    assert.ok(outcome.faults > 0, "nothing went wrong any more: the plan has lost its meaning");
  });
}
