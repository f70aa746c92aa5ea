/** What each verb of the selection mechanisms answers, refuses and survives, over any engine. */
import assert from "node:assert/strict";
import { text, utf8 } from "../../../src/base/bytes.ts";
import type { ErrorCode } from "../../../src/base/errors.ts";
import { fail, QuorateError } from "../../../src/base/errors.ts";
import type { Keyspace } from "../../../src/contract/keyspace.ts";
import type { Quorate } from "../../../src/sdk/index.ts";
import { election } from "../../../src/sdk/selection.ts";
import type { Arm } from "../arms.ts";
import { REVOKED_TTL_MS, overArm, owned, refused, untilWaiting } from "./over-arm.ts";

/** Is a failure of `code` about `object` that certainly changed nothing. */
function definite(code: ErrorCode, object: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(QuorateError.is(error, code), String(error));
    assert.deepEqual([error.outcome, error.object], ["definite", object]);
    return true;
  };
}

/** Rejects with what the signal says, as what waits for it does. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void =>
      reject(new DOMException("stopped", { name: "AbortError", cause: signal.reason } as never));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

async function revokeSession(q: Quorate): Promise<void> {
  const { lease } = await q.commitment.session();
  await q.commitment.keyspace.call({ kind: "leaseRevoke", id: lease });
}

async function put(q: Quorate, key: string, value: unknown): Promise<void> {
  const record = utf8(typeof value === "string" ? value : JSON.stringify(value));
  await q.commitment.keyspace.call({ kind: "put", key: utf8(key), value: record });
}

/** The keyspace, except that the first `times` joins find the engine away. */
function awayAtFirst(keyspace: Keyspace, times: number): Keyspace {
  let left = times;
  return new Proxy(keyspace, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      return (...given: [{ readonly name?: string }, ...unknown[]]): unknown => {
        if (name !== "run" || given[0].name?.includes("enter") !== true || left-- <= 0)
          return Reflect.apply(member, target, given);
        const said = { object: "server", what: "is away", remedy: "Wait.", outcome: "definite" };
        return Promise.reject(fail("UNAVAILABLE", { ...said, outcome: "definite" }));
      };
    },
  });
}

export function verbConformance(arm: Arm): void {
  overArm("verbs", arm, (test) => {
    test("[SEL-18] run waits, gives what the function gives, and releases (two sessions)", async ({
      a,
      b,
    }) => {
      const held = await a.lock("run").acquire();
      const running = b.lock("run").run(({ token }) => token);
      await untilWaiting(a.lock("run"), 1);
      await held.release();
      assert.ok((await running) > held.token);
      const own = new TypeError("mine");
      await assert.rejects(
        a.lock("run").run(() => Promise.reject(own)),
        (error: unknown) => error === own,
      );
      await owned(await b.lock("run").tryAcquire()).release();
    });

    test("[SEL-27] a function that stops at its signal: tryRun answers lost, run throws the loss (two sessions)", async ({
      open,
    }) => {
      const c = await open.client("cat", REVOKED_TTL_MS);
      const work = async ({ signal }: { readonly signal: AbortSignal }): Promise<never> => {
        await revokeSession(c);
        return await untilAborted(signal);
      };
      const ran = await c.lock("lost").tryRun(work);
      assert.ok(!ran.ok && ran.reason === "lost", JSON.stringify(ran));
      assert.match(ran.why, /^(LOST|EXPIRED) \(definite\) lock lost: .*; its token was \d+\./);
      await assert.rejects(c.lock("lost").run(work), (error: unknown) =>
        definite(QuorateError.is(error, "LOST") ? "LOST" : "EXPIRED", "lock lost")(error),
      );
      // What is thrown for a reason of its own is thrown on, also after a loss.
      await assert.rejects(
        c.lock("lost").tryRun(async ({ signal }) => {
          await revokeSession(c);
          await untilAborted(signal).catch(() => {});
          throw new RangeError("mine");
        }),
        /^RangeError: mine$/,
      );
    });

    test("[SES-8] whoever finds that the lease is gone is told that the session ended; the next call has another, and lead goes on (one session)", async ({
      open,
    }) => {
      // Nothing of it is renewed while this lasts.
      const c = await open.client("cat");
      await revokeSession(c);
      const expired = (error: unknown): boolean => definite("EXPIRED", "lock gone")(error);
      await assert.rejects(c.lock("gone").tryAcquire(), expired);
      await owned(await c.lock("gone").tryAcquire()).release();
      await revokeSession(c);
      await assert.rejects(c.barrier("gone", { parties: 2 }).arrive(), {
        code: "EXPIRED",
      });
      await c.commitment.session();
      await revokeSession(c);
      const stop = new AbortController();
      const leading = c.election("gone").lead(() => stop.abort(), { signal: stop.signal });
      await leading;
      assert.equal(stop.signal.aborted, true);
    });

    test("[SEL-33] what cannot be asked of the engine is told of the object that it was asked for (one session)", async ({
      a,
    }) => {
      const bad = { timeoutMs: 0 };
      const asked: readonly (readonly [string, () => Promise<unknown>])[] = [
        ["lock x", () => a.lock("x").acquire(bad)],
        ["locks x, y", () => a.locks(["x", "y"]).acquire(bad)],
        ["rwlock x", () => a.rwlock("x").read(bad)],
        ["semaphore x", () => a.semaphore("x", { permits: 1 }).acquire(bad)],
        ["election x", () => a.election("x").campaign(bad)],
        ["latch x", () => a.latch("x", { count: 1 }).countDown(bad)],
        ["latch x", () => a.latch("x", { count: 1 }).wait(bad)],
        ["barrier x", () => a.barrier("x", { parties: 2 }).arrive(bad)],
        ["double-barrier x", () => a.doubleBarrier("x", { parties: 2 }).enter(bad)],
        ["guard x", () => a.guard("x").admit({ token: 1, holder: "h" }, bad)],
        ["guard x", () => a.guard("x").last(bad)],
        ["guard x", () => a.guard("x").clear(bad)],
      ];
      for (const session of ["without a session", "with one"]) {
        if (session === "with one") await a.commitment.session();
        for (const [object, ask] of asked)
          await assert.rejects(ask, definite("INVALID", object), `${object} ${session}`);
      }
    });

    test("[RWL-1] read and write wait for their turn (two sessions)", async ({ a, b }) => {
      const w = await a.rwlock("doc").write();
      const r1 = a.rwlock("doc").read();
      const r2 = b.rwlock("doc").read();
      await untilWaiting(a.rwlock("doc"), 2);
      await w.release();
      const readers = [await r1, await r2];
      const next = b.rwlock("doc").write({ signal: AbortSignal.timeout(40_000) });
      await untilWaiting(a.rwlock("doc"), 1);
      for (const each of readers) await each.release();
      await (await next).release();
    });

    test("[SEM-1] acquire waits until its permits are free (two sessions)", async ({ a, b }) => {
      const one = a.semaphore("pool", { permits: 3 });
      const held = await one.acquire({ weight: 2 });
      const waiting = b.semaphore("pool", { permits: 3 }).acquire({ weight: 2 });
      await untilWaiting(one, 1);
      await held.release();
      await (await waiting).release();
    });

    test("[SEL-28] what anybody wrote under a prefix is read field by field (foreign client)", async ({
      a,
    }) => {
      const three = a.semaphore("odd", { permits: 3 });
      await owned(await three.tryAcquire()).release();
      const odd = { layout: 1, service: {}, since: "x", pid: [], label: 7, mode: "king" };
      await put(a, "semaphore/odd/feed", { ...odd, weight: -100 });
      assert.ok(owned(await three.tryAcquire({ weight: 2 })));
      const not = refused(await three.tryAcquire());
      assert.match(not.why, /^held by a foreign client \(key semaphore\/odd\/feed\) \(token \d+\)/);
      const [foreign] = (await three.explain()).holders;
      assert.deepEqual(
        [foreign?.service, foreign?.sinceMs, foreign?.label, foreign?.mode, foreign?.weight],
        [undefined, undefined, undefined, undefined, undefined],
      );
    });

    test("[SEL-29] a claim of a later version on permits is refused; a lock of it is respected (foreign client)", async ({
      a,
    }) => {
      await put(a, "semaphore/later/feed", { layout: 2, shares: 5 });
      const semaphore = a.semaphore("later", { permits: 9 });
      await assert.rejects(semaphore.tryAcquire(), definite("LAYOUT", "semaphore later"));
      await put(a, "lock/later/feed", { layout: 2 });
      refused(await a.lock("later").tryAcquire());
    });

    test("[SEL-30] what this version does not know of a record survives its rewriting (later client)", async ({
      a,
      b,
    }) => {
      const lease = await a.lock("kept").lease({ ttlMs: 60_000 });
      assert.ok(lease.ok);
      const key = `lock/kept/${lease.id}`;
      const range = { kind: "range", key: utf8(key) } as const;
      const read = async (): Promise<Record<string, unknown>> => {
        const { kvs } = await a.commitment.keyspace.call(range);
        return JSON.parse(text(kvs[0]?.value ?? utf8("{}"))) as Record<string, unknown>;
      };
      await put(a, key, JSON.stringify({ ...(await read()), colour: "red" }));
      const { expiresAt } = await b.lock("kept").extendLease(lease.id, 120_000);
      const record = await read();
      assert.deepEqual([record["colour"], record["expiresAt"]], ["red", expiresAt]);
      assert.equal(await b.lock("kept").releaseLease(lease.id), true);
    });

    test("[SEL-31] times and names that cannot be meant are INVALID before anything is sent (one session)", async ({
      a,
    }) => {
      const invalid = (object: string): ((error: unknown) => boolean) =>
        definite("INVALID", object);
      for (const ms of [Number.NaN, -1, 0, Infinity, 1e300])
        await assert.rejects(a.lock("t").lease({ ttlMs: ms }), invalid("lock t"), `${ms}`);
      await assert.rejects(a.lock("t").extendLease("feed", Number.NaN), invalid("lock t"));
      for (const ms of [Number.NaN, -1])
        await assert.rejects(a.lock("t").tryAcquire({ waitMs: ms }), invalid("lock t"), `${ms}`);
      for (const name of ["", [], "half \ud800", ["half \ud800"], undefined, 7])
        assert.throws(() => a.lock(name as string), invalid("lock"), String(name));
      assert.deepEqual((await a.lock("t").explain()).holders, []);
      assert.equal(a.lock(["orders", 42]).name, "orders/42");
    });

    test("[ELE-2] watch tells of candidates, proclamations and resignations, in order (two sessions)", async ({
      a,
      b,
    }) => {
      const stop = new AbortController();
      const seen: string[] = [];
      const following = (async (): Promise<void> => {
        for await (const { kind, record } of a.election("w").watch({ signal: stop.signal })) {
          seen.push(`${kind} ${record.service ?? ""} ${record.value ?? ""}`);
          if (seen.at(-1) === "left bob 2") stop.abort();
        }
      })();
      // The watch stands when it tells of what is done until then.
      while (seen.length === 0) await (await b.election("w").campaign({ value: "0" })).resign();
      const leadership = await b.election("w").campaign({ value: "1" });
      leadership.assertHeld();
      assert.ok(leadership.remainingMs() > 0);
      await leadership.proclaim("2");
      await leadership.resign();
      assert.throws(() => leadership.assertHeld(), definite("CANCELLED", "election w"));
      await following;
      assert.deepEqual(seen.slice(-3), ["joined bob 1", "changed bob 2", "left bob 2"]);
    });

    test("[ELE-3] lead goes on when the engine comes back, and ends with its connection (engine away at first)", async ({
      open,
    }) => {
      const c = await open.client("cat");
      const keyspace = awayAtFirst(c.commitment.keyspace, 2);
      const on = { commitment: { ...c.commitment, keyspace } };
      const never = new AbortController().signal;
      let led = 0;
      await election(on, "away").lead(
        async ({ signal }) => {
          led++;
          void c.close();
          await untilAborted(signal);
        },
        { signal: never },
      );
      assert.equal(led, 1);
      await assert.rejects(
        c.election("away").lead(() => {}, { signal: never }),
        (error: unknown) => QuorateError.is(error, "CLOSED"),
      );
    });

    test("[SEL-17] explain of a connection finds everything of a name, of its namespace alone (two sessions)", async ({
      a,
      b,
    }) => {
      const held = await a.lock("job").acquire();
      const permit = await a.semaphore("job", { permits: 2 }).acquire();
      const waiting = b.lock("job").acquire();
      await untilWaiting(a.lock("job"), 1);
      const found = await b.explain("job");
      assert.deepEqual(
        found.map((each) => [
          each.object,
          ...("holders" in each ? [each.holders.length, each.waiters.length] : []),
        ]),
        [
          ["lock job", 1, 1],
          ["semaphore job", 1, 0],
        ],
      );
      assert.ok(found[1] !== undefined && "permits" in found[1] && found[1].permits === 2);
      assert.deepEqual(
        (await b.explain("job", { noun: "semaphore" })).map(({ noun, name }) => [noun, name]),
        [["semaphore", "job"]],
      );
      assert.deepEqual(await b.namespace("elsewhere").explain("job"), []);
      await assert.rejects(
        b.explain("job", { noun: "queue" as never }),
        definite("INVALID", "explain job"),
      );
      for (const each of [held, permit]) await each.release();
      await (await waiting).release();
    });
  });
}
