/** A real etcd as the engine, and etcd's own programs beside ours. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { utf8 } from "../../src/base/bytes.ts";
import type { Bytes } from "../../src/base/bytes.ts";
import { QuorateError } from "../../src/base/errors.ts";
import { procedure } from "../../src/contract/procedure.ts";
import type { Quorate } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";
import { etcd } from "../../src/sdk/etcd.ts";
import { Ctl } from "./etcdctl.ts";
import { etcdctlMissing, etcdMissing, startEtcd } from "./etcd-process.ts";
import type { EtcdProcess } from "./etcd-process.ts";

describe("etcd as the engine", { timeout: 240_000, skip: etcdMissing }, () => {
  let server: EtcdProcess;
  let q: Quorate;
  before(async () => {
    server = await startEtcd();
    q = await connect(`etcd://${server.endpoint}`, { service: "ann" });
  });
  after(async () => {
    await q.close();
    await server.stop();
  });

  test("[OPT-2] deletes inside a validated range are seen (two clients)", async () => {
    const other = await connect(etcd({ endpoints: [server.endpoint] }));
    const { keyspace } = q.commitment;
    const key = (name: string): Bytes => utf8(`validated/${name}`);
    for (const name of ["a", "b"]) {
      await keyspace.call({ kind: "put", key: key(name), value: utf8("1") });
    }
    const count = procedure<null, number>(
      "test/count@1",
      (tx) => {
        const found = tx.range(key(""), utf8("validated0")).length;
        tx.put(utf8("validated-count"), utf8(String(found)));
        return found;
      },
      () => "validated",
    );
    // The first run leaves the range in the client's cache; the other client deletes a key behind its back.
    assert.equal((await keyspace.run(count, null)).result, 2);
    await other.commitment.keyspace.call({ kind: "deleteRange", key: key("a") });
    assert.equal((await keyspace.run(count, null)).result, 1);
    await other.close();
  });

  test("[ETCD-1] etcdctl lock waits for ours, and ours for etcdctl's (one name)", async (t) => {
    if (etcdctlMissing !== false) return t.skip(etcdctlMissing);
    const lock = q.lock("shared", { etcdName: true });
    const held = await lock.acquire();
    const waiting = new Ctl(server.endpoint, "lock", "shared");
    for (;;) {
      const { waiters } = await lock.explain();
      if (waiters.length === 1) break;
    }
    assert.equal(waiting.said, "", "it waits");
    await held.release();
    await waiting.until(/^shared\//m);
    const refused = await lock.tryAcquire();
    assert.equal(refused.ok, false);
    const next = lock.acquire();
    for (;;) {
      const { waiters } = await lock.explain();
      if (waiters.length === 1) break;
    }
    waiting.child.kill("SIGINT");
    await waiting.ended;
    await (await next).release();
  });

  test("[ETCD-1] etcdctl elect and our election exclude each other (one name)", async (t) => {
    if (etcdctlMissing !== false) return t.skip(etcdctlMissing);
    const election = q.election("chief", { etcdName: true });
    const theirs = new Ctl(server.endpoint, "elect", "chief", "them");
    await theirs.until(/them/);
    const ours = election.campaign({ value: "us" });
    for (;;) {
      const { waiters } = await election.explain();
      if (waiters.length === 1) break;
    }
    const observed = new Ctl(server.endpoint, "elect", "--listen", "chief");
    await observed.until(/them/);
    theirs.child.kill("SIGINT");
    await theirs.ended;
    const leadership = await ours;
    await observed.until(/us/);
    observed.child.kill("SIGKILL");
    await leadership.resign();
  });

  test("[ETCD-1] what we store elsewhere does not hold up etcdctl lock (same name)", async (t) => {
    if (etcdctlMissing !== false) return t.skip(etcdctlMissing);
    const held = await q.lock("apart").acquire();
    const permit = await q.semaphore("apart", { permits: 2 }).tryAcquire();
    assert.ok(permit.ok);
    const free = new Ctl(server.endpoint, "lock", "apart", "true");
    assert.equal(await free.ended, 0);
    await held.release();
    await permit.release();
  });

  test("[ETCD-3] a watch goes on over a restart, without gap or repeat (SIGKILL)", async () => {
    const { keyspace } = q.commitment;
    const put = (value: number): Promise<unknown> =>
      keyspace.call({ kind: "put", key: utf8("restarted"), value: utf8(String(value)) });
    const watch = keyspace.watch({ key: utf8("restarted") });
    await watch.ready;
    const seen: string[] = [];
    const reading = (async (): Promise<void> => {
      for await (const batch of watch) {
        seen.push(...batch.events.map((event) => event.kv.value));
        if (seen.length === 4) return;
      }
    })();
    await put(1);
    await put(2);
    await server.restart();
    await put(3);
    await put(4);
    await reading;
    assert.deepEqual(seen, ["1", "2", "3", "4"]);
  });

  test("[ETCD-2] a call made while etcd is away waits for it, and is definite if it ends first (SIGKILL)", async () => {
    const { keyspace } = q.commitment;
    await server.kill();
    const put = (key: string, timeoutMs?: number): Promise<unknown> =>
      keyspace.call({ kind: "put", key: utf8(key), value: utf8("1") }, { timeoutMs });
    // The first call may meet the connection as it breaks: its outcome is then unknown.
    await put("away/0", 300).catch(() => {});
    await assert.rejects(put("away/1", 300), (error) => {
      assert.ok(QuorateError.is(error, "TIMEOUT"));
      assert.equal(error.outcome, "definite");
      return true;
    });
    const waiting = put("away/2", 20_000);
    await server.restart();
    await waiting;
    const { count } = await keyspace.call({ kind: "range", key: utf8("away/1") });
    assert.equal(count, 0);
  });

  test("[ETCD-4] a hold that ends is acted on by another session (its maker is gone)", async () => {
    const maker = await connect(`etcd://${server.endpoint}`, { sessionTtlMs: 2_000 });
    const keeper = await connect(`etcd://${server.endpoint}`, { sessionTtlMs: 2_000 });
    // A session takes part in acting on deadlines.
    await (await keeper.lock("any").acquire()).release();
    const lease = await maker.lock("deadline").lease({ ttlMs: 1_500 });
    assert.equal(lease.ok, true);
    await maker.close();
    assert.equal((await keeper.lock("deadline").tryAcquire()).ok, false);
    const held = await keeper.lock("deadline").acquire();
    assert.ok(Date.now() >= (lease.ok ? lease.expiresAt : 0));
    await held.release();
    await keeper.close();
  });

  test("[ETCD-5] an etcd that is not there is UNAVAILABLE, definite, with a remedy (no server)", async () => {
    await assert.rejects(connect("etcd://127.0.0.1:1"), (error) => {
      assert.ok(QuorateError.is(error, "UNAVAILABLE"));
      assert.equal(error.outcome, "definite");
      assert.match(error.failure.remedy, /etcd runs/);
      return true;
    });
    await assert.rejects(connect("etcd://"), (error) => QuorateError.is(error, "CONFIG"));
  });

  test("[ETCD-7] a program that does not close its connection ends all the same (one lock)", () => {
    const sdk = join(import.meta.dirname, "..", "..", "src", "sdk", "index.js");
    const program = `
      const { connect } = await import(${JSON.stringify(sdk)});
      const q = await connect("etcd://${server.endpoint}");
      const held = await q.lock("left").acquire();
      console.log(held.token > 0);
      await held.release();
    `;
    const run = spawnSync(process.execPath, ["--input-type=module", "-e", program], {
      timeout: 120_000,
      encoding: "utf8",
    });
    assert.equal(run.status, 0, run.stderr);
    assert.equal(run.stdout, "true\n");
  });
});
