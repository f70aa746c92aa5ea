/** The page: it needs nothing else, escapes everything, marks the failure, and stays small. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { prng } from "../../base/prng.ts";
import { check } from "../checker/check.ts";
import { historyOf } from "../history/builder.ts";
import type { History, HistoryEvent } from "../history/history.ts";
import { MUTATIONS } from "../workload/mutations.ts";
import { validHistory } from "../workload/workload.ts";
import { layout, OPERATIONS_MAX } from "./layout.ts";
import { timeline } from "./timeline.ts";

function spoilt(name: string, seed: number, calls: number): History {
  const mutation = MUTATIONS.find((each) => each.name === name);
  const events = mutation?.apply(validHistory({ seed, calls }), prng(seed));
  assert.ok(events !== undefined);
  return historyOf(events);
}

test("[HIST-TIMELINE] the operation that has no place is marked, and linked from what is said of it", () => {
  const history = spoilt("a read of a value that nobody wrote", 8, 10);
  const report = check(history);
  const [violation] = report.verdicts.flatMap(({ violations }) => violations);
  const id = violation?.operations[0];
  const page = timeline(history, report, "h.jsonl");
  assert.match(page, new RegExp(`class="bar answer bad" id="op-${id}"`));
  assert.ok(page.includes(`<a href="#op-${id}">`));
  assert.match(page, /class="failure"/);
  assert.match(page, /class="band"[^>]*><span>cut m1 off</);
  for (const { id: each } of history.operations) assert.ok(page.includes(`id="op-${each}"`));
});

test("[HIST-TIMELINE] it loads nothing and escapes all that comes from the history", () => {
  const evil = '"><script>alert(1)</script>&\u001b[2J';
  const events: HistoryEvent[] = [
    { type: "fault", at: 0, fault: "f", what: evil, phase: "begin" },
    {
      type: "invoke",
      at: 0,
      process: evil,
      op: 1,
      call: { kind: "write", key: evil, value: evil },
    },
    { type: "indefinite", at: 1, op: 1, code: evil },
    { type: "invoke", at: 1, process: evil, op: 2, call: { kind: "read", key: evil } },
    { type: "answer", at: 2, op: 2, answer: { value: `${evil}?` } },
    { type: "state", at: 3, member: evil, revision: 1, hash: evil },
    { type: "observed", at: 3, process: evil, stream: evil, name: evil, token: 1 },
  ];
  const history = historyOf(events);
  const page = timeline(history, check(history), evil);
  assert.equal(page.match(/<script>/g)?.length, 1, "only its own");
  assert.doesNotMatch(page, /alert\(1\)<\/script>|\u001b/);
  assert.doesNotMatch(page, /(src|href)="(?!#)|url\(|@import/);
});

test("[HIST-TIMELINE] of a long history the operations around the failure are drawn", () => {
  const history = spoilt("two owners at one time", 3, 900);
  const report = check(history, { only: ["lock"] });
  const place = report.verdicts[0]?.violations[0]?.place ?? 0;
  assert.ok(history.operations.length > 2 * OPERATIONS_MAX);
  const { shown, all, failure, columns } = layout(history, place, new Set());
  assert.equal(all, history.operations.length);
  assert.ok(shown <= OPERATIONS_MAX + 20 && shown > OPERATIONS_MAX / 2, `${shown}`);
  assert.ok(failure !== undefined && failure > 0 && failure < columns);
  assert.ok(timeline(history, report, "long").length < 2 << 20);
});

test("[HIST-TIMELINE] bars of a row do not overlap, and every event has its column", () => {
  const history = historyOf(validHistory({ seed: 5, calls: 12, clients: 4 }));
  const { lanes, columns } = layout(history, undefined, new Set());
  for (const { name, rows } of lanes)
    for (const row of rows)
      for (const [at, bar] of row.entries()) {
        assert.ok(bar.from < bar.to && bar.from < columns, name);
        assert.ok(at === 0 || (row[at - 1]?.to ?? 0) <= bar.from, name);
      }
  const processes = new Set(history.operations.map(({ process }) => process));
  for (const process of processes) assert.ok(lanes.some(({ name }) => name === process));
});
