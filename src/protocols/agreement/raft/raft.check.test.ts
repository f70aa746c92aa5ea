/**
 * Raft as it is, every order of events within small bounds: no safety property breaks, and how many states there are is
 * known, so that a change of behaviour shows. The same bounds with one mistake planted give a shortest counterexample.
 */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { test } from "node:test";
import { explore } from "../../../verify/explorer.ts";
import type { Mistake } from "../../../verify/raft/planted.ts";
import { planted } from "../../../verify/raft/planted.ts";
import type { Action, Bounds, RaftState } from "../../../verify/raft/raft-model.ts";
import { actionText, RaftModel } from "../../../verify/raft/raft-model.ts";
import { blank } from "../../../verify/raft/sim-member.ts";
import { encodeConfiguration } from "./configuration.ts";
import type { Durable } from "./core.ts";
import type { Configuration, Entry } from "./messages.ts";

const NO_DATA = new Uint8Array(0);
const STATES_MAX = 200_000;

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at + 1);
const blanks = (count: number): readonly Durable[] => upTo(count).map(() => blank(upTo(count)));
const noop = (index: number, term: number): Entry => ({ index, term, kind: "noop", data: NO_DATA });

function disk(voters: number, term: number, vote: number, ...entries: readonly Entry[]): Durable {
  return { ...blank(upTo(voters)), hardState: { term, vote }, entries };
}

/** Links between these members, both ways. */
function links(...pairs: readonly (readonly [number, number])[]): readonly string[] {
  return pairs.flatMap(([a, b]) => [`${a}>${b}`, `${b}>${a}`]);
}

const ELECTED: readonly Action[] = [{ kind: "campaign", id: 1 }];

const leaders = ({ members }: RaftState): readonly number[] =>
  members.filter(({ raft }) => raft.role === "leader").map(({ raft }) => raft.term);
const twoLeaders = (state: RaftState): boolean => leaders(state).length > 1;
const secondTerm = (state: RaftState): boolean => leaders(state).some((term) => term > 1);
const committed =
  (index: number) =>
  ({ members }: RaftState): boolean =>
    members.some(({ applied }) => applied >= index);

interface Scenario {
  readonly name: string;
  readonly bounds: Bounds;
  /** Different states of the machine as it is. */
  readonly states: number;
  readonly sometimes: Readonly<Record<string, (state: RaftState) => boolean>>;
  /** What can be planted, and how many steps the shortest counterexample has. */
  readonly mistakes: readonly (readonly [Mistake, number])[];
}

const removed4: Configuration = { voters: [1, 2, 3], outgoing: [], learners: [] };
const learning: Configuration = { voters: [1, 2, 3], outgoing: [], learners: [4, 5] };
const atTwo = { ...blank([1, 2, 3]).snapshot, index: 2, term: 1, source: 1 };
const learnt: Durable = {
  hardState: { term: 1, vote: 1 },
  snapshot: { index: 1, term: 1, source: 1, config: learning },
  entries: [],
};

const SCENARIOS: readonly Scenario[] = [
  {
    name: "two stand, everything arrives in any order",
    bounds: { disks: blanks(3), campaigns: [1, 2] },
    states: 40_708,
    sometimes: { twoLeaders, secondTerm, commit: committed(2) },
    mistakes: [],
  },
  {
    name: "two stand, a voter crashes, disks take their time",
    bounds: {
      disks: blanks(3),
      campaigns: [1, 2],
      crashes: [3],
      slowDisks: true,
      lost: ["append", "heartbeat"],
    },
    states: 1_209,
    sometimes: { leader: (state) => leaders(state).length > 0 },
    mistakes: [
      ["votes twice in a term", 10],
      ["answers before term and vote are stable", 7],
    ],
  },
  {
    name: "two ask whether they could win, then stand",
    bounds: {
      disks: blanks(3),
      campaigns: [1, 2],
      preVotes: true,
      lost: ["append", "heartbeat"],
    },
    states: 9_952,
    sometimes: { twoLeaders, secondTerm },
    mistakes: [],
  },
  {
    name: "figure 8 after (b): 1 and 3 have different entries at 2, and stand again",
    bounds: {
      disks: [
        disk(3, 1, 1, noop(1, 1), noop(2, 1)),
        disk(3, 2, 3, noop(1, 1)),
        disk(3, 2, 3, noop(1, 1), noop(2, 2)),
      ],
      campaigns: [1, 1, 3, 3],
      appendBytesMax: 1,
      links: links([1, 2], [2, 3]),
    },
    states: 5_910,
    sometimes: { twoLeaders, commit: committed(3) },
    mistakes: [
      ["commits entries of an earlier term by counting", 12],
      ["votes for a log that is behind", 14],
    ],
  },
  {
    name: "a leader that does not know of the next one is asked for a read",
    bounds: { disks: blanks(3), prepare: ELECTED, campaigns: [2], reads: 1 },
    states: 6_655,
    sometimes: { twoLeaders, secondTerm, commit: committed(2) },
    mistakes: [["confirms reads without asking", 6]],
  },
  {
    name: "a new leader is asked for a read before it has committed",
    bounds: {
      disks: blanks(3),
      prepare: ELECTED,
      campaigns: [2],
      proposals: 1,
      reads: 1,
      links: links([1, 2]),
    },
    states: 798,
    sometimes: { secondTerm, commit: committed(3) },
    mistakes: [["confirms reads before it has committed in its term", 9]],
  },
  {
    name: "1 has removed 4, 3 is elected without knowing it and removes 1, 1 stands again",
    bounds: {
      disks: [
        disk(4, 2, 0, noop(1, 1), {
          index: 2,
          term: 1,
          kind: "config",
          data: encodeConfiguration(removed4),
        }),
        disk(4, 1, 1, noop(1, 1)),
        disk(4, 1, 1, noop(1, 1)),
        disk(4, 1, 1, noop(1, 1)),
      ],
      changes: [{ id: 3, changes: [{ kind: "remove", member: 1 }] }],
      campaigns: [3, 1],
      links: links([2, 3], [3, 4], [1, 2]),
      lost: ["appendRefused"],
    },
    states: 12_928,
    sometimes: { secondTerm, commit: committed(3) },
    mistakes: [["changes members before it has committed in its term", 11]],
  },
  {
    name: "two changes of members, one after the other",
    bounds: {
      disks: blanks(5),
      prepare: ELECTED,
      changes: [
        { id: 1, changes: [{ kind: "remove", member: 5 }] },
        { id: 1, changes: [{ kind: "remove", member: 4 }] },
      ],
      campaigns: [3],
      links: links([1, 2], [3, 4], [3, 5]),
    },
    states: 182,
    sometimes: { secondTerm },
    mistakes: [["changes members while a change is not committed", 9]],
  },
  {
    name: "two voters are replaced by two at once",
    bounds: {
      disks: [learnt, learnt, learnt, learnt, learnt],
      prepare: ELECTED,
      changes: [
        {
          id: 1,
          changes: [
            { kind: "promote", member: 4 },
            { kind: "promote", member: 5 },
            { kind: "remove", member: 2 },
            { kind: "remove", member: 3 },
          ],
        },
      ],
      campaigns: [2],
      links: links([1, 4], [1, 5], [2, 3]),
    },
    states: 80,
    sometimes: { twoLeaders },
    mistakes: [["asks one majority of a joint configuration", 6]],
  },
  {
    name: "messages arrive twice and past each other",
    bounds: {
      disks: blanks(3),
      prepare: ELECTED,
      proposals: 2,
      repeats: 1,
      links: links([1, 2]),
    },
    states: 533,
    sometimes: { commit: committed(3) },
    mistakes: [["cuts its log at the end of a late message", 5]],
  },
  {
    name: "a snapshot arrives slowly while a later leader brings the log",
    bounds: {
      disks: [
        { hardState: { term: 1, vote: 1 }, snapshot: atTwo, entries: [] },
        disk(3, 2, 0, noop(1, 1), noop(2, 1)),
        disk(3, 1, 0),
      ],
      campaigns: [1, 2, 1, 1],
      crashes: [1],
      slowChunks: true,
      links: links([1, 3], [2, 3]),
      lost: ["heartbeat"],
    },
    states: 12_347,
    sometimes: {
      twoLeaders,
      commit: committed(3),
      installed: ({ members }) => members[2]?.disk.snapshot.index === 2,
    },
    mistakes: [["lets a late snapshot replace its log", 19]],
  },
  {
    name: "a follower crashes before its flush, another stands",
    bounds: {
      disks: blanks(3),
      prepare: ELECTED,
      proposals: 1,
      campaigns: [3],
      crashes: [2],
      slowDisks: true,
      links: links([1, 2], [2, 3]),
    },
    states: 976,
    sometimes: { secondTerm, commit: committed(2) },
    mistakes: [["counts entries before they are stable", 9]],
  },
];

function check(t: TestContext, { bounds, sometimes, states }: Scenario): void {
  const began = performance.now();
  const found = explore(new RaftModel(bounds, {}, sometimes), STATES_MAX);
  const seconds = (performance.now() - began) / 1000;
  t.diagnostic(
    `${found.states} states, ${found.steps} steps, depth ${found.depth}, ${Math.round(found.steps / seconds)} steps per second`,
  );
  assert.equal(found.violation, undefined, found.violation?.path.map(actionText).join("\n"));
  assert.ok(found.isComplete, "every state within the bounds was seen");
  for (const [name, reached] of Object.entries(found.reached)) assert.ok(reached, `never: ${name}`);
  assert.equal(found.states, states);
}

for (const scenario of SCENARIOS) {
  test(`[RAFT-CHECK-1] no order of events breaks a safety property: ${scenario.name}`, (t) => {
    check(t, scenario);
  });
  for (const [mistake, steps] of scenario.mistakes) {
    test(`[RAFT-CHECK-2] the shortest counterexample is found of a member that ${mistake}`, (t) => {
      const model = new RaftModel(scenario.bounds, planted(mistake), {});
      const { violation } = explore(model, STATES_MAX);
      assert.ok(violation !== undefined, "a counterexample exists");
      t.diagnostic(String(violation.error));
      for (const action of violation.path) t.diagnostic(actionText(action));
      assert.equal(violation.path.length, steps);
    });
  }
}
