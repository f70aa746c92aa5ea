/** Histories as JSON lines: what is written reads as the same, and what cannot be meant is refused by line and field. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QuorateError } from "../../base/errors.ts";
import { validHistory } from "../workload/workload.ts";
import { historyOf } from "./builder.ts";
import { type History, PLAIN_HEADER } from "./history.ts";
import { headerLine, readLines, written } from "./lines.ts";

const HEADER = '{"quorate":"history","version":1}';

test("[HIST-LINES] what is written reads as the same history", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const events = validHistory({ seed, leasing: seed % 2 === 0 });
    const text = written(events, PLAIN_HEADER);
    assert.deepEqual(plain(readLines(text)), plain(historyOf(events)), `seed ${seed}`);
    assert.equal(text.split("\n").length, events.length + 2);
  }
});

/** What is undefined is as good as absent. */
function plain(history: History): unknown {
  const text = JSON.stringify(history, (_, each: unknown) =>
    typeof each === "bigint" ? `${each}n` : each,
  );
  return JSON.parse(text);
}

test("[HIST-LINES] bytes that are not UTF-8 and units of time survive", () => {
  const line =
    '{"type":"invoke","at":5,"process":"c","op":1,"call":{"kind":"put","key":{"base64":"/w=="},"value":"é"}}';
  const history = readLines(
    `{"quorate":"history","version":1,"unit":"us","marginMs":2}\n${line}\n`,
  );
  const [operation] = history.operations;
  assert.deepEqual(operation?.call, { kind: "put", key: "\xff", value: "\xc3\xa9" });
  assert.equal(operation?.invokedAt, 0.005);
  assert.equal(history.header.marginMs, 2);
  assert.equal(
    headerLine(history.header),
    '{"quorate":"history","version":1,"unit":"us","marginMs":2}',
  );
});

test("[HIST-LINES] transactions are read as deep as the native protocol carries them", () => {
  assert.equal(readLines(`${HEADER}\n${nested(129)}`).operations.length, 1);
});

test("[HIST-LINES] what never returned is indefinite", () => {
  const call = '{"type":"invoke","at":0,"process":"c","op":1,"call":{"kind":"read"}}';
  const [operation] = readLines(`${HEADER}\n\n${call}`).operations;
  assert.deepEqual(operation?.outcome, { kind: "indefinite" });
  assert.equal(operation?.returned, Infinity);
});

const INVOKE = '{"type":"invoke","at":1,"process":"c","op":1,"call":{"kind":"read"}}';
const DEEP = 100_000;
const LIST = `${"[".repeat(DEEP)}${"]".repeat(DEEP)}`;

/** An invocation of a transaction that has others in it, so many deep. */
function nested(depth: number): string {
  const begin = '{"kind":"txn","compare":[],"success":[';
  const end = '],"failure":[]}';
  const txn = `${begin.repeat(depth)}${end.repeat(depth)}`;
  return INVOKE.replace('{"kind":"read"}', txn);
}

const REFUSED: readonly (readonly [string, readonly string[], RegExp])[] = [
  ["nothing at all", [], /history: is empty/],
  ["another kind of file", ['{"a":1}'], /line 1: is not a header/],
  ["a later version", ['{"quorate":"history","version":2}'], /line 1\.version: is 2/],
  [
    "a margin below zero",
    ['{"quorate":"history","version":1,"marginMs":-5000}'],
    /line 1\.marginMs: is -5000 and must be a number from 0 on/,
  ],
  ["a list without an end of depth", [HEADER, LIST], /line 2: is a list and must be an object/],
  [
    "the same as a value",
    [HEADER, INVOKE.replace('"c"', LIST)],
    /line 2\.process: is a list and must be text/,
  ],
  [
    "the same as a type",
    [HEADER, INVOKE.replace('"invoke"', LIST)],
    /line 2\.type: is a list, which is no type of event/,
  ],
  [
    "transactions in transactions",
    [HEADER, nested(5_000)],
    /line 2\.call\.success\[0\].*: is nested more than 128 deep/,
  ],
  ["no JSON", [HEADER, "{"], /line 2: is not JSON/],
  ["an unknown type", [HEADER, '{"type":"invoked","at":1}'], /line 2\.type: is "invoked"/],
  ["an unknown field", [HEADER, INVOKE.replace('"at"', '"ad":1,"at"')], /line 2: has a field "ad"/],
  ["an unknown call", [HEADER, INVOKE.replace("read", "reed")], /line 2\.call\.kind: is "reed"/],
  [
    "a missing field",
    [HEADER, INVOKE.replace('"process":"c",', "")],
    /line 2\.process: is missing/,
  ],
  [
    "time that goes back",
    [HEADER, INVOKE, '{"type":"indefinite","at":0,"op":1}'],
    /line 3\.at: is before/,
  ],
  ["an operation invoked twice", [HEADER, INVOKE, INVOKE], /line 3: invokes operation 1 again/],
  [
    "an answer of another kind",
    [HEADER, INVOKE, '{"type":"answer","at":1,"op":1,"answer":{"done":true}}'],
    /line 3\.answer: has a field "done"/,
  ],
  [
    "an answer to nothing",
    [HEADER, '{"type":"answer","at":1,"op":7,"answer":{}}'],
    /line 2: is of operation 7, which is not under way/,
  ],
  [
    "a batch of a watch that was not asked for",
    [HEADER, '{"type":"batch","at":1,"watch":"w","revision":3}'],
    /line 2: is of watch w/,
  ],
];

test("[HIST-LINES] what cannot be meant is INVALID and names line and field", () => {
  for (const [what, lines, message] of REFUSED)
    assert.throws(
      () => readLines(lines.join("\n")),
      (error) => QuorateError.is(error, "INVALID") && message.test(error.message),
      what,
    );
});
