/** Who has a data directory: one process at a time, told by the kernel, whatever becomes of it. */
import assert from "node:assert/strict";
import { chmodSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { DirectoryLock } from "../ports/disk.ts";
import type { ByteStream, StreamHandler } from "../ports/network.ts";
import { claim, lockDirectory, reachHolder } from "./directory-lock.ts";

const MODULE = join(import.meta.dirname, "directory-lock.js");

/** A handler that gives what arrives to `heard`. */
function hearing(heard: (text: string) => void): (stream: ByteStream) => StreamHandler {
  return () => ({
    received: (bytes) => heard(Buffer.from(bytes).toString()),
    drained: () => {},
    closed: () => {},
  });
}

async function taken(root: string): Promise<DirectoryLock> {
  const lock = await lockDirectory(root);
  assert.ok("release" in lock, "the directory is free");
  return lock;
}

describe("the lock of a data directory", () => {
  let root = "";
  const at = (name: string): string => join(root, name);
  const sockets = (name: string): readonly string[] =>
    readdirSync(at(name)).filter((each) => lstatSync(join(at(name), each)).isSocket());
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "quorate-lock-"));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  /** A process that takes `name` and prints what came of it; then it waits to be ended. */
  function taker(name: string, user?: number): ReturnType<typeof spawn> {
    const program = [
      `import { lockDirectory } from ${JSON.stringify(MODULE)};`,
      // Only now: the module may lie where that user may not read.
      ...(user === undefined ? [] : [`process.setgid(${user}); process.setuid(${user});`]),
      `const lock = await lockDirectory(${JSON.stringify(at(name))}).catch((e) => ({ code: e.code }));`,
      `console.log("release" in lock ? "taken" : JSON.stringify(lock));`,
      `setInterval(() => {}, 1e6);`,
    ].join("\n");
    return spawn(process.execPath, ["--input-type=module", "-e", program], {
      stdio: ["ignore", "pipe", "inherit"],
      cwd: "/",
    });
  }
  async function said(child: ReturnType<typeof spawn>): Promise<string> {
    const [text] = (await once(child.stdout ?? assert.fail("no output"), "data")) as [Buffer];
    return text.toString().trim();
  }

  test("[EXC-1] of 24 that take it at once one has it, the others are told who (one process)", async () => {
    const outcomes = await Promise.all(Array.from({ length: 24 }, () => lockDirectory(at("data"))));
    const locks = outcomes.filter((each) => "release" in each);
    assert.equal(locks.length, 1);
    assert.deepEqual(sockets("data"), ["serving.1"]);
    const again = await lockDirectory(at("data"));
    assert.ok(!("release" in again));
    assert.equal(again.pid, process.pid);
    await locks[0]?.release();
  });

  test("[EXC-2] a killed holder leaves it free at once; a stopped one does not (two processes)", async () => {
    for (let round = 0; round < 3; round++) {
      const child = taker("data");
      assert.equal(await said(child), "taken");
      child.kill("SIGSTOP");
      assert.ok(!("release" in (await lockDirectory(at("data")))));
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    const lock = await taken(at("data"));
    assert.deepEqual(sockets("data"), ["serving.3", "serving.4"]);
    await lock.release();
  });

  test("[EXC-2] letting go leaves a plain file, so that the directory can be copied (one process)", async () => {
    await (await taken(at("data"))).release();
    assert.deepEqual(readdirSync(at("data")), ["serving.2"]);
    assert.deepEqual(sockets("data"), []);
    await (await taken(at("data"))).release();
    assert.deepEqual(readdirSync(at("data")), ["serving.4"]);
  });

  test("[EXC-3] what connects before anybody attends is attended to later (one process)", async () => {
    const lock = await taken(at("data"));
    let answer = (_text: string): void => {};
    const answered = new Promise<string>((resolve) => (answer = resolve));
    const stream = await reachHolder(at("data"), hearing(answer));
    stream?.write(Buffer.from("early"));
    const heard = await new Promise<string>((resolve) => {
      lock.accept((peer) =>
        hearing((text) => {
          resolve(text);
          peer.write(Buffer.from("heard"));
        })(peer),
      );
    });
    assert.equal(heard, "early");
    assert.equal(await answered, "heard");
    stream?.destroy();
    await lock.release();
    assert.equal(
      await reachHolder(
        at("data"),
        hearing(() => {}),
      ),
      undefined,
    );
  });

  test(
    "[EXC-4] a path longer than a socket's address is no obstacle (one process)",
    {
      skip: process.platform === "linux" ? false : "needs /proc",
    },
    async () => {
      const long = join("d".repeat(100), "e".repeat(100));
      const lock = await taken(at(long));
      assert.ok(!("release" in (await lockDirectory(at(long)))));
      lock.accept(hearing(() => {}));
      const stream = await reachHolder(
        at(long),
        hearing(() => {}),
      );
      assert.ok(stream !== undefined);
      stream.destroy();
      await lock.release();
    },
  );

  test(
    "[EXC-5] another user is not let in, and is told whose it is (two processes)",
    {
      skip: process.getuid?.() === 0 ? false : "only root can be another user",
    },
    async () => {
      const lock = await taken(at("data"));
      assert.equal(lstatSync(join(at("data"), "serving.1")).mode & 0o777, 0o600);
      // Even where the directory is open to all.
      chmodSync(root, 0o777);
      chmodSync(at("data"), 0o777);
      const child = taker("data", 65_534);
      assert.match(await said(child), new RegExp(`"pid":${process.pid}`));
      child.kill("SIGKILL");
      await lock.release();
      // A plain file says to every user that it is free.
      const next = taker("data", 65_534);
      assert.equal(await said(next), "taken");
      next.kill("SIGKILL");
      await once(next, "exit");
    },
  );

  test("[EXC-6] an applicant that was paused since it looked withdraws before a higher number (one process)", async () => {
    await (await taken(at("data"))).release();
    const holder = await taken(at("data"));
    // It had seen number 0 and takes 1, which is free again by now.
    assert.equal(await claim(at("data"), 1), undefined);
    assert.deepEqual(sockets("data"), ["serving.3"]);
    assert.ok(!("release" in (await lockDirectory(at("data")))));
    await holder.release();
  });

  test("[EXC-7] of workers of node:cluster, too, one has it (three processes)", async () => {
    const program = join(root, "workers.mjs");
    writeFileSync(
      program,
      [
        `import cluster from "node:cluster";`,
        `import { lockDirectory } from ${JSON.stringify(MODULE)};`,
        `if (cluster.isPrimary) {`,
        `  const found = [];`,
        `  for (let n = 0; n < 3; n++) cluster.fork().on("message", (each) => {`,
        `    found.push(each);`,
        `    if (found.length === 3) { console.log(found.sort().join(" ")); process.exit(0); }`,
        `  });`,
        `} else {`,
        `  const lock = await lockDirectory(${JSON.stringify(at("data"))});`,
        `  process.send("release" in lock ? "taken" : "refused");`,
        `}`,
      ].join("\n"),
    );
    const primary = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
    assert.equal(await said(primary), "refused refused taken");
  });
});
