/** Tokens over a restore: whatever is given afterwards is above whatever was given before, also after the snapshot. */
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import { utf8 } from "../../src/base/bytes.ts";
import { connect } from "../../src/sdk/index.ts";
import { guard } from "../../src/sdk/selection.ts";
import { Shell } from "../cli/shell.ts";

describe("restore", { timeout: 240_000 }, () => {
  let shell = new Shell();
  beforeEach(() => {
    shell = new Shell();
  });
  afterEach(() => shell.close());

  /** The token of one hold, by the command line. */
  async function tokenByCommand(): Promise<number> {
    const { stdout, stderr } = await shell.run("quorate lock job -- sh -c 'echo $QUORATE_TOKEN'");
    assert.match(stdout, /^\d+\n$/, stderr);
    return Number(stdout);
  }

  /** The tokens of a lock, an election and a lease, by the SDK. */
  async function tokensByProgram(): Promise<readonly number[]> {
    const q = await connect(shell.environment["QUORATE_URL"]);
    const held = await q.lock("job").acquire();
    const led = await q.election("chief").campaign();
    await held.release();
    const lease = await q.lock("job").lease({ ttlMs: 60_000 });
    assert.ok(lease.ok);
    const tokens = [held.token, led.token, lease.token];
    await q.lock("job").releaseLease(lease.id);
    await q.close();
    return tokens;
  }

  test("[CLI-12] [SEL-6] a token given after a restore is above every token given before it (two servers)", async () => {
    const first = await shell.serve("--data-dir ./data");
    const given = [await tokenByCommand(), ...(await tokensByProgram())];
    first.signal("SIGTERM");
    await first.ended;
    assert.equal((await shell.run("quorate snapshot save all.snap --data-dir ./data")).code, 0);

    // Holders whom the snapshot does not know: their tokens were given all the same.
    const second = await shell.serve("--data-dir ./data");
    for (let round = 0; round < 5; round++) given.push(await tokenByCommand());
    given.push(...(await tokensByProgram()));
    const resource = guard("the resource");
    resource.admit(Math.max(...given), "the last holder before the restore");
    second.signal("SIGKILL");
    await second.ended;

    assert.equal((await shell.run("quorate snapshot restore all.snap --data-dir ./new")).code, 0);
    const third = await shell.serve("--data-dir ./new");
    const after = [await tokenByCommand(), ...(await tokensByProgram())];
    assert.ok(
      Math.min(...after) > Math.max(...given),
      `${Math.min(...after)} after ${Math.max(...given)}`,
    );
    assert.ok(after.every(Number.isSafeInteger));
    resource.admit(after[0] as number, "the first holder after it");
    // A watch does not go back either: what was before is gone, and says so.
    const q = await connect(shell.environment["QUORATE_URL"]);
    const old = q.commitment.keyspace.watch({
      key: utf8("job"),
      startRevision: Math.max(...given),
    });
    await assert.rejects(
      async () => {
        for await (const _ of old);
      },
      (error: unknown) => QuorateError.is(error, "COMPACTED"),
    );
    await q.close();
    third.signal("SIGTERM");
    await third.ended;

    // Restored twice, it grows twice.
    await shell.run("quorate snapshot save again.snap --data-dir ./new");
    await shell.run("quorate snapshot restore again.snap --data-dir ./newer");
    await shell.serve("--data-dir ./newer");
    assert.ok((await tokenByCommand()) > Math.max(...after) + 2 ** 39);
  });
});
