/**
 * The reply rule, checked over every schedule of small clusters of replicas on the real Raft machine.
 *
 * REP-1 an answer that is released stays true. REP-2 the same check finds replicas that make known mistakes.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Reply } from "../contract/requests.ts";
import { explore } from "../verify/explorer.ts";
import type { Bounds, ReplicaWorld } from "../verify/replica/model.ts";
import { ReplicaModel } from "../verify/replica/model.ts";
import type { ReplicaRules } from "./rules.ts";

const STATES_MAX = 20_000;
/** Two that do not hear each other, and one that hears both: it alone decides who leads. */
const BETWEEN = ["1>3", "3>1", "2>3", "3>2"];
const THREE = [1, 2, 3];

/** One voter whose disk takes its time. */
const ONE: Bounds = {
  voters: [1],
  asks: { 1: ["put", "compare", "range", "put", "compare"] },
  stands: [],
  slow: [1],
};
/** A leader that may have been deposed without knowing, and the next one. */
const DEPOSED: Bounds = {
  voters: THREE,
  asks: { 1: ["put", "compare"], 2: ["put"] },
  stands: [2],
  slow: [],
  links: BETWEEN,
};
/** The same, while the old one only reads. */
const STALE: Bounds = { ...DEPOSED, asks: { 1: ["compare", "range"], 2: ["put"] } };
/** A leader that is followed by another and leads again. */
const AGAIN: Bounds = {
  voters: THREE,
  asks: { 1: ["put"], 3: ["put"] },
  stands: [3, 1],
  slow: [],
  links: ["1>3", "3>1"],
};
/** The next leader has what the one before it had acknowledged, and has not applied it. */
const NEXT: Bounds = { ...AGAIN, asks: { 1: ["put"], 3: ["compare"] } };
/** A leader that nobody hears any more, and the next one, which may begin anew with it. */
const REPLACED: Bounds = {
  voters: THREE,
  asks: { 1: ["put"] },
  stands: [2],
  breaks: [[2, 1]],
  slow: [],
  links: ["2>3", "3>2", "2>1"],
};
/** The members change while something is open. */
const CHANGE: Bounds = {
  voters: [1, 2],
  asks: { 1: ["put", "range"] },
  stands: [],
  adds: 1,
  slow: [1],
};

const answered = (outcome: (reply: Reply) => boolean) => (world: ReplicaWorld) =>
  world.told.some(({ reply }) => reply !== undefined && outcome(reply));
const SOMETIMES = {
  "something is acknowledged": answered(({ ok }) => ok),
};
const SOMETIMES_AGAIN = {
  ...SOMETIMES,
  "something may happen yet": answered(
    (reply) => !reply.ok && reply.failure.code === "LEADER_CHANGED",
  ),
  "something did not happen": answered((reply) => !reply.ok && reply.failure.code === "NOT_LEADER"),
};
const SOMETIMES_STALE = {
  ...SOMETIMES,
  "two believe to lead": (world: ReplicaWorld): boolean =>
    [...world.seats.values()].filter(({ replica }) => replica.leading).length > 1,
};
const SOMETIMES_REPLACED = {
  "something may happen yet": SOMETIMES_AGAIN["something may happen yet"],
  "two believe to lead": SOMETIMES_STALE["two believe to lead"],
};
const SOMETIMES_DEPOSED = { ...SOMETIMES_AGAIN, ...SOMETIMES_STALE };

describe("every schedule", () => {
  const cases: readonly (readonly [string, Bounds, object, number])[] = [
    ["one voter with a slow disk", ONE, SOMETIMES, 50],
    ["a leader that does not know that it was deposed", DEPOSED, SOMETIMES_DEPOSED, 3_706],
    ["a leader that reads and does not know", STALE, SOMETIMES_STALE, 1_144],
    ["a leader that leads again", AGAIN, SOMETIMES_AGAIN, 5_067],
    ["a next leader that has not applied everything", NEXT, SOMETIMES_AGAIN, 3_661],
    ["a leader whose entry another replaced", REPLACED, SOMETIMES_REPLACED, 376],
    ["members that change while an entry is open", CHANGE, SOMETIMES, 5_595],
  ];
  for (const [name, bounds, sometimes, states] of cases) {
    test(`[REP-1] [REP-3] [REP-4] ${name}: no answer that a next leader may contradict`, () => {
      const model = new ReplicaModel(bounds, sometimes as typeof SOMETIMES);
      const found = explore(model, STATES_MAX);
      assert.equal(found.violation, undefined);
      assert.ok(found.isComplete, `more than ${STATES_MAX} states`);
      assert.deepEqual(
        Object.entries(found.reached).filter(([, reached]) => !reached),
        [],
        "the model shows too little",
      );
      assert.equal(found.states, states);
    });
  }
});

describe("known mistakes", () => {
  const mistakes: readonly (readonly [string, Bounds, Partial<ReplicaRules>])[] = [
    ["answers before commit", ONE, { waitsForCommit: false }],
    ["reads without asking whether it leads", STALE, { confirmsLeadership: false }],
    ["evaluates before its own first entry", NEXT, { waitsForOwnTerm: false }],
    ["takes the next index for its entry's", CHANGE, { indexWhenSealed: false, sealsFirst: false }],
    [
      "keeps what it evaluated when it is deposed",
      AGAIN,
      { rollsBack: false, startsFromBase: false },
    ],
    ["takes what replaced its entry for that entry", REPLACED, { answersOwnTerm: false }],
    ["goes on evaluating from what it knew when it last led", AGAIN, { startsFromBase: false }],
  ];
  for (const [name, bounds, replicaRules] of mistakes) {
    test(`[REP-2] the check finds a replica that ${name}`, () => {
      const found = explore(new ReplicaModel({ ...bounds, replicaRules }, {}), STATES_MAX);
      assert.ok(found.violation !== undefined, `not found in ${found.states} states`);
    });
  }
});
