/** A member that lost part of its log: it votes by where the log ended, does not stand, and is fed from where it ends now. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  alone,
  diskOf as disk,
  entriesOf as entries,
  hears,
  says,
} from "../../../verify/raft/lone-member.ts";
import { ManualCluster } from "../../../verify/raft/manual-cluster.ts";
import type { MessageBody } from "./messages.ts";

const THREE = [1, 2, 3];
/** Of a log that ended at entry 4 of term 2 two entries of term 1 are left. */
const LOST = { ...disk(THREE, 3, 0, 1, 1), lost: { index: 4, term: 2 } };

for (const [lastIndex, lastTerm, granted] of [
  [4, 2, true],
  [9, 2, true],
  [3, 2, false],
  [9, 1, false],
  [3, 3, true],
] as const)
  test(`[RAFT-LOST-1] a member whose log ended at 4/2 ${granted ? "grants" : "refuses"} a vote to one that ends ${lastIndex}/${lastTerm}`, () => {
    for (const kind of ["vote", "preVote"] as const) {
      const member = alone(LOST);
      hears(member, 2, 4, { kind, lastIndex, lastTerm, transfer: false } as MessageBody);
      const [reply] = says(member);
      assert.ok(reply !== undefined && "granted" in reply);
      assert.equal(reply.granted, granted);
    }
  });

test("[RAFT-LOST-1] it does not stand, however long it hears nobody, nor when it is asked to take over", () => {
  const member = alone(LOST);
  member.step({ kind: "tick", count: 1_000 });
  member.step({ kind: "campaign" });
  hears(member, 2, 3, { kind: "heartbeat", commit: 0, round: 0 });
  hears(member, 2, 3, { kind: "timeoutNow" });
  assert.deepEqual(
    [member.raft.role, member.raft.term, member.raft.isRepairing],
    ["follower", 3, true],
  );
});

test("[RAFT-LOST-1] a leader that knows of more is told where the log ends now; it is whole when it is as far on stable storage", () => {
  const member = alone(LOST);
  hears(member, 2, 3, { kind: "heartbeat", commit: 4, round: 1 });
  const refused = says(member).find(({ kind }) => kind === "appendRefused");
  assert.deepEqual(refused, {
    ...{ from: 1, to: 2, term: 3, kind: "appendRefused" },
    ...{ prevIndex: 0, hintIndex: 2, hintTerm: 1 },
  });
  assert.equal(member.raft.log.commit, 0, "what is left was not compared with the leader's");
  const more = entries(1, 1, 2, 2).slice(2);
  hears(member, 2, 3, { kind: "append", prevIndex: 2, prevTerm: 1, entries: more, commit: 3 });
  assert.ok(member.raft.isRepairing, "it is not written");
  member.flushAll();
  assert.deepEqual([member.raft.isRepairing, member.raft.log.commit], [false, 3]);
});

test("[RAFT-LOST-1] a follower of which the leader has everything acknowledged is fed again from where its log ends (three members)", () => {
  const cluster = new ManualCluster(THREE);
  cluster.elect(1);
  for (let at = 0; at < 5; at++) cluster.step(1, { kind: "propose", data: new Uint8Array(1) });
  cluster.settle();
  cluster.tick(1, 2);
  cluster.settle();
  const { raft } = cluster.member(1);
  const { last, term } = { last: raft.log.last, term: raft.term };
  assert.equal(raft.progress.get(2)?.match, last);
  cluster.start(2, { ...disk(THREE, term, 1), lost: { index: last, term } });
  for (let beat = 0; beat < 6; beat++) {
    cluster.tick(1, 2);
    cluster.settle();
  }
  const { raft: mended } = cluster.member(2);
  assert.deepEqual(
    [mended.isRepairing, mended.log.last, mended.log.commit, raft.progress.get(2)?.match],
    [false, last, last, last],
  );
});
