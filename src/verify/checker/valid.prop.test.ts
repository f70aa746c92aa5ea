/** No false alarm: ten thousand right histories. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { historyOf } from "../history/builder.ts";
import { validHistory } from "../workload/workload.ts";
import { check } from "./check.ts";
import { CHECKS } from "./verdict.ts";

const HISTORIES = 10_000;

test(`[HIST-VALID] ${HISTORIES} right histories are valid`, () => {
  const counts = new Map<string, number>();
  for (let seed = 1; seed <= HISTORIES; seed++) {
    const calls = 3 + (seed % 6);
    const clients = 2 + (seed % 4);
    const events = validHistory({ seed, calls, clients, leasing: seed % 5 === 0 });
    const report = check(historyOf(events));
    const alarms = report.verdicts.flatMap(({ violations }) => violations.map(({ what }) => what));
    assert.equal(report.result, "valid", `seed ${seed}: ${alarms.join("; ")}`);
    for (const verdict of report.verdicts)
      for (const [name, count] of Object.entries(verdict.counts))
        counts.set(
          `${verdict.check} ${name}`,
          (counts.get(`${verdict.check} ${name}`) ?? 0) + count,
        );
  }
  // The histories have what the rules are about.
  for (const [what, least] of [
    ["keyspace writes", 50_000],
    ["keyspace guessed", 2_000],
    ["lease ends", 1_000],
    ["watch events", 50_000],
    ["lock ownerships", 50_000],
    ["resource writes", 50_000],
    ["state hashes", 30_000],
    ["register operations", 100_000],
  ] as const)
    assert.ok((counts.get(what) ?? 0) >= least, `${what}: ${counts.get(what)}`);
  assert.equal(new Set([...counts.keys()].map((key) => key.split(" ")[0])).size, CHECKS.length);
});
