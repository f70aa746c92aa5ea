/** A cluster grows from three to five members and shrinks to three others, by etcdctl, under load and kills. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { prng } from "../../src/base/prng.ts";
import { check } from "../../src/verify/checker/check.ts";
import { readLines } from "../../src/verify/history/lines.ts";
import { etcdctlMissing } from "../etcd/etcd-process.ts";
import { Pace } from "../storm/pace.ts";
import { crowd, leave, recordWindow } from "../storm/window.ts";
import { etcdctl, listed } from "./etcdctl.ts";
import type { Process } from "./processes.ts";
import { ProcessCluster } from "./processes.ts";
import { until } from "../until.ts";

const SEED = Number(process.env["QUORATE_SEED"] ?? 1);
/** Operations that begin in a second: a machine with two cores runs five members besides. */
const RATE = 300;
/** An election, and a member that catches up, on a busy machine. */
const CHANGE_MS = 240_000;

describe("membership churn", { skip: etcdctlMissing, timeout: 1_200_000 }, () => {
  let cluster: ProcessCluster;
  before(async () => {
    cluster = await ProcessCluster.start(3, { guise: "etcd" });
    await cluster.leader();
  });
  after(() => cluster.close());

  /** Those who are members now. */
  const present = (): readonly Process[] =>
    cluster.members.filter(({ exitCode }) => exitCode === null);

  async function change(holds: () => Promise<boolean>, what: string): Promise<void> {
    await until(holds, () => what, CHANGE_MS);
  }

  /** Adds a member and starts it; resolves when it votes. */
  async function grow(name: string): Promise<Process> {
    const running = [...present()];
    const joining = await cluster.another(name, "etcd", () => [
      ...["--initial-cluster-state", "existing"],
      "--initial-cluster",
      [...running, joining].map((each) => `${each.name}=http://${each.peer}`).join(","),
    ]);
    const peerUrl = `http://${joining.peer}`;
    await change(async () => {
      const words = ["member", "add", name, "--learner", `--peer-urls=${peerUrl}`];
      const { code, out } = await etcdctl(running, ...words);
      // One that was answered too late has happened.
      return code === 0 || /Peer URLs already exists/.test(out);
    }, `${name} is not added`);
    await joining.start();
    const id = async (): Promise<string> => (await listed(...running)).get(name)?.[0] ?? "";
    await change(async () => {
      const { code, out } = await etcdctl(running, "member", "promote", await id());
      return code === 0 || /can only promote a learner member$/m.test(out);
    }, `${name} is not promoted: ${joining.said}`);
    return joining;
  }

  async function shrink(member: Process): Promise<void> {
    const rest = present().filter((each) => each !== member);
    await change(async () => {
      const [id] = (await listed(...rest)).get(member.name) ?? [];
      if (id === undefined) return true;
      return (await etcdctl(rest, "member", "remove", id)).code === 0;
    }, `${member.name} is not removed`);
    await member.ended();
    assert.match(member.said, /was removed from the cluster/);
  }

  async function restart(member: Process): Promise<void> {
    await member.kill();
    await member.start();
    await cluster.leader(present());
  }

  test(`[CLS-22] from three members to five and to three others, with kills: nothing lost, all of it linearizable (5 processes, seed ${SEED})`, async (t) => {
    const people = await crowd(cluster.url, prng(SEED), { editors: 4, counters: 1, lockers: 2 });
    let isOver = false;
    const recorded = recordWindow("churn", people, new Pace(RATE), () => isOver);
    const [first, second, third] = cluster.members as [Process, Process, Process];
    try {
      await grow("m4");
      await restart(await cluster.leader(present()));
      const fifth = await grow("m5");
      assert.equal((await listed(third)).size, 5);
      // A leader goes for good, and one of those who stay comes back meanwhile.
      await restart(await cluster.leader(present()));
      await shrink(first);
      await restart(fifth);
      await shrink(second);
      await restart(await cluster.leader(present()));
      assert.deepEqual([...(await listed(third)).keys()].sort(), ["m3", "m4", "m5"]);
    } finally {
      isOver = true;
    }
    const { lines, operations, counted } = await recorded;
    await leave(people);
    const { result, verdicts } = check(readLines(lines));
    if (result !== "valid") {
      const file = join(tmpdir(), `quorate-churn-${process.pid}.jsonl`);
      writeFileSync(file, lines);
      assert.fail(`${result}: ${JSON.stringify(verdicts)}; quorate check ${file}`);
    }
    const { certainly, perhaps, found } = counted;
    assert.ok(found >= certainly && found <= certainly + perhaps, JSON.stringify(counted));
    t.diagnostic(`${operations} answers`);
  });
});
