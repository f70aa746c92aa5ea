/** Members of a cluster of processes that do not reach each other, both ways and one way, under a client that goes on. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { LinkRule } from "../links/rules.ts";
import type { Process } from "./processes.ts";
import { ProcessCluster, statusOf } from "./processes.ts";
import { Workload } from "./workload.ts";

const HOLD: LinkRule = { kind: "hold" };

describe("partitions", { timeout: 720_000 }, () => {
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3, { linked: true });
    await cluster.leader();
  });
  after(() => cluster.close());

  const others = (member: Process): readonly Process[] =>
    cluster.members.filter((each) => each !== member);

  for (const kind of ["hold", "swallow", "cut"] as const)
    test(`[CLS-19] a leader that reaches nobody and is reached by nobody is replaced, and nothing is lost (3 processes, ${kind})`, async () => {
      await Workload.under(cluster.url, async (work) => {
        const leader = await cluster.leader();
        await cluster.links.around(leader.name, { kind });
        await work.goesOn(50);
        assert.notEqual(await cluster.leader(others(leader)), leader);
        await cluster.links.heal();
        await cluster.leader();
        await work.goesOn(20);
      });
    });

  test("[CLS-19] so is one that is heard and hears nothing (3 processes)", async () => {
    await Workload.under(cluster.url, async (work) => {
      const leader = await cluster.leader();
      const unheard = others(leader).map(({ name }) => ({
        from: name,
        to: leader.name,
        rule: HOLD,
      }));
      await cluster.links.rule(...unheard);
      await work.goesOn(50);
      await cluster.links.heal();
      await cluster.leader();
      await work.goesOn(20);
    });
  });

  test("[CLS-19] so is one that hears and is not heard (3 processes)", async () => {
    await Workload.under(cluster.url, async (work) => {
      const leader = await cluster.leader();
      const mute = others(leader).map(({ name }) => ({ from: leader.name, to: name, rule: HOLD }));
      await cluster.links.rule(...mute);
      await work.goesOn(50);
      await cluster.links.heal();
      await cluster.leader();
      await work.goesOn(20);
    });
  });

  test("[CLS-20] a follower that hears nothing, or is not heard, moves nobody from the lead (3 processes)", async () => {
    await Workload.under(cluster.url, async (work) => {
      const leader = await cluster.leader();
      const [follower] = others(leader) as [Process];
      for (const way of ["deaf", "mute"] as const) {
        for (const { name } of others(follower))
          await cluster.links.rule(
            way === "deaf"
              ? { from: name, to: follower.name, rule: HOLD }
              : { from: follower.name, to: name, rule: HOLD },
          );
        const { term } = (await statusOf(leader)) ?? assert.fail("it leads");
        // As long as an election would take three times over.
        await pause(2_000);
        await work.goesOn(20);
        assert.equal((await statusOf(leader))?.term, term, way);
        await cluster.links.heal();
        assert.equal(await cluster.leader(), leader);
        await work.goesOn(20);
        assert.equal((await statusOf(leader))?.term, term, `${way}, and healed`);
      }
    });
  });
});
