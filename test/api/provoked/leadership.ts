/** Errors of a member that does not lead: a replica whose two others are played here. */
import assert from "node:assert/strict";
import { utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import { procedureSet } from "../../../src/contract/procedure.ts";
import type { Reply, Request } from "../../../src/contract/requests.ts";
import { Base } from "../../../src/keyspace/base.ts";
import { KeyspaceTime } from "../../../src/keyspace/keyspace-time.ts";
import type { MessageBody } from "../../../src/protocols/agreement/raft/messages.ts";
import { startRaft } from "../../../src/protocols/agreement/raft/raft.ts";
import type { ReplicaInput } from "../../../src/replica/inputs.ts";
import { Replica } from "../../../src/replica/replica.ts";
import type { Row } from "./stage.ts";
import { refused } from "./stage.ts";

const NOW = { monotonicMs: 0, wallMs: 1_700_000_000_000 };
const put: Request = { kind: "put", key: utf8("a"), value: utf8("1") };
const ASK: ReplicaInput = { kind: "request", id: 1, request: put, caller: undefined };

function says(body: MessageBody, term = 1): ReplicaInput {
  return { kind: "message", message: { from: 2, to: 1, term, ...body } as never };
}
const DEPOSE = says({ kind: "heartbeat", commit: 0, round: 0 }, 7);
const LEAD: readonly ReplicaInput[] = [
  { kind: "start" },
  says({ kind: "preVoteReply", granted: true }),
  { kind: "written", ticket: 1 },
  says({ kind: "voteReply", granted: true }),
  { kind: "written", ticket: 2 },
  says({ kind: "appendReply", index: 1 }),
  { kind: "apply" },
];

/** Has the member lead, then takes the steps; the answer to the request among them. */
function answerAfter(...steps: readonly ReplicaInput[]): Reply {
  const base = new Base();
  const config = { voters: [1, 2, 3], outgoing: [], learners: [] };
  base.members.configure(config);
  const replica = new Replica({
    base,
    raft: startRaft(
      { id: 1, random: () => 0 },
      {
        hardState: { term: 0, vote: 0 },
        snapshot: { index: 0, term: 0, source: 1, config },
        entries: [],
      },
    ),
    head: {
      procedures: procedureSet([]),
      quotaBytes: 1 << 20,
      minLeaseTtlMs: 1_000,
      leaseId: () => 1n,
    },
    time: KeyspaceTime.resume(0, NOW.monotonicMs, NOW.wallMs),
    retention: {
      historyMs: Infinity,
      historyBytes: Infinity,
      historyRevisions: Infinity,
      callerIdleMs: Infinity,
    },
    logged: true,
    tailBytes: 0,
  });
  let reply: Reply | undefined;
  for (const step of LEAD) replica.step(step, NOW);
  assert.ok(replica.leading);
  for (const step of steps)
    for (const output of replica.step(step, NOW)) if (output.kind === "reply") reply = output.reply;
  return reply ?? assert.fail("no answer");
}

export const leadershipErrors = {
  NOT_LEADER: [
    {
      how: "a member is asked that no longer leads",
      outcome: "definite",
      object: /./,
      remedy: /./,
      exit: 3,
      provoke: () => Promise.resolve(refused(answerAfter(DEPOSE, ASK))),
    },
  ],
  LEADER_CHANGED: [
    {
      how: "leadership is lost between evaluation and commit",
      outcome: "indefinite",
      object: /./,
      remedy: /./,
      exit: 4,
      provoke: () => Promise.resolve(refused(answerAfter(ASK, { kind: "seal" }, DEPOSE))),
    },
  ],
} satisfies Partial<Record<ErrorCode, readonly Row[]>>;
