/** The verbs that look after a data directory, on directories that a driver wrote. */
import assert from "node:assert/strict";
import {
  cpSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";
import { utf8 } from "../base/bytes.ts";
import { QuorateError } from "../base/errors.ts";
import type { Request, ResponseOf } from "../contract/requests.ts";
import { openDriver } from "../driver/driver.ts";
import type { Driver } from "../driver/face.ts";
import { hostClock } from "../host/clock.ts";
import { hostDisk } from "../host/disk.ts";
import { hostEntropy } from "../host/entropy.ts";
import { inspect } from "./commands/log.ts";
import type { Terminal } from "./output.ts";
import { inspectSnapshot, RESTORE_STEP, restoreSnapshot, saveSnapshot } from "./snapshot-store.ts";

const SEGMENT_BYTES = 64 << 10;

interface LogDocument {
  readonly damaged: boolean;
  readonly segments: readonly {
    state: string;
    batches: number;
    at?: { byte: number; what: string };
  }[];
}

async function open(directory: string): Promise<Driver> {
  return await openDriver({
    disk: hostDisk(directory),
    clock: hostClock,
    entropy: hostEntropy,
    procedures: new Map(),
    label: `file:${directory}`,
    segmentBytes: SEGMENT_BYTES,
  });
}

async function ask<R extends Request>(driver: Driver, request: R): Promise<ResponseOf[R["kind"]]> {
  return await new Promise((resolve, reject) => {
    driver.submit(request, undefined, (reply) => {
      if (reply.ok) resolve(reply.response as ResponseOf[R["kind"]]);
      else reject(new QuorateError(reply.failure));
    });
  });
}

/** What a directory would be if its process were killed now: all of it but the socket. */
function copyOfOpen(source: string, target: string): void {
  cpSync(source, target, { recursive: true, filter: (path) => !lstatSync(path).isSocket() });
}

describe("looking after a data directory", () => {
  let root = "";
  const at = (name: string): string => join(root, name);
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "quorate-data-"));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  async function written(name: string): Promise<void> {
    const driver = await open(at(name));
    for (let n = 0; n < 5; n++) {
      await ask(driver, { kind: "put", key: utf8(`k${n}`), value: utf8("v") });
    }
    // As a kill -9 leaves it: the log holds what no snapshot has.
    copyOfOpen(at(name), at("killed"));
    await driver.close();
  }

  async function inspected(name: string): Promise<{ code: number; document: LogDocument }> {
    let document: LogDocument | undefined;
    const silent = (): void => {};
    const terminal: Terminal = {
      format: "json",
      line: silent,
      json: (said) => void (document = said as LogDocument),
      raw: silent,
      note: silent,
      failure: silent,
    };
    const interrupt = new AbortController().signal;
    const context = { terminal, interrupt, url: "", timeoutMs: 1000, environment: {} };
    const code = await inspect(context, [at(name)]);
    return { code, document: document ?? assert.fail("nothing was printed") };
  }

  function spoil(name: string, change: (bytes: Buffer) => void): string {
    const segment = readdirSync(at(name)).find((each) => each.endsWith(".seg"));
    const path = join(at(name), segment ?? assert.fail("there is a segment"));
    const bytes = readFileSync(path);
    change(bytes);
    writeFileSync(path, bytes);
    return path;
  }

  test("[CLI-12] log inspect counts the batches of a killed server's log (no server)", async () => {
    await written("data");
    const { code, document } = await inspected("killed");
    assert.equal(code, 0);
    assert.equal(document.damaged, false);
    assert.equal(document.segments[0]?.state, "sound");
    assert.ok((document.segments[0]?.batches ?? 0) >= 5);
  });

  test("[CLI-12] log inspect names the place of damage and changes nothing (no server)", async () => {
    await written("data");
    const path = spoil("killed", (bytes) => bytes.writeUInt8(bytes.readUInt8(700) ^ 0x10, 700));
    const before = readdirSync(at("killed")).map((name) => readFileSync(join(at("killed"), name)));
    const { code, document } = await inspected("killed");
    assert.equal(code, 1);
    const found = document.segments[0]?.at;
    assert.deepEqual([found?.byte, document.segments[0]?.state], [512, "damaged"]);
    assert.match(found?.what ?? "", /checksum/);
    const after = readdirSync(at("killed")).map((name) => readFileSync(join(at("killed"), name)));
    assert.deepEqual(after, before);
    assert.ok(path.endsWith(".seg"));
  });

  test("[CLI-12] log inspect tells a torn end from damage (no server)", async () => {
    const driver = await open(at("data"));
    await ask(driver, { kind: "put", key: utf8("long"), value: utf8("v".repeat(2000)) });
    copyOfOpen(at("data"), at("killed"));
    await driver.close();
    spoil("killed", (bytes) => {
      let last = bytes.length - 512;
      while (bytes.subarray(last, last + 512).every((byte) => byte === 0)) last -= 512;
      bytes.fill(0, last, last + 512);
    });
    const { code, document } = await inspected("killed");
    assert.equal(code, 0);
    assert.equal(document.segments[0]?.state, "torn");
  });

  test("[CLI-12] a restored directory has every key, and its revision is 2^40 higher (no server)", async () => {
    await written("data");
    const saved = await saveSnapshot(at("killed"), at("all.snap"));
    assert.deepEqual([saved.keys, saved.revision], [5, 6]);
    assert.deepEqual(await inspectSnapshot(at("all.snap")), saved);
    const facts = await restoreSnapshot(at("all.snap"), at("new"));
    assert.equal(facts.revision, saved.revision + RESTORE_STEP);
    const driver = await open(at("new"));
    try {
      const range = await ask(driver, { kind: "range", key: utf8("k"), end: utf8("l") });
      assert.deepEqual(
        range.kvs.map((kv) => kv.key),
        ["k0", "k1", "k2", "k3", "k4"],
      );
      const put = await ask(driver, { kind: "put", key: utf8("k9"), value: utf8("v") });
      assert.equal(put.revision, saved.revision + RESTORE_STEP + 1);
      const past = ask(driver, { kind: "range", key: utf8("k0"), revision: saved.revision });
      await assert.rejects(past, (error: unknown) => QuorateError.is(error, "COMPACTED"));
    } finally {
      await driver.close();
    }
  });

  test("[CLI-12] a restored store is another cluster (no server)", async () => {
    await written("data");
    await saveSnapshot(at("data"), at("all.snap"));
    await restoreSnapshot(at("all.snap"), at("new"));
    const identity = (name: string): { clusterId: string } =>
      JSON.parse(readFileSync(join(at(name), "identity.json"), "utf8")) as { clusterId: string };
    assert.notEqual(identity("new").clusterId, identity("data").clusterId);
  });

  test("[CLI-12] a flipped byte anywhere in a snapshot is DAMAGED, and nothing is made of it (no server)", async () => {
    await written("data");
    await saveSnapshot(at("data"), at("all.snap"));
    const whole = readFileSync(at("all.snap"));
    for (let byte = 0; byte < whole.length; byte++) {
      const flipped = Buffer.from(whole);
      flipped.writeUInt8(flipped.readUInt8(byte) ^ 0x08, byte);
      writeFileSync(at("bad.snap"), flipped);
      await assert.rejects(
        restoreSnapshot(at("bad.snap"), at("new")),
        (error: unknown) => QuorateError.is(error, "DAMAGED"),
        `byte ${byte}`,
      );
    }
    assert.ok(!readdirSync(root).includes("new"));
  });

  test("[CLI-12] nothing that exists is overwritten, and a directory in use is refused (no server)", async () => {
    await written("data");
    await saveSnapshot(at("data"), at("all.snap"));
    await assert.rejects(saveSnapshot(at("data"), at("all.snap")), /INVALID .*exists already/);
    await assert.rejects(restoreSnapshot(at("all.snap"), at("data")), /INVALID .*is not empty/);
    await assert.rejects(
      saveSnapshot(at("none"), at("other.snap")),
      /INVALID .*not a data directory/,
    );
    await assert.rejects(inspectSnapshot(at("none.snap")), /INVALID .*does not exist/);
    const driver = await open(at("data"));
    const refused = saveSnapshot(at("data"), at("other.snap"));
    await assert.rejects(refused, (error: unknown) => QuorateError.is(error, "DATA_DIR_IN_USE"));
    await driver.close();
  });
});
