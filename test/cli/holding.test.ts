/**
 * `lock`, `elect`, `explain` as processes: who holds, what the command gets, what happens at loss.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Shell } from "./shell.ts";

describe("holding things from a shell", () => {
  const shell = new Shell();
  before(async () => void (await shell.serve("--data-dir ./data")));
  after(() => shell.close());

  test("[CLI-13] lock passes token, name and exit code, and releases (one server)", async () => {
    const script = `'echo "$QUORATE_LOCK $QUORATE_TOKEN"; exit 7'`;
    const first = await shell.run(`quorate lock job --wait-ms 0 -- sh -c ${script}`);
    const second = await shell.run(`quorate lock job --wait-ms 0 -- sh -c ${script}`);
    for (const { code, stdout, stderr } of [first, second]) {
      assert.equal(code, 7, stderr);
      assert.match(stdout, /^job \d+\n$/);
    }
    const token = (text: string): number => Number(text.split(" ")[1]);
    assert.ok(token(second.stdout) > token(first.stdout));
  });

  test("[CLI-13] a held lock is exit code 1 with the holder, and explain shows it (one server)", async () => {
    const holder = shell.start("quorate lock busy --label nightly");
    await holder.until(/holding busy/);
    const { code, stderr } = await shell.run("quorate lock busy --wait-ms 0 -- echo never");
    assert.equal(code, 1);
    assert.match(stderr, /not acquired: .*quorate-cli/);
    const explained = await shell.run("quorate explain lock/busy --output json");
    assert.equal(explained.code, 0, explained.stderr);
    assert.match(explained.stdout, /nightly/);
    holder.signal("SIGTERM");
    assert.equal((await holder.ended).code, 0);
    assert.equal((await shell.run("quorate explain lock/busy")).code, 1);
  });

  test("[CLI-13] a semaphore has as many owners as permits, and explain tells who waits (one server)", async () => {
    const first = shell.start("quorate semaphore slots --permits 2");
    const second = shell.start("quorate semaphore slots --permits 2 --label second");
    await Promise.all([first.until(/holding slots/), second.until(/holding slots/)]);
    const third = shell.start("quorate semaphore slots --permits 9 -- echo third");
    for (;;) {
      const { stdout } = await shell.run("quorate explain semaphore/slots --output json");
      const { found } = JSON.parse(stdout) as { found: readonly Record<string, unknown>[] };
      assert.equal(found[0]?.["permits"], 2, "the stored number counts");
      if (/"position":1/.test(stdout)) break;
    }
    second.signal("SIGTERM");
    const { code, stdout } = await third.ended;
    assert.equal(code, 0);
    assert.equal(stdout, "third\n");
    first.signal("SIGTERM");
    await Promise.all([first.ended, second.ended]);
  });

  test("[CLI-13] a program that does not exist is exit code 2 and the lock is released (one server)", async () => {
    const { code, stderr } = await shell.run("quorate lock ghost --wait-ms 0 -- no-such-program");
    assert.equal(code, 2);
    assert.match(stderr, /command no-such-program: cannot be started/);
    assert.equal((await shell.run("quorate lock ghost --wait-ms 0 -- true")).code, 0);
  });

  test("[CLI-14] at loss the command is killed, with what it started, and the exit code is 5 (one server)", async () => {
    const stubborn = `'trap "" TERM; echo started; sleep 60 & wait; sleep 60'`;
    const line = `quorate lock fragile --ttl-ms 1500 --kill-after-ms 200 -- sh -c ${stubborn}`;
    const holder = shell.start(line);
    await holder.until(/started/);
    const { stdout } = await shell.run("quorate lease list");
    for (const id of stdout.trim().split("\n")) await shell.run(`quorate lease revoke ${id}`);
    const { code, stderr } = await holder.ended;
    assert.equal(code, 5, stderr);
    assert.match(stderr, /^(LOST|EXPIRED) \(definite\)/m);
  });

  test("[CLI-13] SIGTERM to the CLI ends the command and passes its end on (one server)", async () => {
    // Short sleeps: one that is forked just before the signal would survive it, and keep the output open.
    const command = `'trap "exit 9" TERM; echo on; while :; do sleep 0.1; done'`;
    const holder = shell.start(`quorate lock polite -- sh -c ${command}`);
    await holder.until(/^on$/m);
    holder.signal("SIGTERM");
    assert.equal((await holder.ended).code, 9);
  });

  test("[CLI-13] ^C reaches the command; a second one ends both at once, with 130 (one server)", async () => {
    const command = `'trap "echo heard" TERM; echo on; while :; do sleep 0.1; done'`;
    const holder = shell.start(`quorate lock rude --ttl-ms 1000 -- sh -c ${command}`);
    await holder.until(/^on$/m);
    holder.signal("SIGINT");
    await holder.until(/heard/);
    holder.signal("SIGINT");
    // Its output ends only when the command, which shares it, is gone as well.
    assert.equal((await holder.ended).code, 130);
    // Nobody could release it: it ends with its lease.
    const next = await shell.run("quorate lock rude --wait-ms 20000 -- echo mine");
    assert.equal(next.stdout, "mine\n");
  });

  test("[CLI-15] one leads, another follows when the first resigns (one server)", async () => {
    const first = shell.start("quorate elect chief one");
    await first.until(/leading chief/);
    const second = shell.start("quorate elect chief two");
    const queued = async (): Promise<boolean> =>
      /"position":1/.test((await shell.run("quorate explain election/chief --output json")).stdout);
    while (!(await queued()));
    const observer = shell.start("quorate elect chief --observe --events 2 --output json");
    await observer.until(/one/);
    first.signal("SIGINT");
    assert.equal((await first.ended).code, 0);
    await second.until(/leading chief/);
    const { code, stdout } = await observer.ended;
    assert.equal(code, 0);
    assert.match(stdout, /one[^]*two/);
    second.signal("SIGINT");
    assert.equal((await second.ended).code, 0);
  });
});
