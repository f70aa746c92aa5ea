/** The claims of Ongaro's dissertation (2014) beyond the paper, in its order, and where we add to them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { prng } from "../../../base/prng.ts";
import { electedCluster, ManualCluster } from "../../../verify/raft/manual-cluster.ts";
import { planted } from "../../../verify/raft/planted.ts";
import { blank } from "../../../verify/raft/sim-member.ts";
import type { Change } from "./configuration.ts";
import type { Admitted } from "./inputs.ts";
import type { Rules } from "./rules.ts";

const THREE = [1, 2, 3];

function code(admitted: Admitted | undefined): string {
  assert.ok(admitted !== undefined);
  return admitted.ok ? "ok" : admitted.failure.code;
}

const change = (cluster: ManualCluster, ...changes: readonly Change[]): string =>
  code(cluster.step(1, { kind: "change", changes }));

function add(cluster: ManualCluster, id: number): void {
  cluster.start(id, blank([]));
  assert.equal(change(cluster, { kind: "addLearner", member: id }), "ok");
  cluster.settle();
  cluster.beat();
}

describe("§3.10 Leadership transfer", () => {
  test("[RAFT-TRANSFER-1] the other leads within a round trip, in spite of a leader that is heard", () => {
    const cluster = electedCluster(THREE);
    assert.equal(code(cluster.step(1, { kind: "transfer", to: 2 })), "ok");
    cluster.settle();
    assert.deepEqual([cluster.leader(), cluster.member(2).raft.term], [2, 2]);
  });

  test("[RAFT-TRANSFER-2] nothing is admitted meanwhile; the refusal names the other", () => {
    const cluster = electedCluster(THREE);
    cluster.isolate(2);
    cluster.step(1, { kind: "transfer", to: 2 });
    const refused = cluster.propose(1, "x");
    assert.ok(refused?.ok === false);
    assert.deepEqual(
      [refused.failure.code, refused.failure.outcome, refused.failure.details?.["leader"]],
      ["NOT_LEADER", "definite", 2],
    );
  });

  test("[RAFT-TRANSFER-3] a transfer that does not come about ends after an election time-out", () => {
    const cluster = electedCluster(THREE, { electionTicks: 4 });
    cluster.isolate(2);
    cluster.step(1, { kind: "transfer", to: 2 });
    cluster.beat(3);
    assert.equal(code(cluster.propose(1, "x")), "NOT_LEADER");
    cluster.beat(1);
    assert.equal(code(cluster.propose(1, "x")), "ok");
  });

  test("[RAFT-TRANSFER-4] a member that is behind is brought up to date first", () => {
    const cluster = electedCluster(THREE);
    cluster.isolate(2);
    cluster.propose(1, "x");
    cluster.settle();
    cluster.heal();
    cluster.step(1, { kind: "transfer", to: 2 });
    assert.ok(cluster.wire.every(({ kind }) => kind !== "timeoutNow"));
    cluster.beat();
    assert.deepEqual([cluster.leader(), cluster.member(2).state], [2, "x;"]);
  });

  test("[RAFT-TRANSFER-5] only another voter can be named", () => {
    const cluster = electedCluster(THREE);
    add(cluster, 4);
    for (const to of [1, 4, 9])
      assert.equal(code(cluster.step(1, { kind: "transfer", to })), "INVALID");
  });
});

describe("§4 Cluster membership changes", () => {
  test("[RAFT-MEMBER-1] a configuration is in force once it is in the log, and no longer when it is cut", () => {
    const cluster = electedCluster(THREE);
    cluster.isolate(1);
    assert.equal(change(cluster, { kind: "remove", member: 3 }), "ok");
    assert.deepEqual(cluster.member(1).raft.config.voters, [1, 2]);
    cluster.step(2, { kind: "connectionLost", member: 1 });
    cluster.step(3, { kind: "connectionLost", member: 1 });
    cluster.elect(2);
    cluster.heal();
    cluster.beat();
    assert.deepEqual(cluster.member(1).raft.config.voters, [1, 2, 3]);
  });

  test("[RAFT-MEMBER-2] no change before an entry of the term is committed, none before the last one is", () => {
    const cluster = electedCluster(THREE);
    assert.equal(change(cluster, { kind: "addLearner", member: 4 }), "ok");
    assert.equal(change(cluster, { kind: "addLearner", member: 5 }), "CONTENTION");
    cluster.settle();
    assert.equal(change(cluster, { kind: "addLearner", member: 5 }), "ok");
    const fresh = new ManualCluster(THREE);
    fresh.cut(1, 3);
    fresh.step(1, { kind: "campaign" });
    for (let at = 0; at < 4; at++) {
      fresh.deliver({ kind: "preVote" });
      fresh.deliver({ kind: "preVoteReply" });
      fresh.flushAll();
      fresh.deliver({ kind: "vote" });
      fresh.deliver({ kind: "voteReply" });
    }
    assert.equal(fresh.leader(), 1);
    assert.equal(change(fresh, { kind: "remove", member: 3 }), "CONTENTION");
  });

  test("[RAFT-MEMBER-3] a learner is promoted when it has caught up within an election time-out", () => {
    const cluster = electedCluster(THREE);
    cluster.start(4, blank([]));
    change(cluster, { kind: "addLearner", member: 4 });
    cluster.isolate(4);
    cluster.settle();
    assert.equal(change(cluster, { kind: "promote", member: 4 }), "CONTENTION");
    cluster.beat(30);
    assert.equal(change(cluster, { kind: "promote", member: 4 }), "CONTENTION", "still nothing");
    cluster.heal();
    cluster.beat(2);
    assert.equal(change(cluster, { kind: "promote", member: 4 }), "ok");
    cluster.settle();
    assert.deepEqual(cluster.member(4).raft.config.voters, [1, 2, 3, 4]);
  });

  test("[RAFT-MEMBER-4] a learner that has fallen silent is not promoted", () => {
    const cluster = electedCluster(THREE, { electionTicks: 5 });
    add(cluster, 4);
    cluster.member(4).crash(0);
    cluster.beat(6);
    assert.equal(change(cluster, { kind: "promote", member: 4 }), "CONTENTION");
  });

  test("[RAFT-MEMBER-5] one voter at a time needs no joint configuration, more do, and it is left by itself", () => {
    const cluster = electedCluster(THREE);
    add(cluster, 4);
    add(cluster, 5);
    change(cluster, { kind: "promote", member: 4 });
    assert.deepEqual(cluster.member(1).raft.config.outgoing, []);
    cluster.settle();
    change(
      cluster,
      { kind: "promote", member: 5 },
      { kind: "remove", member: 2 },
      { kind: "remove", member: 3 },
    );
    assert.deepEqual(cluster.member(1).raft.config, {
      voters: [1, 4, 5],
      outgoing: [1, 2, 3, 4],
      learners: [],
    });
    cluster.settle();
    for (const id of [1, 4, 5])
      assert.deepEqual(cluster.member(id).raft.config, {
        voters: [1, 4, 5],
        outgoing: [],
        learners: [],
      });
  });

  test("[RAFT-MEMBER-6] the next leader leaves a joint configuration that it finds", () => {
    const cluster = electedCluster(THREE);
    add(cluster, 4);
    change(cluster, { kind: "promote", member: 4 }, { kind: "remove", member: 3 });
    for (const id of [2, 3, 4]) {
      cluster.deliver({ to: id });
      cluster.flush(id);
    }
    cluster.take();
    cluster.isolate(1);
    for (const id of [2, 3, 4]) cluster.step(id, { kind: "connectionLost", member: 1 });
    cluster.elect(2);
    assert.equal(cluster.leader(), 2);
    assert.deepEqual(cluster.member(4).raft.config, {
      voters: [1, 2, 4],
      outgoing: [],
      learners: [],
    });
  });

  test("[RAFT-MEMBER-7] 1→2→1 voters, with the leader's removal", () => {
    const cluster = electedCluster([1]);
    add(cluster, 2);
    assert.equal(change(cluster, { kind: "promote", member: 2 }), "ok");
    cluster.settle();
    assert.equal(change(cluster, { kind: "remove", member: 1 }), "ok");
    cluster.settle();
    assert.deepEqual([cluster.leader(), cluster.member(2).raft.config.voters], [2, [2]]);
    assert.equal(code(cluster.propose(2, "x")), "ok");
    cluster.settle();
    assert.equal(cluster.member(2).state, "x;");
  });

  test("[RAFT-MEMBER-8] a member whose removal is not known to be committed may stand (§4.2.2), a learner never", () => {
    const cluster = electedCluster(THREE);
    add(cluster, 4);
    change(cluster, { kind: "remove", member: 2 });
    cluster.deliver({ to: 2 });
    for (const id of [2, 4]) {
      cluster.wire = [];
      cluster.tick(id, 30);
      assert.equal(
        cluster.wire.some(({ kind }) => kind === "preVote"),
        id === 2,
      );
    }
  });

  test("[RAFT-MEMBER-9] nonsense is refused as INVALID", () => {
    const cluster = electedCluster([1]);
    for (const changes of [
      [],
      [{ kind: "addLearner", member: 1 }],
      [{ kind: "promote", member: 9 }],
      [{ kind: "promote", member: 1 }],
      [{ kind: "remove", member: 9 }],
      [{ kind: "remove", member: 1 }],
    ] as readonly (readonly Change[])[])
      assert.equal(change(cluster, ...changes), "INVALID", JSON.stringify(changes));
  });

  test("[RAFT-MEMBER-10] a removed member that goes on asking deposes nobody (§4.2.3)", () => {
    const cluster = electedCluster(THREE);
    cluster.isolate(3);
    change(cluster, { kind: "remove", member: 3 });
    cluster.settle();
    cluster.heal();
    cluster.beat(60);
    assert.deepEqual([cluster.leader(), cluster.member(1).raft.term], [1, 1]);
  });
});

describe("§6.2 Routing requests, stale leaders", () => {
  test("[RAFT-QUORUM-1] a leader that hears no majority for an election time-out steps down", () => {
    const run = (rules?: Rules): string => {
      const cluster = electedCluster(THREE, {
        electionTicks: 5,
        ...(rules === undefined ? {} : { rules }),
      });
      // It can send, and hears nothing.
      cluster.cut(2, 1);
      cluster.cut(3, 1);
      cluster.beat(10);
      return cluster.member(1).raft.role;
    };
    assert.equal(run(), "follower");
    assert.equal(
      run(planted("leads on without a majority")),
      "leader",
      "the check sees the mistake",
    );
  });

  test("[RAFT-QUORUM-2] a leader whose disk stands still for an election time-out steps down", () => {
    const cluster = electedCluster(THREE, { electionTicks: 5 });
    cluster.propose(1, "x");
    for (let at = 0; at < 5; at++) {
      cluster.tick(1, 1);
      cluster.deliver();
      cluster.flush(2);
      cluster.flush(3);
    }
    assert.equal(cluster.member(1).raft.role, "follower");
    cluster.step(1, { kind: "campaign" });
    assert.equal(cluster.member(1).raft.role, "follower", "and does not stand while it does");
  });

  test("[RAFT-QUORUM-4] a leader that stood still, and then hears a majority and its disk, goes on", () => {
    const cluster = electedCluster(THREE, { electionTicks: 8 });
    for (let stall = 0; stall < 10; stall++) {
      cluster.propose(1, "x");
      // The write is under way, and ends while nobody looks.
      cluster.step(1, { kind: "tick", count: 100 });
      assert.equal(cluster.member(1).raft.role, "leader", `after stall ${stall}`);
      cluster.settle();
    }
    assert.equal(cluster.member(1).raft.term, 1);
  });

  test("[RAFT-QUORUM-4] a follower that stood still asks nobody for votes before it has listened", () => {
    const cluster = electedCluster(THREE, { electionTicks: 8 });
    for (let stall = 0; stall < 10; stall++) {
      for (const id of [2, 3]) cluster.step(id, { kind: "tick", count: 100 });
      assert.deepEqual(cluster.take({ kind: "preVote" }), []);
      cluster.beat();
    }
    assert.deepEqual([cluster.leader(), cluster.member(2).raft.term], [1, 1]);
  });

  test("[RAFT-QUORUM-4] stalls without a word of a leader in between bring an election all the same", () => {
    const cluster = electedCluster(THREE, { electionTicks: 8 });
    cluster.member(1).crash(0);
    for (let stall = 0; stall < 8; stall++) {
      for (const id of [2, 3]) cluster.step(id, { kind: "tick", count: 100 });
      cluster.settle();
    }
    assert.ok(cluster.leader() !== undefined && cluster.leader() !== 1);
  });

  test("[RAFT-QUORUM-3] who does not lead refuses and says who does", () => {
    const cluster = electedCluster(THREE);
    for (const input of [
      { kind: "propose", data: new Uint8Array(0) },
      { kind: "read", id: 1 },
      { kind: "transfer", to: 3 },
      { kind: "change", changes: [] },
    ] as const) {
      const refused = cluster.step(2, input);
      assert.ok(refused?.ok === false);
      assert.equal(refused.failure.code, "NOT_LEADER");
      assert.equal(refused.failure.details?.["leader"], 1);
    }
  });
});

describe("§9.6 Preventing disruptions", () => {
  test("[RAFT-PREVOTE-1] a member that was cut off disturbs nobody when it comes back", () => {
    const run = (rules?: Rules): number => {
      const cluster = electedCluster(THREE, {
        electionTicks: 5,
        ...(rules === undefined ? {} : { rules }),
      });
      cluster.isolate(3);
      cluster.beat(60);
      cluster.heal();
      cluster.beat(20);
      assert.ok(cluster.leader() !== undefined);
      return cluster.member(1).raft.term;
    };
    assert.equal(run(), 1);
    assert.ok(run(planted("stands without asking first")) > 1, "the check sees the mistake");
  });

  test("[RAFT-PREVOTE-2] a member that hears a leader grants nothing; one link that is cut deposes nobody", () => {
    const run = (rules?: Rules): number => {
      const cluster = electedCluster([1, 2, 3, 4, 5], {
        electionTicks: 5,
        ...(rules === undefined ? {} : { rules }),
      });
      // 5 does not hear the leader and reaches everybody else (Cloudflare, 2 November 2020).
      cluster.cut(1, 5);
      cluster.beat(60);
      return Math.max(...[...cluster.members.values()].map(({ raft }) => raft.term));
    };
    assert.equal(run(), 1);
    assert.ok(
      run(planted("grants votes while a leader is heard")) > 1,
      "the check sees the mistake",
    );
  });

  test("[RAFT-PREVOTE-3] members that know a later term bring it to a cluster that does not", () => {
    const cluster = new ManualCluster([]);
    const disk = (term: number): ReturnType<typeof blank> => ({
      ...blank(THREE),
      hardState: { term, vote: 0 },
    });
    cluster.start(1, disk(1));
    cluster.start(2, disk(1));
    cluster.start(3, disk(9));
    cluster.isolate(3);
    cluster.elect(1);
    cluster.heal();
    cluster.beat(60);
    assert.ok(cluster.leader() !== undefined);
    assert.deepEqual(
      [...cluster.members.values()].map(({ raft }) => raft.leader),
      [cluster.leader(), cluster.leader(), cluster.leader()],
    );
  });

  test("[RAFT-PREVOTE-4] a broken connection to the leader brings an election within an election time-out", () => {
    let drawn = 0;
    const cluster = electedCluster(THREE, {
      electionTicks: 10,
      random: (bound) => drawn++ % bound,
    });
    cluster.member(1).crash(0);
    for (const id of [2, 3]) cluster.step(id, { kind: "connectionLost", member: 1 });
    cluster.beat(7);
    assert.ok(cluster.leader() !== undefined);
  });

  test("[RAFT-PREVOTE-6] whose connections to the leader break at once take turns: the votes are not split", () => {
    for (const voters of [THREE, [1, 2, 3, 4, 5]]) {
      const cluster = electedCluster(voters, { electionTicks: 10 });
      cluster.member(1).crash(0);
      const rest = voters.filter((id) => id !== 1);
      // Each of the two connections to the leader tells of its end.
      for (const id of [...rest, ...rest]) cluster.step(id, { kind: "connectionLost", member: 1 });
      // All clocks go as one, and nothing is heard before each has had its tick.
      for (let at = 0; at < 7 && cluster.leader() === undefined; at++) {
        for (const id of rest) cluster.tick(id, 1);
        cluster.settle();
      }
      assert.deepEqual([cluster.leader(), cluster.member(2).raft.term], [2, 2]);
    }
  });

  test("[RAFT-PREVOTE-7] after a split vote the next one comes within half an election time-out, and is not split", () => {
    const cluster = electedCluster(THREE, { electionTicks: 10 });
    cluster.member(1).crash(0);
    for (const id of [2, 3]) cluster.step(id, { kind: "campaign" });
    // Both ask before either has heard the other, and both stand.
    cluster.deliver({ kind: "preVote" });
    cluster.deliver({ kind: "preVoteReply" });
    assert.deepEqual(
      [2, 3].map((id) => cluster.member(id).raft.role),
      ["candidate", "candidate"],
    );
    cluster.settle();
    assert.equal(cluster.leader(), undefined);
    for (let at = 0; at < 5 && cluster.leader() === undefined; at++) {
      for (const id of [2, 3]) cluster.tick(id, 1);
      cluster.settle();
    }
    assert.ok(cluster.leader() !== undefined);
    assert.equal(cluster.member(2).raft.term, 3);
  });

  test("[RAFT-PREVOTE-7] who was removed, and does not know that to be committed, stands after those who stay: they do not split the vote for ever", () => {
    const cluster = electedCluster(THREE, { electionTicks: 10 });
    cluster.step(1, { kind: "change", changes: [{ kind: "remove", member: 1 }] });
    cluster.flushAll();
    cluster.deliver({ to: 2, kind: "append" });
    cluster.flushAll();
    cluster.take();
    cluster.member(1).crash(0);
    cluster.member(1).restart();
    for (const id of [1, 2]) cluster.step(id, { kind: "campaign" });
    for (let at = 0; at < 20 && cluster.leader() === undefined; at++) {
      for (const id of THREE) cluster.tick(id, 1);
      cluster.settle();
    }
    assert.equal(cluster.leader(), 2);
    assert.deepEqual(cluster.member(3).raft.config.voters, [2, 3]);
  });

  test("[RAFT-PREVOTE-8] two who take their turns from different configurations split one vote that way, not one after the other", () => {
    const random = prng(1);
    const cluster = electedCluster(THREE, { electionTicks: 10, random: (n) => random.below(n) });
    cluster.cut(1, 2);
    cluster.step(1, { kind: "propose", data: new Uint8Array(1) });
    cluster.settle();
    cluster.heal();
    // 2 lacks an entry and cannot win; 1 comes third, after 2 and 3, and 3 as well, after 1 and 2.
    cluster.step(1, { kind: "change", changes: [{ kind: "remove", member: 1 }] });
    cluster.flushAll();
    cluster.take();
    cluster.member(1).crash(0);
    cluster.member(1).restart();
    for (const id of [2, 3]) cluster.step(id, { kind: "connectionLost", member: 1 });
    for (const id of [1, 3]) cluster.step(id, { kind: "campaign" });
    for (let at = 0; at < 100 && cluster.leader() === undefined; at++) {
      for (const id of THREE) cluster.tick(id, 1);
      cluster.settle();
    }
    assert.ok(cluster.leader() !== undefined);
    assert.ok(cluster.member(2).raft.term < 6, `term ${cluster.member(2).raft.term}`);
  });

  test("[RAFT-PREVOTE-5] one follower's broken connection deposes nobody whom the others hear", () => {
    const cluster = electedCluster(THREE, { electionTicks: 10 });
    cluster.step(2, { kind: "connectionLost", member: 1 });
    cluster.cut(1, 2);
    cluster.cut(2, 1);
    cluster.beat(8);
    assert.deepEqual([cluster.leader(), cluster.member(3).raft.term], [1, 1]);
  });
});
