/** Members of a cluster of processes are killed, stopped and restarted under a client that notices nothing but a delay. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { connect } from "../../src/sdk/index.ts";
import type { Process } from "./processes.ts";
import { ProcessCluster } from "./processes.ts";
import { Workload } from "./workload.ts";

describe("failover", { timeout: 720_000 }, () => {
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3);
    await cluster.leader();
  });
  after(() => cluster.close());

  test("[CLS-1] a killed leader costs no session, lock or watch, and nothing that was acknowledged (3 processes)", async () => {
    await Workload.under(cluster.url, async (work) => {
      const leader = await cluster.leader();
      await leader.kill();
      await work.goesOn(50);
      await leader.start();
      await work.goesOn(20);
    });
  });

  test("[CLS-2] a stopped leader costs no session, lock or watch, and does not lead when it goes on (3 processes)", async () => {
    await Workload.under(cluster.url, async (work) => {
      const leader = await cluster.leader();
      leader.signal("SIGSTOP");
      await work.goesOn(50);
      const others = cluster.members.filter((each) => each !== leader);
      const next = await cluster.leader(others);
      leader.signal("SIGCONT");
      await work.goesOn(20);
      assert.notEqual(next, leader);
      await cluster.leader();
    });
  });

  test("[CLS-3] members restart one after the other under a client that holds a lock, leads and watches (3 processes)", async () => {
    await Workload.under(cluster.url, async (work) => {
      for (const member of cluster.members) {
        member.signal("SIGTERM");
        await member.ended();
        assert.equal(member.exitCode, 0, member.said);
        await work.goesOn(20);
        await member.start();
        await cluster.leader();
        await work.goesOn(20);
      }
    });
  });

  test("[CLS-4] a client that knows one member finds the others, whichever goes (3 processes)", async () => {
    const [first] = cluster.members as [Process, Process, Process];
    await Workload.under(`quorate://${first.client}`, async (work) => {
      await first.kill();
      await work.goesOn(50);
      await first.start();
      await cluster.leader();
    });
  });

  test("[CLS-5] each member takes requests of a client that knows no other, also while it does not lead (3 processes)", async () => {
    for (const { client } of cluster.members) {
      await using q = await connect(`quorate://${client}`);
      const held = await q.lock(`by way of ${client}`).acquire();
      assert.ok(held.token > 0);
      await held.release();
    }
  });
});
