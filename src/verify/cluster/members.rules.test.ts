/** What a cluster remembers of its members over changes of leader and restarts, under virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FORMATS } from "../../contract/formats.ts";
import { Calm, must, put } from "./calm.ts";
import type { Node } from "./node.ts";
import { recordOf } from "./node.ts";

/** Power is lost everywhere, and comes back. */
async function restart(run: Calm, nodes: readonly Node[]): Promise<Node> {
  for (const node of nodes) node.crash();
  for (const node of nodes) node.start();
  return run.led();
}

test("[REP-20] who was removed stays removed: with its old data or an empty disk it is refused, and its id is not given again (three members and one)", async () => {
  for (const snapshotLogBytes of [1 << 20, 4 << 10]) {
    const run = new Calm({ shape: { tailBytes: 1, chunkBytes: 1_000, snapshotLogBytes } });
    await run.led();
    const gone = run.add(4);
    gone.start();
    await run.orderedInTheEnd({ kind: "add", member: recordOf(4) });
    await run.orderedInTheEnd({ kind: "promote", id: 4 });
    await run.ok(await run.led(), put("a"));
    await run.until("it has all", () => run.isAgreed());
    gone.crash();
    await run.orderedInTheEnd({ kind: "remove", id: 4 });
    for (let at = 0; at < 40; at++)
      await run.ok(await run.led(), put(`key-${at}`, "v".repeat(200)));
    // Nobody who was told of the removal lives on.
    await restart(run, run.nodes.slice(0, 3));
    for (const isEmpty of [false, true]) {
      if (isEmpty) gone.loseDisk();
      run.network.refused.clear();
      gone.start();
      if (!isEmpty) await run.until("it is refused", () => run.network.refused.has(4));
      await run.pass(3_000);
      assert.ok(must(gone.driver).status().keys <= 1, "it hears of nothing");
      gone.crash();
    }
    const again = await run.ordered({ kind: "add", member: recordOf(4) });
    assert.ok(!again.ok);
    assert.deepEqual([again.failure.code, again.failure.outcome], ["INVALID", "definite"]);
    assert.match(again.failure.what, /was removed, and an id is given once/);
    await run.sameState();
  }
});

test("[REP-21] a learner that was promised a vote gets it, whoever leads by then and after a restart of all (three members and one)", async () => {
  for (const snapshotLogBytes of [1 << 20, 4 << 10]) {
    const run = new Calm({ shape: { tailBytes: 1, chunkBytes: 1_000, snapshotLogBytes } });
    const leader = await run.led();
    run.add(4);
    run.add(5);
    await run.orderedInTheEnd({ kind: "add", member: recordOf(4), toVote: true });
    await run.orderedInTheEnd({ kind: "add", member: recordOf(5) });
    for (let at = 0; at < 40; at++) await run.ok(leader, put(`key-${at}`, "v".repeat(200)));
    await restart(run, run.nodes.slice(0, 3));
    for (const id of [4, 5]) (run.nodes[id - 1] as Node).start();
    const learners = (): readonly number[] =>
      must(run.leader()?.driver)
        .members()
        .flatMap(({ id, learner }) => (learner ? [id] : []));
    await run.until("it votes", () => run.leader() !== undefined && !learners().includes(4));
    await run.pass(2_000);
    assert.deepEqual(learners(), [5], "nobody promised a vote to the other");
    await run.sameState();
  }
});

test("[FMT-2] what the format before cannot say is not written until every member reads the next one (three members)", async () => {
  const old = { oldest: FORMATS.newest - 1, newest: FORMATS.newest - 1 };
  const run = new Calm({ formats: old });
  for (const node of run.nodes) assert.equal(node.formats, old);
  const leader = await run.led();
  await run.ok(leader, put("a"));
  const formatOf = ({ disk }: Node): unknown =>
    (
      JSON.parse(
        Buffer.from(disk.stable("identity.json")).toString().trim().replace(/\0/g, ""),
      ) as { readonly format: number }
    ).format;
  for (const node of run.nodes) {
    await run.pass(1_000);
    assert.deepEqual(
      run.nodes.map(formatOf),
      run.nodes.map(() => old.newest),
      "the gate is shut",
    );
    node.crash();
    node.formats = FORMATS;
    node.start();
    await run.ok(await run.led(), put(`after-${node.id}`));
  }
  await run.until("the gate opens", () =>
    run.nodes.every((node) => formatOf(node) === FORMATS.newest),
  );
  const [downgraded] = run.nodes as [Node];
  downgraded.crash();
  downgraded.formats = old;
  downgraded.start();
  await run.until("it is refused", () => downgraded.failure !== undefined);
  assert.match(
    downgraded.failure ?? "",
    /^LAYOUT .*is of format 3, and this version reads formats 2 to 2/,
  );
  await run.ok(await run.led(), put("goes-on"));
  await run.sameState();
});

test("[REP-21] in the format before the leader that promised a vote keeps its word for as long as it leads (three members and one)", async () => {
  const old = { oldest: FORMATS.newest - 1, newest: FORMATS.newest - 1 };
  const run = new Calm({ formats: old });
  const leader = await run.led();
  run.add(4).start();
  await run.orderedInTheEnd({ kind: "add", member: recordOf(4), toVote: true });
  await run.until("it votes", () =>
    must(leader.driver)
      .members()
      .some(({ id, learner }) => id === 4 && !learner),
  );
  await run.until("all are equal", () => run.isAgreed());
  await run.sameState();
});
