/**
 * The reply rule, checked over every schedule of a small model: a scripted consensus loses leadership at each point.
 *
 * REP-1 an answer that is released stays true: what it read or wrote is in the log of whoever leads next. REP-2 the
 * same check finds the fault when answers are released at once.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { utf8 } from "../base/bytes.ts";
import { procedureSet } from "../contract/procedure.ts";
import type { Reply, Request } from "../contract/requests.ts";
import { Base } from "../keyspace/base.ts";
import { Head } from "../keyspace/head.ts";
import { KeyspaceTime } from "../keyspace/keyspace-time.ts";
import type { Consensus } from "./consensus.ts";
import type { ReplicaOutput } from "./replica.ts";
import { Replica } from "./replica.ts";

const KEY = utf8("k");
const put: Request = { kind: "put", key: KEY, value: utf8("new") };
/** Fails its compare exactly if the put before it is visible; writes nothing either way. */
const failedCompare: Request = {
  kind: "txn",
  compare: [{ key: KEY, result: "equal", target: { kind: "version", value: 0 } }],
  success: [],
  failure: [{ kind: "range", key: KEY }],
};
const range: Request = { kind: "range", key: KEY };

type Step = "put" | "compare" | "range" | "seal" | "flush" | "commit" | "confirm" | "depose";
const STEPS: readonly Step[] = [
  "put",
  "compare",
  "range",
  "seal",
  "flush",
  "commit",
  "confirm",
  "depose",
];
const NOW = { monotonicMs: 0, wallMs: 1_700_000_000_000 };

interface Seen {
  readonly request: Request;
  readonly reply: Reply;
  readonly committedThen: boolean;
}

/** Runs one schedule; returns the answers, each with whether the put was committed when it left. */
function run(schedule: readonly Step[], obeys: boolean): readonly Seen[] {
  const time = KeyspaceTime.start(0, NOW.monotonicMs, NOW.wallMs, true, "model");
  assert.ok(time instanceof KeyspaceTime);
  const base = new Base();
  const options = {
    procedures: procedureSet([]),
    quotaBytes: 1 << 20,
    minLeaseTtlMs: 1_000,
    leaseId: () => 1n,
  };
  const head = new Head(base, options);
  let asked = 0;
  const consensus: Consensus = {
    start: () => [{ kind: "elected", term: 1 }],
    appended: () => [],
    flushed: () => [],
    read: (id) => {
      asked = id;
      return [];
    },
  };
  const retention = { historyMs: Infinity, historyBytes: Infinity, callerIdleMs: Infinity };
  const replica = new Replica({ base, head, consensus, time, retention });
  const seen: Seen[] = [];
  const requests: Request[] = [];
  let appended = 0;
  const take = (outputs: readonly ReplicaOutput[]): void => {
    for (const output of outputs) {
      if (output.kind === "append") appended = output.entry.index;
      if (output.kind === "query") {
        const kv = base.get(KEY);
        const response = {
          revision: base.revision,
          kvs: kv === undefined ? [] : [kv],
          more: false,
          count: 0,
        };
        seen.push({
          request: range,
          reply: { ok: true, response },
          committedThen: kv !== undefined,
        });
      }
      if (output.kind === "reply") {
        const request = requests[output.id];
        assert.ok(request !== undefined);
        seen.push({ request, reply: output.reply, committedThen: base.get(KEY) !== undefined });
      }
    }
  };
  const ask = (request: Request): void => {
    requests.push(request);
    const id = requests.length - 1;
    if (!obeys && request.kind !== "range" && replica.leading) {
      // The mutant: what evaluation says is told at once.
      seen.push({
        request,
        reply: head.evaluate(request as never, undefined, NOW.wallMs).reply,
        committedThen: base.get(KEY) !== undefined,
      });
      return;
    }
    take(replica.step({ kind: "request", id, request, caller: undefined }, NOW));
  };
  take(replica.step({ kind: "start" }, NOW));
  take(replica.step({ kind: "consensus", output: { kind: "committed", index: appended } }, NOW));
  for (const step of schedule) {
    if (step === "put") ask(put);
    else if (step === "compare") ask(failedCompare);
    else if (step === "range") ask(range);
    else if (step === "seal") take(replica.step({ kind: "seal" }, NOW));
    else if (step === "flush") take(replica.step({ kind: "flushed", index: appended }, NOW));
    else if (step === "commit")
      take(
        replica.step({ kind: "consensus", output: { kind: "committed", index: appended } }, NOW),
      );
    else if (step === "confirm")
      take(replica.step({ kind: "consensus", output: { kind: "readConfirmed", id: asked } }, NOW));
    else take(replica.step({ kind: "consensus", output: { kind: "deposed" } }, NOW));
  }
  return seen;
}

/** Whether an answer says something that a next leader may not know. */
function leaks({ request, reply, committedThen }: Seen): boolean {
  if (!reply.ok || committedThen) return false;
  if (request.kind === "put") return true;
  const { response } = reply;
  if ("succeeded" in response) return !response.succeeded;
  return "kvs" in response && response.kvs.length > 0;
}

/** Every schedule of `length` steps in which no leadership is used after it was lost. */
function* schedules(length: number): Generator<readonly Step[]> {
  const total = STEPS.length ** length;
  for (let code = 0; code < total; code++) {
    const schedule: Step[] = [];
    for (let at = 0, rest = code; at < length; at++, rest = Math.floor(rest / STEPS.length)) {
      schedule.push(STEPS[rest % STEPS.length] as Step);
    }
    const lost = schedule.indexOf("depose");
    const after = lost < 0 ? [] : schedule.slice(lost + 1);
    if (!after.some((step) => step === "commit" || step === "confirm" || step === "depose"))
      yield schedule;
  }
}

test("[REP-1] no schedule of 5 steps releases an answer that a next leader may contradict (scripted consensus)", () => {
  let answers = 0;
  let checked = 0;
  for (const schedule of schedules(5)) {
    checked++;
    for (const seen of run(schedule, true)) {
      answers++;
      assert.ok(!leaks(seen), `${schedule.join(" ")}: ${seen.request.kind} was answered too early`);
    }
  }
  assert.equal(checked, [...schedules(5)].length);
  assert.ok(answers > 10_000, `only ${answers} answers`);
});

test("[REP-2] the check finds answers that are released at once (mutant)", () => {
  const found = [...schedules(3)].filter((schedule) => run(schedule, false).some(leaks));
  assert.ok(found.length > 0);
});

test("[REP-3] a lost leadership answers what wrote as perhaps done and what did not as not done", () => {
  const wrote = run(["put", "seal", "depose"], true);
  assert.ok(wrote[0]?.reply.ok === false);
  assert.deepEqual(
    [wrote[0].reply.failure.code, wrote[0].reply.failure.outcome],
    ["LEADER_CHANGED", "indefinite"],
  );
  const read = run(["range", "depose"], true);
  assert.ok(read[0]?.reply.ok === false);
  assert.deepEqual(
    [read[0].reply.failure.code, read[0].reply.failure.outcome],
    ["NOT_LEADER", "definite"],
  );
});
