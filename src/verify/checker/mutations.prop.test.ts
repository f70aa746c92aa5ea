/** Spoilt histories: every breach is noticed, by the check whose business it is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prng } from "../../base/prng.ts";
import { historyOf } from "../history/builder.ts";
import type { HistoryEvent } from "../history/history.ts";
import { MUTATIONS } from "../workload/mutations.ts";
import { validHistory } from "../workload/workload.ts";
import { check } from "./check.ts";

const HISTORIES = 160;
/** How often each breach must have been possible. */
const LEAST = 8;

const histories: readonly (readonly HistoryEvent[])[] = Array.from({ length: HISTORIES }, (_, at) =>
  validHistory({ seed: at + 1, lossless: at % 3 === 0, leasing: at % 2 === 0, calls: 10 }),
);

for (const mutation of MUTATIONS)
  test(`[HIST-MUTANT] ${mutation.name} is noticed (${mutation.check})`, () => {
    let spoilt = 0;
    for (const [at, events] of histories.entries()) {
      const mutant = mutation.apply(events, prng(at + 1));
      if (mutant === undefined) continue;
      spoilt++;
      const { result, verdicts } = check(historyOf(mutant));
      assert.equal(result, "invalid", `seed ${at + 1}`);
      const named = verdicts.find((each) => each.check === mutation.check);
      // A write that is not told of may show in a watch alone.
      if (mutation.name.startsWith("a write of which")) continue;
      assert.equal(named?.result, "invalid", `seed ${at + 1}`);
      assert.ok((named?.violations.length ?? 0) > 0);
    }
    assert.ok(spoilt >= LEAST, `only ${spoilt} of ${HISTORIES} could be spoilt so`);
  });
