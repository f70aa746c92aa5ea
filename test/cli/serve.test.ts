/** The server as a process: settings, exclusive resources, draining, what survives. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import type { AddressInfo } from "node:net";
import { createConnection, createServer } from "node:net";
import type { Bytes } from "../../src/base/bytes.ts";
import { toArray, utf8 } from "../../src/base/bytes.ts";
import { connect } from "../../src/sdk/index.ts";
import { FrameWriter } from "../../src/wire/native/framing.ts";
import type { ClientMessage, ServerMessage } from "../../src/wire/native/messages.ts";
import { clientCodec, MAGIC, serverCodec } from "../../src/wire/native/messages.ts";
import { Shell } from "./shell.ts";

describe("quorate serve", () => {
  let shell = new Shell();
  beforeEach(() => {
    shell = new Shell();
  });
  afterEach(() => shell.close());

  test("[CLI-2] a configuration that cannot be meant ends with 2 and names the key (no server)", async () => {
    writeFileSync(join(shell.directory, "bad.json"), '{"quotaByte": 1}');
    const { code, stderr } = await shell.run("quorate serve --config bad.json");
    assert.equal(code, 2);
    assert.match(
      stderr,
      /^CONFIG \(definite\) configuration file bad\.json, line 1: .*Did you mean quotaBytes\?/,
    );
    assert.deepEqual(readdirSync(shell.directory).sort(), ["bad.json", "quorate"]);
  });

  test("[CLI-11] SIGTERM drains, ends with 0, and what was put is there again (one server)", async () => {
    const first = await shell.serve("--data-dir ./data");
    assert.equal((await shell.run("quorate put kept 1")).code, 0);
    first.signal("SIGTERM");
    const { code, stderr } = await first.ended;
    assert.equal(code, 0, stderr);
    await shell.serve("--data-dir ./data");
    assert.equal((await shell.run("quorate get kept --raw")).stdout, "1");
  });

  test("[CLI-11] a second signal ends a server that is still draining at once, with 130 (one server)", async () => {
    const server = await shell.serve("--data-dir ./data");
    // A client that has asked for more than it takes keeps the drain waiting.
    const { hostname, port } = new URL(shell.environment["QUORATE_URL"] ?? "");
    const writer = new FrameWriter<ClientMessage>(clientCodec, 4 << 20);
    const value = "v".repeat(1_000_000) as Bytes;
    assert.equal((await shell.run("quorate put large -", value)).code, 0);
    for (let id = 1; id < 200; id++)
      writer.add({ kind: "request", id, request: { kind: "range", key: utf8("large") } });
    writer.add({ kind: "snapshotOpen", id: 200 });
    const client = createConnection({ host: hostname, port: Number(port) });
    client.on("error", () => {});
    client.write(toArray(MAGIC));
    await new Promise<void>((resolve) => {
      client.once("data", () => resolve());
      client.write(writer.take());
    });
    client.pause();
    server.signal("SIGTERM");
    await server.until(/draining; a second signal ends at once/);
    const asked = performance.now();
    server.signal("SIGINT");
    assert.equal((await server.ended).code, 130);
    assert.ok(performance.now() - asked < 3_000, "it did not wait for the drain");
    client.destroy();
    // What was acknowledged is there all the same.
    await shell.serve("--data-dir ./data");
    assert.equal((await shell.run("quorate get large --raw")).stdout, value);
  });

  test("[CLI-11] a second server on one directory or one address ends with 3 and says who has it (two servers)", async () => {
    const first = await shell.serve("--data-dir ./data");
    const inUse = await shell.run("quorate serve --data-dir ./data");
    assert.equal(inUse.code, 3);
    assert.match(inUse.stderr, new RegExp(`^DATA_DIR_IN_USE .*pid ${first.pid} `));
    const address = new URL(shell.environment["QUORATE_URL"] ?? "").host;
    const taken = await shell.run(`quorate serve --data-dir ./other --listen ${address}`);
    assert.equal(taken.code, 3);
    assert.match(taken.stderr, /^ADDRESS_IN_USE /);
  });

  test("[CLI-12] log inspect reports damage with its place and changes nothing (no server)", async () => {
    const server = await shell.serve("--data-dir ./data");
    for (let at = 0; at < 3; at++) await shell.run(`quorate put k${at} v`);
    server.signal("SIGKILL");
    await server.ended;
    const sound = await shell.run("quorate log inspect ./data");
    assert.equal(sound.code, 0, sound.stderr);
    const directory = join(shell.directory, "data");
    const segment =
      readdirSync(directory).find((name) => /^log-.*\.seg$/.test(name)) ?? assert.fail("a segment");
    const path = join(directory, segment);
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(600) ^ 0x40, 600);
    writeFileSync(path, bytes);
    const { code, stdout } = await shell.run("quorate log inspect ./data");
    assert.equal(code, 1);
    assert.match(stdout, /damaged at byte 512: a sector whose checksum does not match/);
    assert.deepEqual(readFileSync(path), bytes);
  });

  test("[CLI-18] a snapshot of a running server is one state of it, while writes go on (two servers)", async () => {
    const server = await shell.serve("--data-dir ./data");
    const q = await connect(shell.environment["QUORATE_URL"]);
    const { keyspace } = q.commitment;
    // Each transaction writes both: a state in between would show.
    let written = 0;
    let going = true;
    const large = "v".repeat(10_000) as Bytes;
    const write = async (): Promise<void> => {
      const value = utf8(String(++written));
      const puts = [utf8("twin/a"), utf8("twin/b")].map(
        (key) => ({ kind: "put", key, value }) as const,
      );
      await keyspace.call({ kind: "txn", compare: [], success: puts, failure: [] });
      await keyspace.call({ kind: "put", key: utf8(`bulk/${written % 500}`), value: large });
    };
    while (written < 500) await write();
    const writing = (async (): Promise<void> => {
      while (going) await write();
    })();
    const before = written;
    const saved = await shell.run("quorate snapshot save live.snap --output json");
    assert.equal(saved.code, 0, saved.stderr);
    const after = written;
    going = false;
    await writing;
    assert.equal((JSON.parse(saved.stdout) as { keys: number }).keys, 502);
    assert.ok(after > before, "writes went on meanwhile");
    const taken = await shell.run("quorate snapshot save live.snap");
    assert.equal(taken.code, 2);
    assert.match(taken.stderr, /^INVALID \(definite\) file live\.snap: exists already/);
    await q.close();
    server.signal("SIGTERM");
    await server.ended;

    const restored = await shell.run("quorate snapshot restore live.snap --data-dir ./new");
    assert.equal(restored.code, 0, restored.stderr);
    await shell.serve("--data-dir ./new");
    const a = (await shell.run("quorate get twin/a --raw")).stdout;
    assert.equal((await shell.run("quorate get twin/b --raw")).stdout, a);
    assert.ok(Number(a) >= before && Number(a) <= after, `${before} <= ${a} <= ${after}`);
  });

  test("[CLI-18] a snapshot that does not come whole leaves nothing and says why (no server, one that goes away)", async () => {
    for (const [url, code, error] of [
      ["quorate://127.0.0.1:1", 3, /^UNAVAILABLE \(definite\) server 127\.0\.0\.1:1: /],
      ["memory:", 2, /^INVALID \(definite\) url memory:: is no server that can be asked\./],
    ] as const) {
      const failed = await shell.run(`quorate snapshot save x.snap --url ${url}`);
      assert.equal(failed.code, code, failed.stderr);
      assert.match(failed.stderr, error);
    }
    // It greets and begins, and then the connection is cut.
    const half = createServer((socket) => {
      socket.once("data", () => {
        const writer = new FrameWriter<ServerMessage>(serverCodec, 1 << 20);
        writer.add({ kind: "hello", version: "0", cluster: "c", procedures: [] });
        writer.add({ kind: "snapshotPart", id: 1, bytes: "half of it" as Bytes });
        socket.end(writer.take());
      });
    });
    await new Promise<void>((resolve) => half.listen(0, "127.0.0.1", resolve));
    const { port } = half.address() as AddressInfo;
    const cut = await shell.run(`quorate snapshot save x.snap --url quorate://127.0.0.1:${port}`);
    assert.match(cut.stderr, /^UNAVAILABLE \(definite\) .*before all of the snapshot had come/);
    // One that says nothing.
    const silent = createServer(() => {});
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const mute = `quorate://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const late = await shell.run(`quorate snapshot save x.snap --url ${mute} --timeout-ms 200`);
    assert.match(late.stderr, /^TIMEOUT \(definite\) .*was silent for 200 ms/);
    assert.deepEqual(readdirSync(shell.directory), ["quorate"]);
    half.close();
    silent.close();
  });

  test("[CLI-12] a snapshot restores into a new directory with a higher revision (two servers)", async () => {
    const first = await shell.serve("--data-dir ./data");
    await shell.run("quorate put kept 1");
    first.signal("SIGTERM");
    await first.ended;
    const saved = await shell.run("quorate snapshot save all.snap --data-dir ./data");
    assert.equal(saved.code, 0, saved.stderr);
    const restored = await shell.run("quorate snapshot restore all.snap --data-dir ./new");
    assert.equal(restored.code, 0, restored.stderr);
    const again = await shell.run("quorate snapshot restore all.snap --data-dir ./new");
    assert.notEqual(again.code, 0);
    await shell.serve("--data-dir ./new");
    const { revision, kvs } = JSON.parse((await shell.run("quorate get kept -o json")).stdout) as {
      revision: number;
      kvs: readonly { value: string }[];
    };
    assert.equal(kvs[0]?.value, "1");
    assert.ok(revision > 2 ** 40, `revision ${revision}`);
  });
});
