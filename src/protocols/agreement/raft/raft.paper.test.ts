/** The claims of "In Search of an Understandable Consensus Algorithm" (Ongaro and Ousterhout 2014), in its order. */
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
import { planted } from "../../../verify/raft/planted.ts";
import { blank } from "../../../verify/raft/sim-member.ts";
import type { Entry, MessageBody } from "./messages.ts";
import type { Rules } from "./rules.ts";
import { RULES } from "./rules.ts";

describe("§5.1 Raft basics", () => {
  const THREE = [1, 2, 3];
  const asLeader: MessageBody = { kind: "heartbeat", commit: 0, round: 0 };

  test("[RAFT-5.1-1] a member that sees a later term takes it and follows", () => {
    for (const role of ["follower", "candidate", "leader"]) {
      const cluster = new ManualCluster(THREE);
      if (role === "leader") cluster.elect(1);
      if (role === "candidate") {
        cluster.step(1, { kind: "campaign" });
        hears(cluster.member(1), 2, 1, { kind: "preVoteReply", granted: true });
      }
      const member = cluster.member(1);
      assert.equal(member.raft.role, role);
      hears(member, 2, 7, asLeader);
      assert.deepEqual(
        [member.raft.role, member.raft.term, member.raft.leader],
        ["follower", 7, 2],
      );
    }
  });

  test("[RAFT-5.1-2] a request of an earlier term is refused and changes nothing", () => {
    const member = alone(disk(THREE, 5, 0, 1));
    hears(member, 2, 4, { kind: "append", prevIndex: 0, prevTerm: 0, entries: [], commit: 1 });
    hears(member, 2, 4, { kind: "vote", lastIndex: 9, lastTerm: 4, transfer: false });
    assert.deepEqual(
      says(member).map(({ kind, term }) => [kind, term]),
      [
        ["outdated", 5],
        ["voteReply", 5],
      ],
    );
    assert.deepEqual([member.raft.term, member.raft.log.commit, member.raft.vote], [5, 0, 0]);
  });

  test("[RAFT-5.1-3] a term and a vote are stable before they are said", () => {
    const member = alone(blank(THREE));
    hears(member, 2, 3, { kind: "vote", lastIndex: 0, lastTerm: 0, transfer: false });
    assert.equal(member.out.length, 0);
    member.crash(0);
    member.restart();
    assert.deepEqual([member.raft.term, member.raft.vote], [0, 0]);
    hears(member, 2, 3, { kind: "vote", lastIndex: 0, lastTerm: 0, transfer: false });
    member.flush();
    assert.equal(member.out[0]?.kind, "voteReply");
    member.crash(0);
    member.restart();
    assert.deepEqual([member.raft.term, member.raft.vote], [3, 2]);
  });
});

describe("§5.2 Leader election", () => {
  test("[RAFT-5.2-1] without a leader a follower asks for votes after an election time-out, not before", () => {
    const cluster = new ManualCluster([1, 2, 3], { electionTicks: 10, random: () => 4 });
    cluster.tick(1, 13);
    assert.equal(cluster.wire.length, 0);
    cluster.tick(1, 1);
    assert.deepEqual(
      cluster.wire.map(({ kind, to, term }) => [kind, to, term]),
      [
        ["preVote", 2, 1],
        ["preVote", 3, 1],
      ],
    );
  });

  test("[RAFT-5.2-2] heartbeats keep followers from asking", () => {
    const cluster = new ManualCluster([1, 2, 3], { electionTicks: 5 });
    cluster.elect(1);
    for (let at = 0; at < 40; at++) {
      for (const id of [1, 2, 3]) cluster.tick(id, 1);
      cluster.settle();
    }
    assert.deepEqual([cluster.leader(), cluster.member(1).raft.term], [1, 1]);
  });

  // Votes needed of those given: 1 of 1, 2 of 3, 3 of 5, 3 of 4.
  for (const [size, granted, role] of [
    [1, 0, "leader"],
    [3, 0, "candidate"],
    [3, 1, "leader"],
    [4, 1, "candidate"],
    [4, 2, "leader"],
    [5, 1, "candidate"],
    [5, 2, "leader"],
  ] as const) {
    test(`[RAFT-5.2-3] with ${granted} votes of others of ${size} a candidate is ${role}`, () => {
      const voters = Array.from({ length: size }, (_, at) => at + 1);
      const cluster = new ManualCluster([]);
      const member = cluster.start(1, blank(voters));
      member.step({ kind: "campaign" });
      for (const id of voters.slice(1))
        hears(member, id, 1, { kind: "preVoteReply", granted: true });
      member.flushAll();
      for (const id of voters.slice(1, granted + 1))
        hears(member, id, 1, { kind: "voteReply", granted: true });
      assert.equal(member.raft.role, role);
    });
  }

  test("[RAFT-5.2-4] a candidate's own vote counts once it is stable", () => {
    const member = alone(blank([1, 2]));
    member.step({ kind: "campaign" });
    hears(member, 2, 1, { kind: "preVoteReply", granted: true });
    hears(member, 2, 1, { kind: "voteReply", granted: true });
    assert.equal(member.raft.role, "candidate");
    member.flush();
    assert.equal(member.raft.role, "leader");
  });

  test("[RAFT-5.2-8] who decides alone leads at once: term, vote and first entry share a write, before which nothing is said", () => {
    const config = { voters: [1], outgoing: [], learners: [2] };
    const disk = blank([1]);
    const member = alone({ ...disk, snapshot: { ...disk.snapshot, config } });
    member.step({ kind: "campaign" });
    assert.equal(member.raft.role, "leader");
    assert.deepEqual(member.pending?.hardState, { term: 1, vote: 1 });
    assert.deepEqual(
      member.pending.entries.map(({ kind }) => kind),
      ["noop"],
    );
    member.step({ kind: "read", id: 1 });
    assert.deepEqual([member.out, member.reads, member.raft.log.commit], [[], [], 0]);
    member.flush();
    assert.deepEqual([member.raft.log.commit, member.reads], [1, [{ id: 1, index: 1 }]]);
    assert.ok(member.out.length > 0, "the learner hears of it once it is stable");
  });

  test("[RAFT-START-1] a member starts above its snapshot when its host has read back more", () => {
    const disk = { ...blank([1, 2]), entries: entries(1, 1, 1), hardState: { term: 1, vote: 0 } };
    const member = alone({ ...disk, applied: 2 });
    const { log } = member.raft;
    assert.deepEqual([log.first, log.commit, log.last], [1, 2, 3]);
    hears(member, 2, 1, { kind: "append", prevIndex: 3, prevTerm: 1, entries: [], commit: 3 });
    assert.equal(member.applied, 3);
  });

  test("[RAFT-5.2-5] one vote in a term, first come first served, repeated to the same candidate", () => {
    const member = alone(blank([1, 2, 3]));
    const answers = [2, 3, 2].map((candidate) => {
      hears(member, candidate, 1, { kind: "vote", lastIndex: 0, lastTerm: 0, transfer: false });
      return says(member).map((reply) => reply.kind === "voteReply" && reply.granted);
    });
    assert.deepEqual(answers, [[true], [false], [true]]);
  });

  test("[RAFT-5.2-6] a candidate that hears the leader of its term follows", () => {
    const cluster = new ManualCluster([1, 2, 3]);
    const member = cluster.member(1);
    cluster.step(1, { kind: "campaign" });
    hears(member, 2, 1, { kind: "preVoteReply", granted: true });
    assert.equal(member.raft.role, "candidate");
    hears(member, 3, 1, { kind: "append", prevIndex: 0, prevTerm: 0, entries: [], commit: 0 });
    assert.deepEqual([member.raft.role, member.raft.leader, member.raft.term], ["follower", 3, 1]);
  });

  test("[RAFT-5.2-7] time-outs are drawn anew from [n, 2n)", () => {
    const drawn: number[] = [];
    const cluster = new ManualCluster([1, 2, 3], {
      electionTicks: 10,
      random: (bound) => {
        drawn.push(bound);
        return drawn.length % bound;
      },
    });
    const before = drawn.length;
    cluster.step(1, { kind: "campaign" });
    assert.ok(drawn.length > before, "a new time-out for a new attempt");
    assert.ok(drawn.every((bound) => bound === 10));
  });
});

describe("§5.3 Log replication", () => {
  test("[RAFT-5.3-1] an entry is committed when a majority has it on stable storage", () => {
    const cluster = new ManualCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "x");
    cluster.flush(1);
    assert.equal(cluster.member(1).raft.log.commit, 1);
    cluster.deliver({ to: 2 });
    cluster.deliver({ from: 2 });
    assert.equal(cluster.member(1).raft.log.commit, 1, "2 has it in memory only");
    cluster.flush(2);
    cluster.deliver({ from: 2 });
    assert.equal(cluster.member(1).raft.log.commit, 2);
    assert.equal(cluster.member(1).state, "x;");
  });

  test("[RAFT-5.3-2] two followers commit without the leader's own disk (dissertation §10.2.1)", () => {
    const cluster = new ManualCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "x");
    for (const id of [2, 3]) {
      cluster.deliver({ to: id });
      cluster.flush(id);
      cluster.deliver({ from: id });
    }
    const { log } = cluster.member(1).raft;
    assert.deepEqual([log.written, log.commit], [1, 2]);
  });

  test("[RAFT-5.3-3] one proposal in flight or sixty-four leave in one message", () => {
    const cluster = new ManualCluster([1, 2, 3]);
    cluster.elect(1);
    const { raft } = cluster.member(1);
    for (let at = 0; at < 64; at++) raft.step({ kind: "propose", data: new Uint8Array(1) });
    const { messages, write } = raft.ready();
    assert.deepEqual(
      messages.map((message) => message.kind === "append" && message.entries.length),
      [64, 64],
    );
    assert.equal(write?.entries.length, 64);
  });

  test("[RAFT-5.3-4] a follower refuses what does not follow its log, and says where it may meet", () => {
    const member = alone(disk([1, 2, 3], 4, 0, 1, 1, 2, 2, 2));
    const append = (prevIndex: number, prevTerm: number): unknown => {
      hears(member, 2, 5, { kind: "append", prevIndex, prevTerm, entries: [], commit: 0 });
      const [reply] = says(member);
      return reply?.kind === "appendRefused" ? [reply.hintIndex, reply.hintTerm] : reply?.kind;
    };
    assert.deepEqual(append(9, 4), [5, 2], "the log is too short");
    assert.deepEqual(append(4, 1), [2, 1], "skips the whole term 2");
    assert.deepEqual(append(4, 3), [4, 2]);
    assert.equal(append(4, 2), "appendReply");
  });

  // Figure 7 of the paper: the leader's log is 1 1 1 4 4 5 5 6 6 6, of term 8.
  const LEADER = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  for (const [name, ...log] of [
    ["a", 1, 1, 1, 4, 4, 5, 5, 6, 6],
    ["b", 1, 1, 1, 4],
    ["c", 1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
    ["d", 1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
    ["e", 1, 1, 1, 4, 4, 4, 4],
    ["f", 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
  ] as readonly (readonly [string, ...number[]])[]) {
    test(`[RAFT-5.3-5] figure 7 (${name}): the follower's log becomes the leader's`, () => {
      const cluster = new ManualCluster([]);
      const voters = [1, 2, 3];
      cluster.start(1, disk(voters, 7, 0, ...LEADER));
      cluster.start(2, disk(voters, 7, 0, ...log));
      cluster.start(3, disk(voters, 7, 0));
      cluster.elect(1);
      assert.equal(cluster.leader(), 1);
      assert.deepEqual(termsOf(cluster.member(2)), [...LEADER, 8]);
      assert.equal(cluster.member(2).state, cluster.member(1).state);
    });
  }

  test("[RAFT-5.3-6] finding where logs meet takes a round trip for each term, not for each entry", () => {
    const cluster = new ManualCluster([]);
    const voters = [1, 2, 3];
    const long = Array.from({ length: 300 }, () => 1);
    cluster.start(1, disk(voters, 3, 0, ...long, ...long.map(() => 3)));
    cluster.start(2, disk(voters, 3, 0, ...long, ...long.map(() => 2)));
    cluster.start(3, disk(voters, 3, 0));
    let refused = 0;
    cluster.step(1, { kind: "campaign" });
    for (let round = 0; round < 50; round++) {
      cluster.flushAll();
      refused += cluster
        .deliver()
        .filter(({ kind, from }) => kind === "appendRefused" && from === 2).length;
    }
    assert.equal(refused, 1);
    assert.deepEqual(termsOf(cluster.member(2)), termsOf(cluster.member(1)));
  });

  test("[RAFT-5.3-7] a late or repeated message cuts nothing", () => {
    const member = alone(disk([1, 2, 3], 1, 0));
    const [one, two] = entries(1, 1) as readonly [Entry, Entry];
    const append = (list: readonly Entry[]): void =>
      hears(member, 2, 1, { kind: "append", prevIndex: 0, prevTerm: 0, entries: list, commit: 0 });
    append([one, two]);
    append([one]);
    append([]);
    assert.deepEqual(termsOf(member), [1, 1]);
  });

  test("[RAFT-5.3-8] a follower commits no further than the message has verified", () => {
    // Its entries 2 and 3 are of a leader that is gone; the message speaks of entry 1 only.
    const commits = (rules: Rules): number => {
      const from = disk([1, 2, 3], 2, 0, 1, 2, 2);
      const member = new ManualCluster([], { rules }).start(1, from);
      hears(member, 2, 3, { kind: "append", prevIndex: 1, prevTerm: 1, entries: [], commit: 3 });
      return member.raft.log.commit;
    };
    assert.equal(commits(RULES), 1);
    const mistaken = planted("commits further than a message has verified");
    assert.equal(commits(mistaken), 3, "the check sees the mistake");
  });

  test("[RAFT-5.3-9] what is cut and replaced before its write ends is acknowledged only when the replacement is stable", () => {
    const member = alone(blank([1, 2, 3]));
    const [old] = entries(1) as readonly [Entry];
    const [, ...replaced] = entries(1, 2, 2);
    hears(member, 2, 1, {
      kind: "append",
      prevIndex: 0,
      prevTerm: 0,
      entries: [old, { ...old, index: 2 }],
      commit: 0,
    });
    hears(member, 3, 2, {
      kind: "append",
      prevIndex: 1,
      prevTerm: 1,
      entries: replaced,
      commit: 0,
    });
    assert.equal(member.raft.log.last, 3);
    member.flush();
    assert.equal(member.raft.log.written, 1, "entry 2 on the disk is the one that was cut");
    member.flush();
    assert.equal(member.raft.log.written, 3);
    assert.deepEqual(
      member.disk.entries.map(({ term }) => term),
      [1, 2, 2],
    );
  });
});

test("[RAFT-5.3-10] a follower that comes back learns what is committed, also if nothing new comes", () => {
  const cluster = new ManualCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, "x");
  cluster.settle();
  cluster.member(2).crash(0);
  cluster.member(2).restart();
  assert.equal(cluster.member(2).state, "");
  cluster.tick(1, 1);
  cluster.settle();
  assert.equal(cluster.member(2).state, "x;");
});

describe("§5.4 Safety", () => {
  for (const [own, lastIndex, lastTerm, granted] of [
    [[1], 1, 1, true],
    [[1], 2, 1, true],
    [[1, 1], 1, 1, false],
    [[1], 1, 2, true],
    [[1, 1, 1], 1, 2, true],
    [[2], 9, 1, false],
  ] as const) {
    test(`[RAFT-5.4.1-1] a log ${own.join("")} ${granted ? "grants" : "refuses"} a vote to one that ends ${lastIndex}/${lastTerm}`, () => {
      for (const kind of ["vote", "preVote"] as const) {
        const member = alone(disk([1, 2], 2, 0, ...own));
        hears(member, 2, 3, { kind, lastIndex, lastTerm, transfer: false } as MessageBody);
        const [reply] = says(member);
        assert.ok(reply !== undefined && "granted" in reply);
        assert.equal(reply.granted, granted);
      }
    });
  }

  test("[RAFT-5.4.2-1] an entry of an earlier term is committed by one of the own term only", () => {
    const cluster = new ManualCluster([], { appendBytesMax: 1 });
    for (const id of [1, 2, 3])
      cluster.start(id, disk([1, 2, 3], 2, 0, ...(id === 1 ? [1, 2] : [1])));
    const isThere = (id: number): boolean => cluster.member(id).raft.log.last < 2;
    cluster.step(1, { kind: "campaign" });
    for (let round = 0; round < 20; round++) {
      cluster.flushAll();
      // Entry 2 arrives, entry 3, which begins the term, does not.
      cluster.wire = cluster.wire.filter(
        (message) => message.kind !== "append" || message.prevIndex !== 2 || isThere(message.to),
      );
      cluster.deliver();
      if (round % 4 === 3) cluster.tick(1, 1);
    }
    const { raft } = cluster.member(1);
    assert.deepEqual(
      [raft.role, raft.log.last, raft.progress.get(2)?.match, raft.log.commit],
      ["leader", 3, 2, 0],
    );
    cluster.tick(1, 1);
    cluster.settle();
    assert.equal(raft.log.commit, 3);
  });
});
