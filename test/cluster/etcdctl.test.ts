/** etcdctl against three members under etcd's flags: members, learners, the transfer of leadership, each one's status. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { etcdctlMissing } from "../etcd/etcd-process.ts";
import { etcdctl, listed } from "./etcdctl.ts";
import type { Process } from "./processes.ts";
import { ProcessCluster, statusOf } from "./processes.ts";
import { until } from "../until.ts";

describe("etcdctl on a cluster", { skip: etcdctlMissing, timeout: 720_000 }, () => {
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3, { guise: "etcd" });
    await cluster.leader();
  });
  after(() => cluster.close());

  const first = (): Process => cluster.members[0] ?? assert.fail("there are three");

  test("[CLS-6] what one member is given, each of them has, whoever leads (3 processes)", async () => {
    for (const [at, member] of cluster.members.entries()) {
      assert.equal((await etcdctl([member], "put", `k${at}`, "v")).out.trim(), "OK");
      for (const each of cluster.members)
        assert.equal(
          (await etcdctl([each], "get", `k${at}`, "--print-value-only")).out.trim(),
          "v",
        );
    }
    const locked = await etcdctl(cluster.members, "lock", "l", "echo", "held");
    assert.match(locked.out, /held/);
  });

  test("[CLS-7] each member says who it is, who leads and how far it is (3 processes)", async () => {
    const leader = await cluster.leader();
    const { out } = await etcdctl(cluster.members, "endpoint", "status");
    const lines = out
      .trim()
      .split("\n")
      .map((each) => each.split(", "));
    assert.deepEqual(
      lines.map(([at]) => at),
      cluster.members.map(({ client }) => client),
    );
    assert.equal(new Set(lines.map(([, id]) => id)).size, 3);
    for (const [at, , , , isLeader, isLearner] of lines)
      assert.deepEqual([isLeader, isLearner], [String(at === leader.client), "false"]);
    const health = await etcdctl(cluster.members, "endpoint", "health");
    assert.equal([...health.out.matchAll(/is healthy/g)].length, 3, health.out);
  });

  test("[CLS-7] each member is found from one, by the url that it advertises (3 processes)", async () => {
    const { out } = await etcdctl([first()], "endpoint", "status", "--cluster");
    // etcdctl 3.4 sends the whole url as the authority here.
    const found = out
      .trim()
      .split("\n")
      .map((each) => each.split(", ")[0]);
    const urls = cluster.members.map(({ client }) => `http://${client}`);
    assert.deepEqual(new Set(found), new Set(urls));
  });

  test("[CLS-8] leadership moves to whom it is told to, and only the leader is asked (3 processes)", async () => {
    const leader = await cluster.leader();
    const other = cluster.members.find((each) => each !== leader) ?? assert.fail("there are three");
    const id = BigInt((await statusOf(other))?.id ?? 0).toString(16);
    assert.match((await etcdctl([other], "move-leader", id)).out, /no leader endpoint given/);
    assert.match((await etcdctl([leader], "move-leader", "99")).out, /bad leader transferee/);
    const moved = await etcdctl([leader], "move-leader", id);
    assert.match(moved.out, /Leadership transferred/);
    await until(
      async () => (await cluster.leader()) === other,
      () => "the other does not lead",
    );
  });

  test("[CLS-9] a member is added, joins, learns, votes and is removed (3 processes and one more)", async () => {
    const fourth = await cluster.another("m4", "etcd", () => [
      "--initial-cluster-state",
      "existing",
      "--initial-cluster",
      cluster.members.map(({ name, peer }) => `${name}=http://${peer}`).join(","),
    ]);
    await assert.rejects(fourth.start(), /is not among the members/);
    const peerUrl = `http://${fourth.peer}`;
    const added = await etcdctl(
      [first()],
      "member",
      "add",
      "m4",
      "--learner",
      `--peer-urls=${peerUrl}`,
    );
    assert.match(added.out, /ETCD_INITIAL_CLUSTER_STATE="existing"/);
    assert.match(
      (await etcdctl([first()], "member", "add", "m5", `--peer-urls=${peerUrl}`)).out,
      /Peer URLs already exists/,
    );
    const [id = ""] = (await listed(first())).get("") ?? [];
    assert.deepEqual((await listed(first())).get("")?.slice(1), [
      "unstarted",
      "",
      peerUrl,
      "",
      "true",
    ]);
    assert.match(
      (await etcdctl([first()], "member", "promote", id)).out,
      /can only promote a learner member which is in sync with leader/,
    );
    await fourth.start();
    await until(
      async () => (await etcdctl([first()], "member", "promote", id)).code === 0,
      () => fourth.said,
    );
    assert.deepEqual((await listed(fourth)).get("m4")?.slice(1), [
      "started",
      "m4",
      peerUrl,
      `http://${fourth.client}`,
      "false",
    ]);
    assert.match(
      (await etcdctl([first()], "member", "promote", id)).out,
      /can only promote a learner member/,
    );
    const moved = await etcdctl([first()], "member", "update", id, `--peer-urls=${peerUrl}`);
    assert.equal(moved.code, 0, moved.out);
    assert.equal((await etcdctl([fourth], "get", "k0", "--print-value-only")).out.trim(), "v");
    assert.equal((await etcdctl([first()], "member", "remove", id)).code, 0);
    await fourth.ended();
    assert.match(fourth.said, /was removed from the cluster/);
    assert.equal((await listed(first())).size, 3);
    assert.match((await etcdctl([first()], "member", "remove", id)).out, /member not found/);
  });

  test("[CLS-10] a learner answers for itself and refuses the rest (3 processes and a learner)", async () => {
    const learner = await cluster.another("learner", "serve", () => [
      "--join",
      `quorate://${first().client}`,
      "--learner",
    ]);
    await learner.start();
    await until(
      async () =>
        (await etcdctl([learner], "get", "k0", "--consistency=s", "--print-value-only")).out ===
        "v\n",
      () => learner.said,
    );
    const { out } = await etcdctl([learner], "endpoint", "status");
    assert.equal(out.split(", ")[5], "true", out);
    for (const words of [
      ["get", "k0"],
      ["put", "k0", "w"],
      ["member", "list"],
    ])
      assert.match(
        (await etcdctl([learner], ...words)).out,
        /rpc not supported for learner/,
        words.join(" "),
      );
    const [id = ""] = (await listed(first())).get("learner") ?? [];
    assert.equal((await etcdctl([first()], "member", "remove", id)).code, 0);
    await learner.ended();
  });
});
