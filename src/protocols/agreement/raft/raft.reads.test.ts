/** Reads without the log: Ongaro's dissertation §6.4, and leases with the rule that we add. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { electedCluster, ManualCluster } from "../../../verify/raft/manual-cluster.ts";
import { planted } from "../../../verify/raft/planted.ts";
import { Violation } from "../../../verify/raft/safety.ts";
import type { Rules } from "./rules.ts";

const THREE = [1, 2, 3];

describe("§6.4 Read-only queries", () => {
  test("[RAFT-READ-1] a read is confirmed by a majority's answers to a heartbeat after it", () => {
    const cluster = electedCluster(THREE);
    cluster.step(1, { kind: "read", id: 1 });
    cluster.step(1, { kind: "read", id: 2 });
    assert.deepEqual(cluster.member(1).reads, []);
    cluster.deliver({ to: 2 });
    cluster.deliver({ from: 2 });
    assert.deepEqual(
      cluster.member(1).reads,
      [{ id: 1, index: 1 }],
      "2 came after the round began",
    );
    cluster.settle();
    assert.deepEqual(cluster.member(1).reads, [
      { id: 1, index: 1 },
      { id: 2, index: 1 },
    ]);
  });

  test("[RAFT-READ-2] a round whose messages are lost is asked again with the next heartbeat", () => {
    const cluster = electedCluster(THREE);
    cluster.step(1, { kind: "read", id: 1 });
    cluster.take();
    cluster.beat();
    assert.equal(cluster.member(1).reads.length, 1);
  });

  test("[RAFT-READ-3] a new leader confirms nothing before it has committed, then with an index that holds all", () => {
    const cluster = electedCluster(THREE);
    cluster.propose(1, "x");
    cluster.settle();
    cluster.step(1, { kind: "transfer", to: 2 });
    for (let at = 0; at < 20 && cluster.leader() !== 2; at++) {
      cluster.flushAll();
      cluster.deliver({ kind: "timeoutNow" });
      cluster.deliver({ kind: "vote" });
      cluster.deliver({ kind: "voteReply" });
    }
    cluster.step(2, { kind: "read", id: 1 });
    assert.ok(
      cluster.wire.every(({ kind }) => kind !== "heartbeat"),
      "not even asked",
    );
    cluster.settle();
    assert.deepEqual(cluster.member(2).reads, [{ id: 1, index: 3 }]);
  });

  test("[RAFT-READ-4] lost leadership refuses the reads that wait", () => {
    const cluster = electedCluster(THREE, { electionTicks: 5 });
    cluster.isolate(1);
    cluster.step(1, { kind: "read", id: 7 });
    cluster.step(1, { kind: "read", id: 8 });
    cluster.tick(1, 10);
    assert.deepEqual(cluster.member(1).refusedReads, [7, 8]);
  });

  test("[RAFT-READ-5] one voter confirms at once", () => {
    const cluster = electedCluster([1]);
    cluster.step(1, { kind: "read", id: 1 });
    assert.deepEqual(cluster.member(1).reads, [{ id: 1, index: 1 }]);
  });
});

describe("§6.4.1 Leases", () => {
  const lease = { electionTicks: 10, lease: { marginTicks: 3 } };
  const begun = (rules?: Rules): ManualCluster => {
    const cluster = new ManualCluster(THREE, {
      ...lease,
      ...(rules === undefined ? {} : { rules }),
    });
    cluster.beat(10);
    cluster.elect(1);
    cluster.beat(2);
    return cluster;
  };

  test("[RAFT-LEASE-2] within the lease a read asks nobody, past it it waits", () => {
    const cluster = begun();
    cluster.step(1, { kind: "read", id: 1 });
    assert.equal(cluster.member(1).reads.length, 1);
    assert.equal(cluster.wire.length, 0);
    cluster.isolate(1);
    // What came before the cut vouches for seven ticks since it was sent.
    for (let tick = 1; tick <= 7; tick++) cluster.tick(1, 1);
    cluster.step(1, { kind: "read", id: 2 });
    assert.equal(cluster.member(1).reads.length, 1);
  });

  test("[RAFT-LEASE-3] followers elect nobody while a lease may hold, also after a restart or a broken connection", () => {
    const cluster = begun();
    cluster.isolate(1);
    cluster.member(3).crash(0);
    cluster.member(3).restart();
    cluster.step(2, { kind: "connectionLost", member: 1 });
    for (let tick = 0; tick < 8; tick++) {
      cluster.step(2, { kind: "campaign" });
      cluster.beat(1);
      assert.equal(cluster.leader(), 1, `tick ${tick}`);
      cluster.step(1, { kind: "read", id: 10 + tick });
    }
  });

  test("[RAFT-LEASE-4] once a transfer was asked for, the lease is not trusted for the rest of the term", () => {
    const run = (rules?: Rules): void => {
      const cluster = begun(rules);
      cluster.step(1, { kind: "transfer", to: 2 });
      const [late] = cluster.take({ kind: "timeoutNow" });
      cluster.beat(12);
      assert.ok(late !== undefined);
      cluster.cut(2, 1);
      cluster.cut(3, 1);
      cluster.give(late);
      cluster.settle();
      assert.equal(cluster.leader(), 2);
      cluster.propose(2, "x");
      cluster.settle();
      cluster.safety.readBegan(1);
      cluster.step(1, { kind: "read", id: 1 });
    };
    run();
    assert.throws(() => run(planted("keeps its lease through a transfer")), Violation);
  });

  test("[RAFT-LEASE-5] a margin that leaves nothing, or less than counting ticks loses, is refused", () => {
    for (const marginTicks of [0, 1, 10])
      assert.throws(
        () => new ManualCluster([1], { electionTicks: 10, lease: { marginTicks } }),
        /CONFIG/,
      );
  });
});
