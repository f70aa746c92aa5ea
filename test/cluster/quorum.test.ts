/** What `quorate cluster` says and refuses while members are away, and when they are too few to have a leader. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Outcome } from "../cli/shell.ts";
import { Shell } from "../cli/shell.ts";
import { ProcessCluster } from "./processes.ts";

describe("a cluster that lacks members", { timeout: 480_000 }, () => {
  const shell = new Shell();
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3);
    await cluster.leader();
  });
  after(async () => {
    await cluster.close();
    await shell.close();
  });

  /** Asked of `at` alone. */
  const asked = (words: string, at: { readonly client: string }): Promise<Outcome> =>
    shell.run(`quorate cluster ${words} --url quorate://${at.client}`);

  test("[CLS-9] [CLI-22] while one of three is away another voter is not removed, and the one that is away is (3 processes)", async () => {
    const [first, second, third] = cluster.members;
    assert.ok(first !== undefined && second !== undefined && third !== undefined);
    await first.kill();
    await cluster.leader([second, third]);
    const refused = await asked("remove m2", third);
    assert.equal(refused.code, 3, refused.stdout + refused.stderr);
    assert.match(refused.stderr, /CONTENTION.*of the 2 voters that would be left 1 can be reached/);
    const removed = await asked("remove m1", third);
    assert.equal(removed.code, 0, removed.stderr);
    assert.doesNotMatch(removed.stdout, /^m1 /m);
    assert.match(removed.stdout, /^m2 /m);
  });

  test("[CLI-22] status without a leader shows who answers and who does not, and is 1 (3 processes)", async () => {
    const [, second, third] = cluster.members;
    assert.ok(second !== undefined && third !== undefined);
    await second.kill();
    const alone = await asked("status", third);
    assert.equal(alone.code, 1, alone.stdout + alone.stderr);
    const rowOf = (at: string): string =>
      alone.stdout.split("\n").find((row) => row.includes(at)) ?? "";
    assert.match(rowOf(third.client), /^- +[\da-f]+ +follower +\d+ +\d+ +0 /);
    assert.match(rowOf(second.client), /^- +- +unreachable /);
    assert.match(alone.stderr, /no leader answers/);
    const told = await asked("status --timeout-ms 100 --output json", third);
    assert.equal(told.code, 1, told.stdout + told.stderr);
    const { members } = JSON.parse(told.stdout) as {
      readonly members: readonly { readonly role: string }[];
    };
    assert.deepEqual(members.map(({ role }) => role).toSorted(), ["follower", "unreachable"]);
  });
});
