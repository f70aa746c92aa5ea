/** What the selection mechanisms promise, over any engine. */
import assert from "node:assert/strict";
import { utf8 } from "../../../src/base/bytes.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Held } from "../../../src/mechanisms/selection/contention/held.ts";
import type { Arm } from "../arms.ts";
import {
  REVOKED_TTL_MS,
  overArm,
  owned,
  refused,
  untilLast,
  untilWaiting,
  untilWatching,
} from "./over-arm.ts";

export function mechanismConformance(arm: Arm): void {
  overArm("selection", arm, (test) => {
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

    test("[SEL-11] waiters own in order of asking, tokens grow (8 contenders)", async ({
      a,
      b,
    }) => {
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
        QuorateError.is(held.signal.reason, "EXPIRED") ||
          QuorateError.is(held.signal.reason, "LOST"),
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

    test("[RWL-1] [RWL-2] readers share; a writer has it alone; phases in order of arrival (two sessions)", async ({
      a,
      b,
    }) => {
      const one = a.rwlock("doc");
      const two = b.rwlock("doc");
      const r1 = owned(await one.tryRead());
      const r2 = owned(await two.tryRead());
      refused(await one.tryWrite());
      const order: string[] = [];
      const writer = two
        .tryWrite({ waitMs: 30_000 })
        .then((held) => (order.push("w"), owned(held)));
      await untilWaiting(one, 1);
      refused(await one.tryRead());
      const late = one.tryRead({ waitMs: 30_000 }).then((held) => (order.push("r"), owned(held)));
      await untilWaiting(one, 2);
      await r1.release();
      assert.deepEqual(order, []);
      await r2.release();
      const w = await writer;
      assert.deepEqual(order, ["w"]);
      await w.release();
      await (await late).release();
    });

    test("[SEM-1] [SEM-2] weights stay within the permits; a heavy claim is not overtaken (two sessions)", async ({
      a,
      b,
    }) => {
      const one = a.semaphore("pool", { permits: 3 });
      const two = b.semaphore("pool", { permits: 3 });
      const x = owned(await one.tryAcquire({ weight: 2 }));
      const order: string[] = [];
      const heavy = two
        .tryAcquire({ weight: 3, waitMs: 30_000 })
        .then((held) => (order.push("heavy"), owned(held)));
      await untilWaiting(one, 1);
      refused(await one.tryAcquire());
      const light = one
        .tryAcquire({ waitMs: 30_000 })
        .then((held) => (order.push("light"), owned(held)));
      await untilWaiting(one, 2);
      await x.release();
      await (await heavy).release();
      await (await light).release();
      assert.deepEqual(order, ["heavy", "light"]);
    });

    test("[SEM-3] the stored number of permits counts (two sessions)", async ({ a, b }) => {
      const held = owned(await a.semaphore("stored", { permits: 1 }).tryAcquire());
      const two = b.semaphore("stored", { permits: 5 });
      refused(await two.tryAcquire());
      assert.equal((await two.explain()).permits, 1);
      await assert.rejects(two.tryAcquire({ weight: 2 }), (error: unknown) => {
        assert.ok(QuorateError.is(error, "INVALID"));
        assert.equal(error.details["permits"], 1);
        return true;
      });
      await held.release();
      assert.deepEqual(await two.resize(5), { ok: true, permits: 5, taken: 0 });
      await owned(await two.tryAcquire({ weight: 5 })).release();
    });

    test("[SEM-4] resizing in use counts at once, takes from nobody and wakes who waits (two sessions)", async ({
      a,
      b,
    }) => {
      const one = a.semaphore("grow", { permits: 2 });
      const two = b.semaphore("grow", { permits: 2 });
      const held = [owned(await one.tryAcquire()), owned(await two.tryAcquire())];
      const third = one.tryAcquire({ waitMs: 30_000 });
      await untilWaiting(two, 1);
      assert.deepEqual(await two.resize(3), { ok: true, permits: 3, taken: 3 });
      held.push(owned(await third));
      assert.deepEqual(await one.resize(1), { ok: true, permits: 1, taken: 3 });
      const { holders, permits } = await two.explain();
      assert.deepEqual([holders.length, permits], [3, 1]);
      for (const each of held) each.assertHeld();
      refused(await two.tryAcquire());
      const fourth = two.tryAcquire({ waitMs: 30_000 });
      await untilWaiting(one, 1);
      await held[0]?.release();
      await held[2]?.release();
      assert.equal((await one.explain()).waiters.length, 1, "the last one still takes the permit");
      await held[1]?.release();
      await owned(await fourth).release();
    });

    test("[SEM-4] who waits for more than a lower number is told (two sessions)", async ({
      a,
      b,
    }) => {
      const one = a.semaphore("heavy", { permits: 3 });
      const held = owned(await one.tryAcquire());
      const heavy = b.semaphore("heavy", { permits: 3 }).tryAcquire({ weight: 3, waitMs: 30_000 });
      await untilWaiting(one, 1);
      await one.resize(2);
      await assert.rejects(heavy, (error: unknown) => QuorateError.is(error, "INVALID"));
      await untilWaiting(one, 0);
      await held.release();
    });

    test("[ELE-1] [ELE-2] one leader; observers see each with a growing epoch; proclaim changes the value (two sessions)", async ({
      a,
      b,
    }) => {
      const stop = new AbortController();
      const seen: [string | undefined, string | undefined, number | undefined][] = [];
      const first = await a.election("chief").campaign({ value: "1" });
      const observing = (async (): Promise<void> => {
        for await (const leader of b.election("chief").observe({ signal: stop.signal })) {
          seen.push([leader?.service, leader?.value, leader?.token]);
          if (leader?.service === "bob") stop.abort();
        }
      })();
      while (seen.length === 0) await new Promise((resolve) => setImmediate(resolve));
      await first.proclaim("2");
      const second = b.election("chief").campaign({ value: "3" });
      await untilWaiting(a.election("chief"), 1);
      assert.equal((await b.election("chief").leader())?.value, "2");
      await first.resign();
      const led = await second;
      await observing;
      assert.deepEqual(seen.at(0), ["ann", "1", first.token]);
      assert.deepEqual(seen.at(-1), ["bob", "3", led.token]);
      assert.ok(led.token > first.token);
      await assert.rejects(first.proclaim("4"), (error: unknown) =>
        QuorateError.is(error, "CANCELLED"),
      );
      await led.resign();
      assert.equal(await a.election("chief").leader(), undefined);
    });

    test("[ELE-3] lead campaigns again after a loss and ends when aborted (two sessions)", async ({
      a,
      open,
    }) => {
      const c = await open.client("cat", REVOKED_TTL_MS);
      const stop = new AbortController();
      const epochs: number[] = [];
      const leading = c.election("led").lead(
        async ({ token, signal }) => {
          epochs.push(token);
          if (epochs.length === 2) stop.abort();
          else
            await a.commitment.keyspace.call({
              kind: "leaseRevoke",
              id: (await c.commitment.session()).lease,
            });
          if (!signal.aborted)
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
        },
        { signal: stop.signal },
      );
      await leading;
      assert.equal(epochs.length, 2);
      assert.ok((epochs[1] as number) > (epochs[0] as number));
      assert.equal(await a.election("led").leader(), undefined);
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

    test("[ELE-2] observing with an aborted signal ends at once (one session)", async ({ a }) => {
      for await (const _ of a.election("none").observe({ signal: AbortSignal.abort() }))
        assert.fail("it went on");
    });
  });
}
