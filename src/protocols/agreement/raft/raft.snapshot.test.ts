/** Snapshots in chunks: Raft §7, with offsets. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  alone,
  diskOf as disk,
  entriesOf as entries,
  hears,
  says,
  termsOf,
} from "../../../verify/raft/lone-member.ts";
import { ManualCluster } from "../../../verify/raft/manual-cluster.ts";
import { blank } from "../../../verify/raft/sim-member.ts";
import type { Message, MessageBody } from "./messages.ts";
import { startRaft } from "./raft.ts";

describe("§7 Log compaction", () => {
  test("[RAFT-7-1] a follower whose entries are gone gets the snapshot, then the log", () => {
    const cluster = new ManualCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    for (const value of ["alpha", "beta", "gamma"]) {
      cluster.propose(1, value);
      cluster.settle();
    }
    cluster.member(1).snapshot(0);
    cluster.propose(1, "delta");
    cluster.settle();
    cluster.heal();
    cluster.tick(1, 1);
    cluster.settle();
    cluster.tick(1, 1);
    cluster.settle();
    const third = cluster.member(3);
    assert.deepEqual([third.state, third.raft.log.first], ["alpha;beta;gamma;delta;", 5]);
    assert.deepEqual(third.disk.snapshot.config.voters, [1, 2, 3]);
  });

  test("[RAFT-7-2] a snapshot that is not ahead is acknowledged and not kept", () => {
    const member = alone(disk([1, 2], 1, 0, 1, 1));
    hears(member, 2, 1, { kind: "append", prevIndex: 2, prevTerm: 1, entries: [], commit: 2 });
    says(member);
    const snapshot = { ...blank([1, 2]).snapshot, index: 1, term: 1, source: 2 };
    hears(member, 2, 1, {
      kind: "chunk",
      snapshot,
      offset: 0,
      data: new Uint8Array(0),
      last: true,
    });
    assert.deepEqual(
      says(member).map((reply) => reply.kind === "appendReply" && reply.index),
      [2],
    );
    assert.deepEqual(termsOf(member), [1, 1]);
  });

  test("[RAFT-7-3] a snapshot whose last entry the log holds keeps what follows it", () => {
    const member = alone(disk([1, 2], 1, 0, 1, 1, 1));
    const snapshot = { ...blank([1, 2]).snapshot, index: 2, term: 1, source: 2 };
    hears(member, 2, 1, {
      kind: "chunk",
      snapshot,
      offset: 0,
      data: new Uint8Array(0),
      last: true,
    });
    assert.deepEqual([termsOf(member), member.raft.log.commit], [[1, 1, 1], 2]);
  });

  test("[RAFT-7-4] a chunk out of order is answered with where to go on", () => {
    const member = alone(blank([1, 2]));
    const snapshot = { ...blank([1, 2]).snapshot, index: 9, term: 1, source: 2 };
    const data = new Uint8Array(4);
    const next = [0, 8, 0, 4].map((offset) => {
      hears(member, 2, 1, { kind: "chunk", snapshot, offset, data, last: false });
      return says(member).map((reply) => (reply.kind === "chunkReply" ? reply.next : reply.kind));
    });
    assert.deepEqual(next, [[4], [4], [4], [8]]);
  });

  test("[RAFT-7-6] a snapshot that is complete when a later leader's entries are there already replaces nothing", () => {
    const raft = startRaft({ id: 1, random: () => 0 }, blank([1, 2, 3]));
    const give = (from: number, term: number, body: MessageBody): void => {
      raft.step({ kind: "message", message: { from, to: 1, term, ...body } as Message });
    };
    const write = (): void => {
      for (let { write } = raft.ready(); write !== undefined; { write } = raft.ready())
        raft.step({ kind: "written", ticket: write.ticket });
    };
    const snapshot = { ...blank([1, 2, 3]).snapshot, index: 2, term: 1, source: 2 };
    give(2, 1, { kind: "chunk", snapshot, offset: 0, data: new Uint8Array(4), last: true });
    const first = raft.ready();
    assert.equal(first.chunkWrites[0]?.last, true);
    raft.step({ kind: "written", ticket: first.write?.ticket ?? 0 });
    // While the host is writing that chunk, the leader of term 2 brings the log and hears that it is stable.
    const list = entries(1, 1, 2, 2);
    give(3, 2, { kind: "append", prevIndex: 0, prevTerm: 0, entries: list, commit: 0 });
    write();
    assert.equal(raft.log.written, 4);
    raft.step({ kind: "chunkWritten", index: 2, next: 4, valid: true });
    write();
    assert.deepEqual([raft.log.last, raft.log.written, raft.log.commit], [4, 4, 2]);
  });

  test("[RAFT-7-5] the configuration at a snapshot goes with it, not the newest", () => {
    const cluster = new ManualCluster([1, 2, 3]);
    cluster.elect(1);
    const first = cluster.member(1);
    cluster.step(1, { kind: "change", changes: [{ kind: "addLearner", member: 4 }] });
    first.snapshot(0);
    cluster.settle();
    assert.deepEqual(first.disk.snapshot.config.learners, []);
    assert.deepEqual(first.raft.config.learners, [4]);
    first.snapshot(0);
    assert.deepEqual(first.disk.snapshot.config.learners, [4]);
  });
});
