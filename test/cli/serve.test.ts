/** The server as a process: settings, exclusive resources, draining, what survives. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
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
      /^CONFIG \(definite\) configuration file bad\.json: .*Did you mean quotaBytes\?/,
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
