/** What a lock promises, and with it every mechanism in which one at a time owns a name. */
import assert from "node:assert/strict";
import { utf8 } from "../../../src/base/bytes.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Held } from "../../../src/mechanisms/selection/contention/held.ts";
import type { Test } from "./over-arm.ts";
import {
  REVOKED_TTL_MS,
  owned,
  refused,
  untilLast,
  untilWaiting,
  untilWatching,
} from "./over-arm.ts";

export function exclusiveCases(test: Test): void {
  test("[SEL-10] one owner; the other is told who (two sessions)", async ({ a, b }) => {
    const held = owned(await a.lock("one/a").tryAcquire());
    const not = refused(await b.lock("one/a").tryAcquire());
    assert.equal(not.reason, "held");
    assert.match(not.holder ?? "", /^ann@/);
    assert.equal(not.holderToken, held.token);
    await held.release();
    const next = owned(await b.lock("one/a").tryAcquire());
    assert.ok(next.token > held.token);
    await next.release();
  });

  test("[SEL-10] two acquires of one session exclude each other (one session)", async ({ a }) => {
    const first = owned(await a.lock("two").tryAcquire());
    refused(await a.lock("two").tryAcquire());
    const waiting = a.lock("two").acquire();
    await untilWaiting(a.lock("two"), 1);
    await first.release();
    const second = await waiting;
    assert.ok(second.token > first.token);
    await second.release();
  });

  test("[SEL-1] names that are paths of one another do not block each other (two sessions)", async ({
    a,
    b,
  }) => {
    const outer = owned(await a.lock("orders").tryAcquire());
    const inner = owned(await b.lock("orders/42").tryAcquire());
    const parts = owned(await b.lock(["orders/42", "x"]).tryAcquire());
    const inNamespace = owned(await b.namespace("tenant").lock("orders").tryAcquire());
    for (const each of [outer, inner, parts, inNamespace]) await each.release();
  });

  test("[SEL-11] waiters own in order of asking, tokens grow (8 contenders)", async ({ a, b }) => {
    const lock = a.lock("order");
    const first = await lock.acquire();
    const served: number[] = [];
    const tokens: number[] = [];
    const waiting: Promise<void>[] = [];
    for (let at = 0; at < 8; at++) {
      waiting.push(
        (at % 2 === 0 ? a : b)
          .lock("order")
          .tryAcquire({ waitMs: 30_000 })
          .then(async (result) => {
            const held = owned(result);
            served.push(at);
            tokens.push(held.token);
            await held.release();
          }),
      );
      await untilWaiting(lock, at + 1);
    }
    await first.release();
    await Promise.all(waiting);
    assert.deepEqual(served, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual(
      tokens,
      tokens.toSorted((x, y) => x - y),
    );
  });

  test("[SEL-26] a crowd is served in order of age (200 contenders)", async ({ a, b }) => {
    const first = await a.lock("crowd").acquire();
    const tokens: number[] = [];
    // Of a foreign engine 200 joins at once are a long queue of commits.
    const patient = { timeoutMs: 50_000 };
    const waiting = Array.from({ length: 200 }, async (_, at) => {
      const held = await (at % 2 === 0 ? a : b).lock("crowd").acquire(patient);
      tokens.push(held.token);
      await held.release();
    });
    await untilWaiting(a.lock("crowd"), 200);
    const late = refused(await b.lock("crowd").tryAcquire());
    assert.match(late.why, /^held by ann@.*, 200 waiting$/);
    await first.release();
    await Promise.all(waiting);
    assert.equal(tokens.length, 200);
    assert.deepEqual(
      tokens,
      tokens.toSorted((x, y) => x - y),
    );
  });

  test("[SEL-12] waitMs ends with an answer and leaves the queue (two sessions)", async ({
    a,
    b,
  }) => {
    const held = await a.lock("wait").acquire();
    const not = refused(await b.lock("wait").tryAcquire({ waitMs: 30 }));
    assert.equal(not.reason, "timeout");
    assert.match(not.why, /^held by ann@.* \(token \d+\)/);
    assert.equal((await a.lock("wait").explain()).waiters.length, 0);
    await held.release();
  });

  test("[SEL-13] aborting a wait is definite, keeps the reason, and leaves the queue (two sessions)", async ({
    a,
    b,
  }) => {
    const held = await a.lock("abort").acquire();
    const controller = new AbortController();
    const waiting = b.lock("abort").acquire({ signal: controller.signal });
    await untilWaiting(a.lock("abort"), 1);
    // Others see it in line before it has heard that it is: what it asks later is answered later.
    await b.lock("abort/after").run(() => {});
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(waiting, (error: unknown) => {
      assert.ok(QuorateError.is(error, "ABORTED"));
      assert.equal(error.name, "AbortError");
      assert.equal(error.outcome, "definite");
      assert.equal(error.object, "lock abort");
      assert.equal(error.cause, reason);
      return true;
    });
    await untilWaiting(a.lock("abort"), 0);
    await held.release();
    owned(await b.lock("abort").tryAcquire());
  });

  test("[SEL-14] release is idempotent and ends the signal (one session)", async ({ a, b }) => {
    const held = await a.lock("release").acquire();
    const { signal } = held;
    assert.equal(signal.aborted, false);
    assert.ok(held.remainingMs() > 0);
    held.assertHeld();
    await Promise.all([held.release(), held.release(), held[Symbol.asyncDispose]()]);
    assert.ok(QuorateError.is(signal.reason, "CANCELLED"));
    assert.equal(held.remainingMs(), 0);
    assert.throws(
      () => held.assertHeld(),
      (error: unknown) => QuorateError.is(error, "CANCELLED"),
    );
    owned(await b.lock("release").tryAcquire());
  });

  test("[SEL-15] a revoked session loses what it holds; the next call has a new session (two sessions)", async ({
    a,
    b,
    open,
  }) => {
    const c = await open.client("cat", REVOKED_TTL_MS);
    const held = await c.lock("revoked").acquire();
    const { lease } = await c.commitment.session();
    await a.commitment.keyspace.call({ kind: "leaseRevoke", id: lease });
    const next = owned(await b.lock("revoked").tryAcquire());
    if (!held.signal.aborted)
      await new Promise((resolve) => held.signal.addEventListener("abort", resolve));
    assert.ok(
      QuorateError.is(held.signal.reason, "EXPIRED") || QuorateError.is(held.signal.reason, "LOST"),
    );
    assert.ok(next.token > held.token);
    await held.release();
    owned(
      await b
        .lock("revoked")
        .tryAcquire()
        .then((not) => (refused(not), next)),
    );
    owned(await c.lock("revoked/other").tryAcquire());
    assert.notEqual((await c.commitment.session()).lease, lease);
    await next.release();
  });

  test("[SEL-16] closing a connection releases what it holds and aborts with SHUTDOWN (two sessions)", async ({
    b,
    open,
  }) => {
    const c = await open.client("cat");
    const held = await c.lock("closing").acquire();
    const { signal } = held;
    await c.close();
    assert.ok(QuorateError.is(signal.reason, "SHUTDOWN"));
    owned(await b.lock("closing").tryAcquire());
    await assert.rejects(c.lock("closing").tryAcquire(), (error: unknown) =>
      QuorateError.is(error, "CLOSED"),
    );
  });

  test("[SEL-4] a foreign key with any value contends; one with a further slash does not (foreign client)", async ({
    a,
  }) => {
    const { keyspace } = a.commitment;
    await keyspace.call({ kind: "put", key: utf8("lock/foreign/x/y"), value: utf8("1") });
    const held = await a.lock("foreign").acquire();
    await held.release();
    await keyspace.call({ kind: "put", key: utf8("lock/foreign/feed"), value: utf8("") });
    const not = refused(await a.lock("foreign").tryAcquire());
    assert.match(not.holder ?? "", /foreign client \(key lock\/foreign\/feed\)/);
    const waiting = a.lock("foreign").acquire();
    await untilWaiting(a.lock("foreign"), 1);
    await keyspace.call({ kind: "deleteRange", key: utf8("lock/foreign/feed") });
    await (await waiting).release();
  });

  test("[SEL-5] etcdName uses the name as the prefix (foreign client)", async ({ a }) => {
    const held = await a.lock("shared", { etcdName: true }).acquire();
    const { lease } = await a.commitment.session();
    const { kvs } = await a.commitment.keyspace.call({
      kind: "range",
      key: utf8("shared/"),
      end: utf8("shared0"),
    });
    assert.equal(kvs.length, 1);
    assert.ok(kvs[0]?.key.startsWith(`shared/${lease.toString(16)}`));
    assert.equal(kvs[0]?.lease, lease);
    assert.equal(kvs[0]?.createRevision, held.token);
    await held.release();
  });

  test("[SEL-17] explain names holder and waiters with position and reason (two sessions)", async ({
    a,
    b,
  }) => {
    const held = await a.lock("explain", { label: "nightly" }).acquire();
    const waiting = b.lock("explain").acquire();
    await untilWaiting(a.lock("explain"), 1);
    const { holders, waiters } = await b.lock("explain").explain();
    assert.equal(holders.length, 1);
    assert.equal(holders[0]?.service, "ann");
    assert.equal(holders[0]?.label, "nightly");
    assert.equal(holders[0]?.token, held.token);
    assert.equal(waiters[0]?.service, "bob");
    assert.equal(waiters[0]?.position, 1);
    assert.match(waiters[0]?.why ?? "", /^behind ann@/);
    await held.release();
    await (await waiting).release();
  });

  test("[SEL-18] tryRun releases after success and failure, and answers when it is held (two sessions)", async ({
    a,
    b,
  }) => {
    const ran = await a.lock("run").tryRun(async ({ token, signal }) => {
      assert.equal(signal.aborted, false);
      const not = await b.lock("run").tryRun(() => assert.fail("both ran"));
      assert.equal(not.ok, false);
      return token;
    });
    assert.ok(ran.ok && ran.value === ran.token);
    await assert.rejects(
      a.lock("run").tryRun(() => {
        throw new Error("mine");
      }),
      /^Error: mine$/,
    );
    owned(await b.lock("run").tryAcquire());
  });

  test("[SEL-19] a lease outlives its session, is extended and released by id, and ends by itself (two sessions)", async ({
    a,
    b,
    open,
  }) => {
    const c = await open.client("cat");
    const lease = await c.lock("lease").lease({ ttlMs: 60_000 });
    assert.ok(lease.ok);
    await c.close();
    assert.match(refused(await b.lock("lease").tryAcquire()).holder ?? "", /^cat@/);
    const { expiresAt } = await b.lock("lease").extendLease(lease.id, 120_000);
    assert.ok(expiresAt > lease.expiresAt);
    assert.equal(await b.lock("lease").releaseLease(lease.id), true);
    assert.equal(await b.lock("lease").releaseLease(lease.id), false);
    await assert.rejects(b.lock("lease").extendLease(lease.id, 1_000), (error: unknown) =>
      QuorateError.is(error, "EXPIRED"),
    );
    const short = await a.lock("lease").lease({ ttlMs: 150 });
    assert.ok(short.ok);
    const next = owned(await b.lock("lease").tryAcquire({ waitMs: 20_000 }));
    assert.ok(next.token > short.token);
    await next.release();
  });

  test("[SEL-20] watch tells who joins and leaves, in order (two sessions)", async ({ a, b }) => {
    const stop = new AbortController();
    const events = a.lock("watched").watch({ signal: stop.signal });
    const seen: string[] = [];
    const following = (async (): Promise<void> => {
      for await (const { kind, record } of events) seen.push(`${kind} ${record.service ?? ""}`);
    })();
    await untilWatching(seen, () => a.lock("watched").run(() => {}));
    await b.lock("watched").run(() => {});
    await untilLast(seen, "left bob");
    stop.abort();
    await following;
    assert.deepEqual(seen.slice(-4), ["joined ann", "left ann", "joined bob", "left bob"]);
  });

  test("[SEL-21] one release wakes one waiter (6 waiters)", async ({ a }) => {
    const keyspaceCalls: string[] = [];
    const { keyspace } = a.commitment;
    const counting = new Proxy(keyspace, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name !== "run") return (member as () => unknown).bind(target);
        return (procedure: { name: string }, ...rest: unknown[]) => {
          keyspaceCalls.push(procedure.name);
          return Reflect.apply(member, target, [procedure, ...rest]);
        };
      },
    });
    const { lock } = await import("../../../src/sdk/selection.ts");
    const on = { commitment: { ...a.commitment, keyspace: counting } };
    const first = await lock(on, "wake").acquire();
    const waiting: Promise<Held>[] = [];
    for (let at = 0; at < 6; at++) {
      waiting.push(lock(on, "wake").acquire());
      await untilWaiting(a.lock("wake"), at + 1);
    }
    keyspaceCalls.length = 0;
    let held: Held = first;
    for (const each of waiting) {
      await held.release();
      held = await each;
    }
    const looks = keyspaceCalls.filter((name) => name.includes("look"));
    assert.equal(looks.length, 6, keyspaceCalls.join(" "));
    await held.release();
  });

  test("[SEL-25] a release that could not be told is told again (engine that fails twice)", async ({
    a,
    b,
  }) => {
    const { lock } = await import("../../../src/sdk/selection.ts");
    const { keyspace } = a.commitment;
    let failures = 2;
    const failing = new Proxy(keyspace, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        return (...given: [{ readonly name?: string }, ...unknown[]]) => {
          if (name === "run" && given[0].name?.includes("leave") === true && failures-- > 0) {
            return Promise.reject(new Error("cut"));
          }
          return Reflect.apply(member, target, given);
        };
      },
    });
    const held = await lock(
      { commitment: { ...a.commitment, keyspace: failing } },
      "again",
    ).acquire();
    await held.release();
    assert.equal(failures, 1);
    await owned(await b.lock("again").tryAcquire({ waitMs: 20_000 })).release();
  });
}
