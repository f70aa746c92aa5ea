/** Errors of a member that does not lead: a replica whose consensus loses leadership when it is told to. */
import assert from "node:assert/strict";
import { utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import { procedureSet } from "../../../src/contract/procedure.ts";
import type { Reply, Request } from "../../../src/contract/requests.ts";
import { Base } from "../../../src/keyspace/base.ts";
import { Head } from "../../../src/keyspace/head.ts";
import { KeyspaceTime } from "../../../src/keyspace/keyspace-time.ts";
import type { Consensus } from "../../../src/replica/consensus.ts";
import type { ReplicaInput } from "../../../src/replica/replica.ts";
import { Replica } from "../../../src/replica/replica.ts";
import type { Row } from "./stage.ts";
import { refused } from "./stage.ts";

const NOW = { monotonicMs: 0, wallMs: 1_700_000_000_000 };
const put: Request = { kind: "put", key: utf8("a"), value: utf8("1") };
const ASK: ReplicaInput = { kind: "request", id: 1, request: put, caller: undefined };
const DEPOSE: ReplicaInput = { kind: "consensus", output: { kind: "deposed" } };

/** Takes the steps; the answer to the request among them. */
function answerAfter(...steps: readonly ReplicaInput[]): Reply {
  const time = KeyspaceTime.start(0, NOW.monotonicMs, NOW.wallMs, true, "member");
  assert.ok(time instanceof KeyspaceTime);
  const base = new Base();
  const options = { quotaBytes: 1 << 20, minLeaseTtlMs: 1_000, leaseId: () => 1n };
  const head = new Head(base, { procedures: procedureSet([]), ...options });
  const consensus: Consensus = {
    start: () => [{ kind: "elected", term: 1 }],
    appended: () => [],
    flushed: (index) => [{ kind: "committed", index }],
    read: () => [],
  };
  const retention = { historyMs: Infinity, historyBytes: Infinity, callerIdleMs: Infinity };
  const replica = new Replica({ base, head, consensus, time, retention });
  let reply: Reply | undefined;
  for (const step of [{ kind: "start" }, { kind: "flushed", index: 1 }, ...steps] as const) {
    for (const output of replica.step(step, NOW)) if (output.kind === "reply") reply = output.reply;
  }
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
