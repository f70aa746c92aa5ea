/** The data directory deleted while it is in use: a DISK failure, once, and nothing that fails later. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Bytes } from "../../src/base/bytes.ts";
import { connect, QuorateError } from "../../src/sdk/index.ts";
import { startServer } from "../../src/server/index.ts";

/** A directory and how to delete it. An unhandled rejection fails a test by itself. */
function directory(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), "quorate-gone-"));
  const remove = (): void => {
    // A file that is being made may come after the directory was listed.
    while (existsSync(path)) {
      try {
        rmSync(path, { recursive: true, force: true });
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "ENOTEMPTY");
      }
    }
  };
  return { path, remove };
}

const put = { kind: "put", key: "key" as Bytes, value: "x".repeat(1_000_000) as Bytes } as const;

function isDisk(error: unknown): boolean {
  assert.ok(QuorateError.is(error, "DISK"), String(error));
  assert.match(error.object, /quorate-gone-/);
  assert.match(error.failure.what, /ENOENT/);
  assert.notEqual(error.failure.remedy, "");
  return true;
}

/** Turns of the event loop in which a rejection that nobody handles would be reported. */
async function later(): Promise<void> {
  await new Promise((done) => setTimeout(done, 50));
}

test("[DRV-13] closing without a directory fails with DISK and gives it back (file:)", async () => {
  const { path, remove } = directory();
  const q = await connect(`file:${path}`);
  await q.commitment.keyspace.call(put);
  remove();
  await assert.rejects(q.close(), isDisk);
  await later();
  const again = await connect(`file:${path}`);
  await again.close();
  remove();
});

test("[DRV-13] writes fail when the next segment is needed, and with them what is held (file:)", async () => {
  const { path, remove } = directory();
  const q = await connect(`file:${path}`);
  const held = await q.lock("held").acquire();
  remove();
  const writeOn = async (): Promise<void> => {
    for (;;) await q.commitment.keyspace.call(put);
  };
  await assert.rejects(writeOn(), (error: unknown) => {
    assert.ok(QuorateError.is(error, "SHUTDOWN"), String(error));
    assert.match(error.message, /DISK.*ENOENT/s);
    return true;
  });
  await held.release().catch((error: unknown) => assert.ok(QuorateError.is(error), String(error)));
  await q.close().catch((error: unknown) => assert.ok(QuorateError.is(error), String(error)));
  await later();
  const again = await connect(`file:${path}`);
  await again.close();
  remove();
});

test("[DRV-13] a signal that closes the connection reports the failure to the logger (file:)", async () => {
  const { path, remove } = directory();
  const said: string[] = [];
  const logger = { warn: (message: string) => void said.push(message) };
  const q = await connect(`file:${path}`, { closeOn: ["SIGUSR2"], logger });
  await q.commitment.keyspace.call(put);
  remove();
  process.emit("SIGUSR2", "SIGUSR2");
  await assert.rejects(q.close(), isDisk);
  await later();
  assert.ok(
    said.some((message) => message.includes("DISK")),
    JSON.stringify(said),
  );
});

test("[DRV-13] a server that cannot leave its snapshot ends with DISK and gives its port back (quorate://)", async () => {
  const { path, remove } = directory();
  const server = await startServer({ listen: "127.0.0.1:0", dataDir: path });
  const q = await connect(server.url);
  await q.commitment.keyspace.call(put);
  remove();
  await assert.rejects(server.close(), isDisk);
  await q.close();
  const { host } = new URL(server.url);
  const next = await startServer({ listen: host });
  await next.close();
  await later();
});
