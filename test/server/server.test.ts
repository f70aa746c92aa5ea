/** A real server process: killed under load, lied to, drained. */
import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { connect } from "../../src/sdk/index.ts";
import { startServer } from "../../src/server/index.ts";

const cli = join(import.meta.dirname, "..", "..", "src", "cli", "main.js");
const KILLS = Number(process.env["QUORATE_KILLS"] ?? 20);

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
}

async function serve(dataDir: string, port: number): Promise<Running> {
  const child = spawn(
    process.execPath,
    [cli, "serve", "--data-dir", dataDir, "--listen", `127.0.0.1:${port}`, "--output", "json"],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  return { child, url: (JSON.parse(line.toString()) as { url: string }).url };
}

async function kill(child: ChildProcess): Promise<void> {
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

test(`[REM-1] ${KILLS} kill -9 under load: every acknowledged write is there and each retried command happened once (1 server, 1 client)`, async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "quorate-kill-"));
  let { child, url } = await serve(dataDir, 0);
  const port = Number(url.split(":").at(-1));
  const q = await connect(url, { service: "load" });
  const { keyspace } = q.commitment;
  const stop = { now: false };
  const acknowledged = new Map<string, number>();
  let commands = 0;
  // Every writer's n-th put is retried until it is answered, so the version of its key counts how often it happened.
  const writers = Array.from({ length: 16 }, async (_, writer) => {
    const key = `writer-${writer}`;
    for (let number = 1; !stop.now; number++) {
      await keyspace.call(
        { kind: "put", key: utf8(key), value: utf8(String(number)) },
        { timeoutMs: 30_000 },
      );
      acknowledged.set(key, number);
      commands++;
    }
  });
  for (let round = 0; round < KILLS; round++) {
    const before = commands;
    while (commands < before + 200) await new Promise((resolve) => setImmediate(resolve));
    await kill(child);
    ({ child } = await serve(dataDir, port));
  }
  stop.now = true;
  await Promise.all(writers);
  for (const [key, number] of acknowledged) {
    const { kvs } = await keyspace.call({ kind: "range", key: utf8(key) });
    assert.equal(Number(kvs[0]?.value), number, `${key}: the last acknowledged write`);
    assert.equal(kvs[0]?.version, number, `${key}: each put happened once`);
  }
  await q.close();
  await kill(child);
  rmSync(dataDir, { recursive: true, force: true });
});

test("[REM-2] a watch goes on over a kill -9 without a gap or a repeat (1 server, 1 watcher)", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "quorate-watch-"));
  let { child, url } = await serve(dataDir, 0);
  const port = Number(url.split(":").at(-1));
  const q = await connect(url, { service: "watch" });
  const { keyspace } = q.commitment;
  const watch = keyspace.watch({ key: utf8("w/"), end: utf8("w0") });
  await watch.ready;
  const total = 300;
  const seen: number[] = [];
  const watching = (async (): Promise<void> => {
    for await (const batch of watch) {
      for (const event of batch.events) seen.push(Number(event.kv.value));
      if (seen.length >= total) return;
    }
  })();
  for (let number = 0; number < total; number++) {
    if (number % 100 === 50) {
      await kill(child);
      ({ child } = await serve(dataDir, port));
    }
    await keyspace.call(
      { kind: "put", key: utf8(`w/${number % 7}`), value: utf8(String(number)) },
      { timeoutMs: 30_000 },
    );
  }
  await watching;
  assert.deepEqual(
    seen,
    Array.from({ length: total }, (_, number) => number),
  );
  await q.close();
  await kill(child);
  rmSync(dataDir, { recursive: true, force: true });
});

test("[REM-9] watches and requests go on over a server that is restarted in good order (1 server, 1 client)", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "quorate-restart-"));
  const first = await startServer({ listen: "127.0.0.1:0", dataDir });
  const listen = first.url.slice("quorate://".length);
  const q = await connect(first.url);
  const { keyspace } = q.commitment;
  const watch = keyspace.watch({ key: utf8("w") });
  await watch.ready;
  await first.close();
  const put = keyspace.call({ kind: "put", key: utf8("w"), value: utf8("after") });
  const second = await startServer({ listen, dataDir });
  await put;
  for await (const batch of watch) {
    assert.equal(batch.events[0]?.kv.value, "after");
    break;
  }
  await q.close();
  await second.close();
  rmSync(dataDir, { recursive: true, force: true });
});

test("[NAT-1] bytes that are no message end that connection and no other (1 server)", async () => {
  const server = await startServer({ listen: "127.0.0.1:0" });
  const port = Number(server.url.split(":").at(-1));
  const q = await connect(server.url);
  const socket = connectSocket(port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(
    Buffer.concat([Buffer.from("\0QUORA1\n", "latin1"), Buffer.from([0, 0, 0, 2, 250, 1])]),
  );
  socket.resume();
  await once(socket, "close");
  const { kvs } = await q.commitment.keyspace.call({ kind: "range", key: utf8("a") });
  assert.deepEqual(kvs, []);
  await q.close();
  await server.close();
});

test("[SRV-1] an address that others can reach is refused by name (1 server)", async () => {
  await assert.rejects(startServer({ listen: "0.0.0.0:0" }), (error) => {
    assert.ok(QuorateError.is(error, "CONFIG"));
    assert.equal(error.outcome, "definite");
    assert.match(error.message, /--insecure-bind/);
    return true;
  });
});

test("[SRV-2] a server that closes leaves no caller without an honest outcome (1 server)", async () => {
  const server = await startServer({ listen: "127.0.0.1:0" });
  const q = await connect(server.url);
  const { keyspace } = q.commitment;
  await keyspace.call({ kind: "put", key: utf8("first"), value: utf8("v") });
  const before = Promise.allSettled(
    Array.from({ length: 50 }, (_, at) =>
      keyspace.call({ kind: "put", key: utf8(`k${at}`), value: utf8("v") }, { timeoutMs: 1_000 }),
    ),
  );
  await server.close();
  for (const each of await before) {
    if (each.status === "fulfilled") continue;
    // Refused by the drain and waiting for the server's return, or on its way when the connection ended: then only "perhaps" is honest.
    const { code, outcome } = each.reason as QuorateError;
    assert.ok(
      ["TIMEOUT definite", "TIMEOUT indefinite"].includes(`${code} ${outcome}`),
      String(each.reason),
    );
  }
  await q.close();
});

test("[SRV-3] health, readiness, metrics and version are served on the same port (1 server)", async () => {
  const server = await startServer({ listen: "127.0.0.1:0" });
  const base = server.url.replace("quorate:", "http:");
  assert.equal(
    ((await (await fetch(`${base}/health`)).json()) as { health: string }).health,
    "true",
  );
  assert.equal((await fetch(`${base}/readyz`)).status, 200);
  assert.match(await (await fetch(`${base}/metrics`)).text(), /^quorate_revision 1$/m);
  assert.match(await (await fetch(`${base}/version`)).text(), /"quorate":"\d/);
  assert.equal((await fetch(`${base}/nothing`)).status, 404);
  assert.equal((await fetch(`${base}/health`, { method: "POST" })).status, 405);
  await server.close();
});
