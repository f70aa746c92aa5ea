/** `quorate up`: a cluster of processes that one command starts, shows and ends. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { connect } from "../../src/sdk/index.ts";
import type { Running } from "../cli/shell.ts";
import { Shell } from "../cli/shell.ts";
import { until } from "../until.ts";

interface Shown {
  readonly members: readonly {
    readonly name: string;
    readonly url: string;
    readonly pid: number;
    readonly condition: string;
    readonly role?: string;
    readonly term?: number;
    readonly applied?: number;
    readonly behind?: number;
  }[];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // What has ended and was not waited for is no process any more.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

describe("quorate up", { timeout: 480_000 }, () => {
  const shell = new Shell();
  before(() => {
    delete shell.environment["QUORATE_LISTEN"];
  });
  after(() => shell.close());

  /** Starts it and resolves with the first look at which all answer and one leads. */
  async function up(flags: string): Promise<{ readonly running: Running; readonly shown: Shown }> {
    const running = shell.start(`quorate up ${flags} --every-ms 50 --output json`);
    let shown: Shown | undefined;
    await until(
      async () => {
        const text = await running.until(/\n/);
        const looks = text.split("\n").filter((each) => each.startsWith('{"members"'));
        shown = looks.map((each) => JSON.parse(each) as Shown).findLast(isWhole);
        return shown !== undefined;
      },
      () => "no look shows a cluster",
    );
    return { running, shown: shown ?? assert.fail("it was found") };
  }

  function isWhole({ members }: Shown): boolean {
    return (
      members.every(({ role, pid }) => role !== undefined && pid > 0) &&
      members.filter(({ role }) => role === "leader").length === 1
    );
  }

  const pidsOf = ({ members }: Shown): readonly number[] => members.map(({ pid }) => pid);
  const gone = (pids: readonly number[]): Promise<unknown> =>
    until(
      () => !pids.some(isAlive),
      () => `${pids.filter(isAlive).join(", ")} are left`,
    );

  test("[UP-1] one command starts a cluster, and its end is theirs; what was there goes on (3 processes)", async () => {
    const first = await up("--nodes 3 --data-dir ./one");
    assert.equal(first.shown.members.length, 3);
    const url = first.shown.members.map((each) => each.url.replace("quorate://", "")).join(",");
    {
      await using q = await connect(`quorate://${url}`);
      const held = await q.lock("of the first").acquire();
      assert.ok(held.token > 0);
    }
    first.running.signal("SIGINT");
    assert.equal((await first.running.ended).code, 0);
    await gone(pidsOf(first.shown));
    const second = await up("--data-dir ./one");
    assert.deepEqual(
      second.shown.members.map((each) => each.url),
      first.shown.members.map((each) => each.url),
    );
    assert.ok(second.shown.members.every(({ applied = 0 }) => applied > 3));
    second.running.signal("SIGTERM");
    assert.equal((await second.running.ended).code, 0);
    await gone(pidsOf(second.shown));
    const other = await shell.run("quorate up --nodes 5 --data-dir ./one");
    assert.equal(other.code, 2, other.stderr);
    assert.match(other.stderr, /has 3 members, not 5/);
  });

  test("[UP-2] no process is left when the command is killed, stopped ones included (3 processes)", async () => {
    const { running, shown } = await up("--nodes 3 --data-dir ./two");
    const pids = pidsOf(shown);
    const stopped = pids[0] ?? assert.fail("there are three");
    process.kill(stopped, "SIGSTOP");
    running.signal("SIGKILL");
    await running.ended;
    await until(
      () => !pids.slice(1).some(isAlive),
      () => "they are left",
    );
    // Of a group without a parent the kernel lets none stand still; in a test there is none to do so.
    process.kill(stopped, "SIGCONT");
    await gone(pids);
  });

  test("[UP-3] it says where it serves and how it ends, and is one line for each look (1 process)", async () => {
    const { code, stdout, stderr } = await shell.run(
      "quorate up --nodes 1 --looks 2 --every-ms 50 --data-dir ./three",
    );
    assert.equal(code, 0, stderr);
    assert.match(stderr, /a cluster of 1 serves quorate:\/\/127\.0\.0\.1:\d+; \^C stops/);
    const lines = stdout.trim().split("\n");
    assert.equal(lines.length, 2);
    for (const line of lines) assert.match(line, /^m1=leader term=\d+ applied=\d+$/);
    const kept = JSON.parse(
      readFileSync(join(shell.directory, "three", "up.json"), "utf8"),
    ) as unknown;
    assert.ok(Array.isArray(kept));
  });

  test("[UP-4] with users enabled it shows each member as without, and asks nobody for a password (3 processes)", async () => {
    const first = await up("--nodes 3 --data-dir ./four");
    const url = first.shown.members.map((each) => each.url.replace("quorate://", "")).join(",");
    const at = `--url quorate://${url}`;
    const steps = ["user add root", "user grant root root", "enable"];
    for (const words of steps) {
      const { code, stderr } = await shell.run(`quorate auth ${words} ${at}`, "secret\n");
      assert.equal(code, 0, `${words}: ${stderr}`);
    }
    first.running.signal("SIGINT");
    await first.running.ended;
    const second = await up("--data-dir ./four");
    for (const { role, term = 0, applied = 0 } of second.shown.members) {
      assert.ok(role === "leader" || role === "follower");
      assert.ok(term > 0 && applied > 3, `term ${term}, applied ${applied}`);
    }
    second.running.signal("SIGINT");
    assert.equal((await second.running.ended).code, 0);
    await gone(pidsOf(second.shown));
  });
});
