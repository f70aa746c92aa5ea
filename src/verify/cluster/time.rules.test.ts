/** How keyspace time goes on after nobody counted it, under virtual time. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Calm, must, put } from "./calm.ts";

const HOUR = 3_600_000;

/** How far keyspace time went, and what went by, over a time in which all were off. */
async function afterOff(
  offMs: number,
  wrongMs: readonly number[],
  seed = 1,
): Promise<{ readonly wentMs: number; readonly alarms: readonly string[] }> {
  const run = new Calm({ members: wrongMs.length, seed });
  await run.ok(await run.led(), put("a"));
  await run.pass(2_000);
  const before = must((await run.led()).driver).status().time;
  for (const node of run.nodes) node.crash();
  await run.pass(offMs);
  for (const [at, node] of run.nodes.entries()) {
    node.wallOffsetMs += wrongMs[at] ?? 0;
    node.start();
  }
  const leader = await run.led();
  await run.ok(leader, put("b"));
  await run.pass(1_000);
  const { time, alarms } = must(leader.driver).status();
  return { wentMs: time - before, alarms };
}

const near = (ms: number, wanted: number): boolean => Math.abs(ms - wanted) < 10_000;

test("[REP-24] after all were off time goes on from what a majority of the wall clocks says, one that is wrong moves nothing (one, three and five members)", async () => {
  for (const wrong of [
    [0],
    [0, 0, 0],
    [0, 20 * HOUR, 0],
    [-5 * HOUR, 0, 0],
    [0, 20 * HOUR, 0, -HOUR, 0],
  ]) {
    // Whose clock is told first, with a vote, is drawn.
    for (let seed = 1; seed <= 6; seed++) {
      const { wentMs, alarms } = await afterOff(6 * HOUR, wrong, seed);
      assert.ok(near(wentMs, 6 * HOUR), `seed ${seed}, ${wrong.join()}: ${wentMs} ms`);
      assert.deepEqual(alarms, [], wrong.join());
    }
  }
});

test("[REP-9] a new cluster begins with its first leader's wall clock, also if it was looked at before it had one (three members)", async () => {
  const run = new Calm();
  await run.pass(100);
  for (const { driver } of run.nodes) must(driver).status();
  const leader = await run.led();
  await run.ok(leader, put("a"));
  const { time } = must(leader.driver).status();
  assert.ok(near(time, leader.life?.wallMs() ?? 0), `it is ${new Date(time).toISOString()}`);
});

test("[REP-24] no step is taken where no majority agrees, nor one of more than a day: the alarm is raised (three members)", async () => {
  for (const [offMs, wrong] of [
    [6 * HOUR, [0, 3 * HOUR, 9 * HOUR]],
    [30 * HOUR, [0, 0, 0]],
  ] as const) {
    const { wentMs, alarms } = await afterOff(offMs, wrong);
    assert.ok(near(wentMs, 0), `${wrong.join()}: ${wentMs} ms`);
    assert.deepEqual(alarms, ["CLOCK"]);
  }
});

test("[REP-24] while some member counts the time a change of leader steps nowhere, whatever all wall clocks say (three members)", async () => {
  const run = new Calm();
  const leader = await run.led();
  await run.ok(leader, put("a"));
  const before = must(leader.driver).status().time;
  for (const { life } of run.nodes) life?.jump(5 * HOUR);
  // The next leader is one that was just started, if it can be.
  for (const node of run.others(leader)) {
    node.crash();
    node.start();
    await run.pass(1_000);
  }
  leader.crash();
  const next = await run.led(leader);
  await run.ok(next, put("b"));
  await run.pass(1_000);
  const { time, alarms } = must(next.driver).status();
  assert.ok(near(time - before, 0), `${time - before} ms`);
  assert.deepEqual(alarms, ["CLOCK"]);
});

test("[REP-24] time approaches the median of the members' wall clocks, not the leader's (three members)", async () => {
  const run = new Calm();
  const leader = await run.led();
  await run.pass(1_000);
  leader.life?.jump(HOUR);
  const before = must(leader.driver).status().time;
  await run.pass(20_000);
  const wentMs = must(leader.driver).status().time - before;
  assert.ok(Math.abs(wentMs - 20_000) < 300, `${wentMs} ms in 20 s`);
  assert.deepEqual(must(leader.driver).status().alarms, []);
});
