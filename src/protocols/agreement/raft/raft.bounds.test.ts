/** Every queue of the machine has a limit, and what is beyond it is refused or waits. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { QuorateError } from "../../../base/errors.ts";
import { ManualCluster } from "../../../verify/raft/manual-cluster.ts";
import { blank } from "../../../verify/raft/sim-member.ts";
import type { Message } from "./messages.ts";
import { entryBytes } from "./messages.ts";
import type { RaftOptions } from "./options.ts";
import { startRaft } from "./raft.ts";

const THREE = [1, 2, 3];
const VALUE = "0123456789";
/** What an entry with that value costs. */
const COST = entryBytes({ index: 1, term: 1, kind: "data", data: new Uint8Array(10) });

const appends = (messages: readonly Message[], to: number): number =>
  messages.filter((message) => message.kind === "append" && message.to === to).length;

test("[RAFT-FLOW-1] so many messages and bytes are on their way to a follower, and no more", () => {
  for (const options of [{ inflightMessagesMax: 4 }, { inflightBytesMax: 4 * COST }]) {
    const cluster = new ManualCluster(THREE, { ...options, appendBytesMax: 1 });
    cluster.elect(1);
    for (let at = 0; at < 20; at++) cluster.propose(1, VALUE);
    assert.equal(appends(cluster.wire, 2), 4);
    cluster.settle();
    assert.equal(cluster.member(2).state.length, 20 * (VALUE.length + 1), "the rest follows");
  }
});

test("[RAFT-FLOW-2] a window whose messages or answers were lost opens again with the heartbeats", () => {
  const cluster = new ManualCluster(THREE, { inflightMessagesMax: 1, appendBytesMax: 1 });
  cluster.elect(1);
  cluster.isolate(2);
  for (let at = 0; at < 10; at++) cluster.propose(1, VALUE);
  cluster.settle();
  cluster.heal();
  for (let beat = 0; beat < 20; beat++) {
    cluster.tick(1, 1);
    cluster.settle();
  }
  assert.equal(cluster.member(2).state, cluster.member(1).state);
});

test("[RAFT-FLOW-3] a message holds at most so many bytes of entries, but always one", () => {
  const cluster = new ManualCluster(THREE, { appendBytesMax: 3 * COST });
  cluster.elect(1);
  const { raft } = cluster.member(1);
  for (let at = 0; at < 7; at++) raft.step({ kind: "propose", data: new Uint8Array(10) });
  raft.step({ kind: "propose", data: new Uint8Array(10 * COST) });
  const sizes = raft
    .ready()
    .messages.flatMap((message) =>
      message.kind === "append" && message.to === 2 ? [message.entries.length] : [],
    );
  assert.deepEqual(sizes, [3, 3, 1, 1]);
});

test("[RAFT-FLOW-4] beyond so many uncommitted bytes proposals are OVERLOADED, definite, until some are committed", () => {
  const cluster = new ManualCluster(THREE, { uncommittedBytesMax: 3 * COST });
  cluster.elect(1);
  cluster.isolate(1);
  const codes = Array.from({ length: 5 }, () => {
    const admitted = cluster.propose(1, VALUE);
    return admitted?.ok === false ? admitted.failure.code : "ok";
  });
  assert.deepEqual(codes, ["ok", "ok", "ok", "OVERLOADED", "OVERLOADED"]);
  cluster.heal();
  cluster.tick(1, 1);
  cluster.settle();
  assert.equal(cluster.propose(1, VALUE)?.ok, true);
});

test("[RAFT-FLOW-5] a follower whose disk is slow takes no more than it may hold unwritten", () => {
  const cluster = new ManualCluster(THREE, { unwrittenBytesMax: 3 * COST, appendBytesMax: 1 });
  cluster.elect(1);
  for (let at = 0; at < 50; at++) cluster.propose(1, VALUE);
  cluster.deliver({ to: 2 });
  const { log } = cluster.member(2).raft;
  assert.ok(log.unwrittenBytes <= 4 * COST, String(log.unwrittenBytes));
  for (let beat = 0; beat < 100; beat++) {
    cluster.tick(1, 1);
    cluster.settle();
  }
  assert.equal(cluster.member(2).state, cluster.member(1).state);
});

test("[RAFT-FLOW-6] committed entries are handed out in parts, the next one when the last is applied", () => {
  const data = new Uint8Array(10);
  const entries = Array.from({ length: 10 }, (_, at) => ({
    index: at + 1,
    term: 1,
    kind: "data" as const,
    data,
  }));
  const options: RaftOptions = { id: 1, random: () => 0, applyBytesMax: 4 * COST };
  const raft = startRaft(options, { ...blank([1]), hardState: { term: 1, vote: 1 }, entries });
  raft.step({ kind: "campaign" });
  const handed: number[] = [];
  for (let at = 0; at < 10; at++) {
    const { write, apply } = raft.ready();
    if (write !== undefined) raft.step({ kind: "written", ticket: write.ticket });
    if (apply.length === 0) continue;
    assert.deepEqual(raft.ready().apply, [], "nothing before these are applied");
    handed.push(apply.length);
    raft.step({ kind: "applied", index: apply.at(-1)?.index ?? 0 });
  }
  assert.deepEqual(handed, [4, 4, 3]);
});

test("[RAFT-FLOW-7] so many reads wait, then they are OVERLOADED, definite", () => {
  const cluster = new ManualCluster(THREE, { readsMax: 2 });
  cluster.elect(1);
  const codes = [1, 2, 3].map((id) => {
    const admitted = cluster.step(1, { kind: "read", id });
    return admitted?.ok === false ? [admitted.failure.code, admitted.failure.outcome] : "ok";
  });
  assert.deepEqual(codes, ["ok", "ok", ["OVERLOADED", "definite"]]);
});

test("[RAFT-FLOW-8] one write is under way; what comes meanwhile is in the next one, whole", () => {
  const cluster = new ManualCluster([1]);
  cluster.elect(1);
  const member = cluster.member(1);
  for (let at = 0; at < 5; at++) cluster.propose(1, VALUE);
  assert.equal(member.pending?.entries.length, 1);
  member.flush();
  assert.equal(member.pending?.entries.length, 4);
  member.flush();
  assert.equal(member.pending, undefined);
  assert.equal(member.state, `${VALUE};`.repeat(5));
});

test("[RAFT-FLOW-9] entries that a snapshot covers are let go, but for those that are asked to be kept", () => {
  const cluster = new ManualCluster(THREE);
  cluster.elect(1);
  for (let at = 0; at < 9; at++) cluster.propose(1, VALUE);
  cluster.settle();
  cluster.member(1).snapshot(3);
  assert.deepEqual([cluster.member(1).raft.log.first, cluster.member(1).raft.log.last], [8, 10]);
});

test("[RAFT-OPTIONS-1] options that contradict each other are CONFIG, definite", () => {
  for (const wrong of [
    { id: 0 },
    { id: 1.5 },
    { electionTicks: 1 },
    { electionTicks: 3, heartbeatTicks: 3 },
    { heartbeatTicks: 0 },
    { appendBytesMax: 0 },
    { readsMax: Number.NaN },
  ])
    assert.throws(
      () => startRaft({ id: 1, random: () => 0, ...wrong }, blank([1])),
      (error) => QuorateError.is(error, "CONFIG") && error.outcome === "definite",
      JSON.stringify(wrong),
    );
});
