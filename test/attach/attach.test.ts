/** Several connections on one data directory, in one process and in several: attaching, handing over, being refused. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { text, utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { lockDirectory } from "../../src/host/directory-lock.ts";
import { connect } from "../../src/sdk/index.ts";
import type { Quorate } from "../../src/sdk/quorate.ts";
import type { StreamHandler } from "../../src/ports/network.ts";
import { Shell } from "../cli/shell.ts";
import { until } from "../until.ts";
import { holderPid } from "./crew.ts";

const SDK = join(import.meta.dirname, "..", "..", "src", "sdk", "index.js");
/** Less than any time-out that a hand-over could be waiting for: 5 s to greet, 8 s of silence. */
const PROMPT_MS = 4_000;

async function put(q: Quorate, key: string, value: string): Promise<void> {
  const request = { kind: "put", key: utf8(key), value: utf8(value) } as const;
  await q.commitment.keyspace.call(request, { timeoutMs: 60_000 });
}

async function get(q: Quorate, key: string): Promise<string | undefined> {
  const request = { kind: "range", key: utf8(key) } as const;
  const { kvs } = await q.commitment.keyspace.call(request, { timeoutMs: 60_000 });
  return kvs[0] === undefined ? undefined : text(kvs[0].value);
}

describe("many processes on one data directory", { timeout: 240_000 }, () => {
  let directory = "";
  const open: Quorate[] = [];
  const children: ChildProcess[] = [];
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "quorate-attach-"));
  });
  afterEach(async () => {
    for (const q of open.splice(0)) await q.close();
    for (const child of children.splice(0)) child.kill("SIGKILL");
    rmSync(directory, { recursive: true, force: true });
  });

  async function member(options: Parameters<typeof connect>[1] = {}): Promise<Quorate> {
    const q = await connect(`file:${directory}`, options);
    open.push(q);
    return q;
  }

  /** A process that runs `body` with `q` connected to the directory. */
  function program(body: string, options: Parameters<typeof connect>[1] = {}): ChildProcess {
    const lines = [
      `import { connect } from ${JSON.stringify(SDK)};`,
      `const q = await connect(${JSON.stringify(`file:${directory}`)}, ${JSON.stringify(options)});`,
      `const put = (key) => q.commitment.keyspace.call({ kind: "put", key, value: "x" });`,
      body,
    ];
    const child = spawn(process.execPath, ["--input-type=module", "-e", lines.join("\n")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    return child;
  }

  test("[ATT-1] the second connection attaches: the same locks, keys and watches (one process)", async () => {
    const first = await member({ service: "first" });
    const second = await member({ service: "second" });
    const held = await first.lock("deploy").acquire();
    const refused = await second.lock("deploy").tryAcquire();
    assert.ok(!refused.ok);
    assert.match(refused.why, /held by first@/);
    const waiting = second.lock("deploy").acquire();
    await held.release();
    assert.ok((await waiting).token > held.token);
    await put(second, "key", "from second");
    assert.equal(await get(first, "key"), "from second");
  });

  test("[ATT-4] [ATT-5] [ATT-6] closing hands over at once; what is held, waited for and watched goes on (three connections)", async () => {
    const [first, second, third] = [await member(), await member(), await member()];
    const held = await second.lock("second").acquire();
    const seen: string[] = [];
    const seeing = (async (): Promise<void> => {
      const range = { key: utf8("n/"), end: utf8("n0") };
      for await (const { events } of second.commitment.keyspace.watch(range))
        for (const { kv } of events) {
          seen.push(text(kv.value));
          if (text(kv.value) === "end") return;
        }
    })();
    const waiting = third.lock("second").acquire();
    const expected: string[] = [];
    let closing: Promise<void> | undefined;
    let slowestMs = 0;
    for (let number = 0; number < 60; number++) {
      if (number === 20) closing = first.close();
      const from = performance.now();
      await put(third, `n/${number % 7}`, String(number));
      slowestMs = Math.max(slowestMs, performance.now() - from);
      expected.push(String(number));
    }
    await closing;
    await put(third, "n/0", "end");
    await seeing;
    assert.deepEqual(seen, [...expected, "end"]);
    assert.ok(!held.signal.aborted);
    assert.ok(slowestMs < PROMPT_MS, `a call took ${slowestMs.toFixed(0)} ms`);
    await held.release();
    assert.ok((await waiting).token > held.token);
  });

  test("[ATT-2] [ATT-3] one after the other closes and each command happens once (six connections)", async (t) => {
    const all: Quorate[] = [];
    for (let n = 0; n < 6; n++) all.push(await member());
    const last = all.at(-1) ?? assert.fail();
    const from = performance.now();
    let going = true;
    let sent = 0;
    const sending = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (going) await put(last, `once/${sent++}`, "x");
      }),
    );
    for (const q of all.slice(0, -1)) {
      const goal = sent + 50;
      await until(
        () => sent >= goal,
        () => `${sent} commands`,
      );
      await q.close();
    }
    const goal = sent + 50;
    await until(
      () => sent >= goal,
      () => `${sent} commands`,
    );
    going = false;
    await sending;
    const { kvs } = await last.commitment.keyspace.call({
      kind: "range",
      key: utf8("once/"),
      end: utf8("once0"),
    });
    assert.equal(kvs.length, sent);
    for (const kv of kvs) assert.equal(kv.version, 1, text(kv.key));
    t.diagnostic(`5 hand-overs, ${sent} commands in ${(performance.now() - from).toFixed(0)} ms`);
  });

  test("[ATT-7] neither serving nor being attached keeps a process alive (three processes)", async () => {
    const serving = program("await put('a'); console.log('ready'); setTimeout(() => {}, 2_000);");
    await once(serving.stdout ?? assert.fail(), "data");
    const attached = program("await put('b');");
    const [code] = (await once(attached, "exit")) as [number];
    assert.equal(code, 0);
    // Attached while the other ends by itself, without closing: this one takes over.
    const q = await member();
    assert.equal(holderPid(directory), serving.pid);
    const [ended] = (await once(serving, "exit")) as [number];
    assert.equal(ended, 0);
    assert.equal(await get(q, "a"), "x");
    assert.equal(await get(q, "b"), "x");
    assert.equal(holderPid(directory), process.pid);
  });

  test("[EXC-2] [ATT-2] a stopped process keeps the directory; what was asked meanwhile is answered when it goes on (two processes)", async () => {
    const serving = program("await put('a'); console.log('ready'); setTimeout(() => {}, 60_000);");
    await once(serving.stdout ?? assert.fail(), "data");
    const q = await member();
    serving.kill("SIGSTOP");
    let answered = false;
    const asked = put(q, "asked", "1").then(() => {
      answered = true;
    });
    const other = connect(`file:${directory}`);
    // That nothing happens cannot be waited for; an answer, or a take-over, would come within this time.
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(answered, false);
    assert.equal(holderPid(directory), serving.pid);
    serving.kill("SIGCONT");
    await asked;
    open.push(await other);
    assert.equal(await get(q, "asked"), "1");
    assert.equal(holderPid(directory), serving.pid);
  });

  test("[ATT-8] a process of another protocol, or one that does not answer, is named (one process)", async () => {
    const lock = await lockDirectory(directory);
    assert.ok("release" in lock);
    await lock.announce("quorate://127.0.0.1:1");
    const silent: StreamHandler = { received: () => {}, drained: () => {}, closed: () => {} };
    const refused = async (pattern: RegExp): Promise<void> => {
      const error: unknown = await connect(`file:${directory}`).catch((each: unknown) => each);
      assert.ok(QuorateError.is(error, "DATA_DIR_IN_USE"), String(error));
      assert.equal(error.outcome, "definite");
      assert.match(error.failure.holder ?? "", new RegExp(`^pid ${process.pid} .*127.0.0.1:1$`));
      assert.match(error.failure.what, pattern);
    };
    let says = "\0\0\0\u0004????";
    lock.accept((stream) => {
      if (says !== "") stream.write(Buffer.from(says));
      return silent;
    });
    await refused(/cannot be attached to: it answers in another protocol/);
    says = "";
    await refused(/cannot be attached to: it cannot be used: no greeting within/);
    await lock.release();
  });

  test("[ATT-6] processes that are told to end all at once do, and let go of what they hold (four processes)", async () => {
    const names = ["a", "b", "c", "d"];
    const crew = names.map((name) =>
      program(`const held = await q.lock("own/${name}").acquire(); console.log("holds");`, {
        closeOn: ["SIGTERM"],
      }),
    );
    await Promise.all(crew.map((child) => once(child.stdout ?? assert.fail(), "data")));
    const ended = crew.map(async (child) => (await once(child, "exit"))[0] as number | null);
    for (const child of crew) child.kill("SIGTERM");
    assert.deepEqual(await Promise.all(ended), [0, 0, 0, 0]);
    const q = await member();
    for (const name of names) assert.ok((await q.lock(`own/${name}`).tryAcquire()).ok, name);
  });

  test("[ATT-9] what keeps everybody from taking over is told to those who wait (two processes)", async () => {
    const serving = program("await put('a'); console.log('ready'); setTimeout(() => {}, 60_000);");
    await once(serving.stdout ?? assert.fail(), "data");
    const q = await member();
    for (let n = 0; n < 3; n++) await put(q, "b", String(n));
    const segment = readdirSync(directory).find((name) => name.startsWith("log-"));
    const path = join(directory, segment ?? assert.fail("no log"));
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(600) ^ 0x40, 600);
    writeFileSync(path, bytes);
    serving.kill("SIGKILL");
    await once(serving, "exit");
    const request = { kind: "put", key: utf8("c"), value: utf8("1") } as const;
    const error: unknown = await q.commitment.keyspace
      .call(request, { timeoutMs: 2_000 })
      .catch((each: unknown) => each);
    assert.ok(QuorateError.is(error, "TIMEOUT"), String(error));
    assert.match(error.message, /nobody serves, and opening it here failed: DAMAGED /);
    assert.ok(QuorateError.is(error.cause, "DAMAGED"));
  });

  test("[ATT-9] a directory that was deleted does not come back as an empty store (two connections)", async () => {
    const [first, second] = [await member(), await member()];
    await put(second, "a", "1");
    rmSync(directory, { recursive: true });
    await assert.rejects(first.close(), (error: unknown) => QuorateError.is(error, "DISK"));
    open.splice(open.indexOf(first), 1);
    const request = { kind: "put", key: utf8("b"), value: utf8("1") } as const;
    const asked = second.commitment.keyspace.call(request, { timeoutMs: 1_000 });
    await assert.rejects(asked, /TIMEOUT .*opening it here failed: DISK .*deleted or replaced/);
    assert.equal(existsSync(directory), false);
  });

  test("[ATT-1] [ATT-2] quorate serve serves programs on its directory, and a program a command (three processes)", async () => {
    const shell = new Shell();
    try {
      const server = await shell.serve(`--data-dir ${directory}`);
      const q = await member();
      const held = await q.lock("own").acquire();
      assert.equal((await shell.run("quorate put over-tcp 1")).code, 0);
      assert.equal((await shell.run(`quorate put over-file 2 --url file:${directory}`)).code, 0);
      assert.equal(await get(q, "over-tcp"), "1");
      server.signal("SIGTERM");
      assert.equal((await server.ended).code, 0);
      // Now this process serves, and the command attaches to it.
      const got = await shell.run(`quorate get over-file --raw --url file:${directory}`);
      assert.equal(got.stdout, "2", got.stderr);
      const taken = await shell.run(`quorate lock own --wait-ms 0 --url file:${directory} -- true`);
      assert.equal(taken.code, 1, taken.stderr);
      const second = await shell.run(`quorate serve --data-dir ${directory}`);
      assert.match(second.stderr, new RegExp(`^DATA_DIR_IN_USE .*pid ${process.pid} `));
      assert.ok(!held.signal.aborted);
    } finally {
      await shell.close();
    }
  });

  test("[ATT-10] users are for who comes over a network: programs on the directory are not asked (a server, a program)", async () => {
    const shell = new Shell();
    try {
      await shell.serve(`--data-dir ${directory}`);
      const attached = await member();
      const order = async (...words: readonly string[]): Promise<void> => {
        const done = await shell.run(`quorate auth ${words.join(" ")}`, "secret\n");
        assert.equal(done.code, 0, done.stderr);
      };
      await order("user add root");
      await order("role add root");
      await order("user grant root root");
      await order("enable");
      await put(attached, "inside", "1");
      assert.equal(await get(attached, "inside"), "1");
      const refused = await shell.run("quorate get inside");
      assert.equal(refused.code, 3, refused.stdout);
      assert.match(refused.stderr, /^(UNAUTHENTICATED|PERMISSION_DENIED) /);
      const asked = await shell.run("quorate get inside --raw --user root:secret");
      assert.equal(asked.stdout, "1", asked.stderr);
    } finally {
      await shell.close();
    }
    // Now this process serves: users are enabled still, and it may do everything.
    const alone = await member();
    await put(alone, "inside", "2");
  });

  test("[EXC-7] [ATT-2] workers of node:cluster share a directory, also when the serving one is killed (five processes)", async () => {
    const worker = join(import.meta.dirname, "worker.js");
    const child = spawn(process.execPath, [worker, directory, "4", "15"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    children.push(child);
    const [printed] = (await once(child.stdout, "data")) as [Buffer];
    const { heard, count } = JSON.parse(printed.toString()) as { heard: number; count: number };
    assert.ok(heard >= 45, `the surviving three counted 15 each: ${heard}`);
    // The killed one may have written its last count without having said so.
    assert.ok(count === heard || count === heard + 1, `${count} counted, ${heard} heard`);
  });
});
