/** What priorities, barging, lock delay, revocation and hand-over promise, over any engine. */
import assert from "node:assert/strict";
import { text, utf8 } from "../../../src/base/bytes.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Quorate } from "../../../src/sdk/index.ts";
import type { HeldAlone } from "../../../src/sdk/selection.ts";
import { lock } from "../../../src/sdk/selection.ts";
import type { Arm } from "../arms.ts";
import { REVOKED_TTL_MS, overArm, owned, refused, untilWaiting } from "./over-arm.ts";

async function aborted(signal: AbortSignal): Promise<unknown> {
  if (!signal.aborted)
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  return signal.reason;
}

const isCode =
  (code: Parameters<typeof QuorateError.is>[1]) =>
  (error: unknown): boolean =>
    QuorateError.is(error, code);

/** What is stored below `prefix`. */
async function stored(q: Quorate, prefix: string): Promise<readonly string[]> {
  const range = { key: utf8(prefix), end: utf8(`${prefix}~`) };
  const { kvs } = await q.commitment.keyspace.call({ kind: "range", ...range });
  return kvs.map((kv) => kv.key);
}

export function grantedConformance(arm: Arm): void {
  overArm("granted", arm, (test) => {
    test("[GNT-1] [GNT-2] served by priority, then by age; tokens grow; nothing is left (2 sessions, 5 waiters)", async ({
      a,
      b,
    }) => {
      const first = await a.lock("rank").acquire();
      const served: number[] = [];
      const tokens: number[] = [first.token];
      const waiting: Promise<void>[] = [];
      for (const [at, priority] of [0, 0, 5, 1, 5].entries()) {
        const q = at % 2 === 0 ? a : b;
        const acquiring =
          priority === 0 ? q.lock("rank").acquire() : q.lock("rank").acquire({ priority });
        waiting.push(
          acquiring.then(async (held) => {
            served.push(at);
            tokens.push(held.token);
            await held.release();
          }),
        );
        await untilWaiting(a.lock("rank"), at + 1);
      }
      const { holders, waiters } = await b.lock("rank").explain();
      assert.equal(holders[0]?.token, first.token, "converting keeps the owner's token");
      assert.deepEqual(
        waiters.map(({ position }) => position),
        [1, 2, 3, 4, 5],
      );
      assert.match(waiters[0]?.why ?? "", /^behind ann@/);
      const not = refused(await b.lock("rank").tryAcquire());
      assert.equal(not.holderToken, first.token);
      await first.release();
      await Promise.all(waiting);
      assert.deepEqual(served, [2, 4, 3, 0, 1]);
      assert.deepEqual(
        tokens,
        [...new Set(tokens)].toSorted((x, y) => x - y),
      );
      assert.deepEqual(await stored(a, "lock/rank/"), []);
      const plain = await b.lock("rank").acquire();
      assert.ok(plain.token > (tokens.at(-1) ?? 0));
      await plain.release();
    });

    test("[GNT-3] a dead owner of a granted lock is replaced; who gives up is passed over (3 sessions)", async ({
      a,
      b,
      open,
    }) => {
      const c = await open.client("cat");
      await c.lock("dies").acquire({ priority: 1 });
      const low = a.lock("dies").acquire();
      await untilWaiting(a.lock("dies"), 1);
      const high = b.lock("dies").tryAcquire({ waitMs: 50, priority: 9 });
      const not = refused(await high);
      assert.match(not.holder ?? "", /^cat@/);
      const { lease } = await c.commitment.session();
      await a.commitment.keyspace.call({ kind: "leaseRevoke", id: lease });
      await (await low).release();
      assert.deepEqual(await stored(a, "lock/dies/"), []);
      await c.close();
    });

    test("[GNT-4] barging leaves the lock to whoever comes next; nobody is forgotten (2 sessions)", async ({
      a,
      b,
    }) => {
      let held: HeldAlone = await a.lock("barge").acquire({ barging: true });
      let done = 0;
      const waiting = Array.from({ length: 4 }, async () => {
        const mine = await b.lock("barge").acquire({ barging: true });
        done++;
        await mine.release();
      });
      await untilWaiting(a.lock("barge"), 4);
      let barged = 0;
      for (let at = 0; at < 8; at++) {
        await held.release();
        const next = await a.lock("barge").tryAcquire({ barging: true });
        if (next.ok) barged++;
        held = next.ok ? next : await a.lock("barge").acquire({ barging: true });
      }
      await held.release();
      await Promise.all(waiting);
      assert.equal(done, 4);
      assert.ok(barged >= 0);
      assert.deepEqual(await stored(a, "lock/barge/"), []);
    });

    test("[GNT-5] after an owner that died nobody is granted for the lock delay; a release has none (3 sessions)", async ({
      a,
      b,
      open,
    }) => {
      const c = await open.client("cat");
      const released = await c.lock("delay").acquire({ lockDelayMs: 60_000 });
      await released.release();
      await c.lock("delay").acquire({ lockDelayMs: 400 });
      const waiting = a.lock("delay").acquire();
      await untilWaiting(a.lock("delay"), 1);
      const { lease } = await c.commitment.session();
      const died = performance.now();
      await a.commitment.keyspace.call({ kind: "leaseRevoke", id: lease });
      for (;;) {
        const { holders, waiters } = await b.lock("delay").explain();
        if (/lock delay/.test(waiters[0]?.why ?? "")) break;
        assert.equal(holders[0]?.service ?? "cat", "cat");
        await new Promise((resolve) => setImmediate(resolve));
      }
      const not = refused(await b.lock("delay").tryAcquire());
      assert.match(not.why, /^not owned yet/);
      const held = await waiting;
      assert.ok(performance.now() - died >= 350, `after ${performance.now() - died} ms`);
      await held.release();
      await c.close();
      assert.deepEqual(await stored(a, "lock/delay/"), []);
    });

    test("[GNT-6] revoking asks a revocable owner, which owns until it releases (2 sessions)", async ({
      a,
      b,
    }) => {
      const free = await b.lock("asked").revoke({ reason: "x" });
      assert.deepEqual([free.ok, !free.ok && free.reason], [false, "free"]);
      const deaf = await a.lock("asked").acquire();
      const not = await b.lock("asked").revoke({ reason: "x" });
      assert.ok(!not.ok);
      assert.equal(not.reason, "not-revocable");
      assert.match(not.why, /^ann@.* did not acquire it as revocable$/);
      assert.equal(deaf.signal.aborted, false);
      await deaf.release();
      const held = await a.lock("asked").acquire({ revocable: true });
      const asked = await b.lock("asked").revoke({ reason: "deploy" });
      assert.match(asked.ok ? asked.holder : "", /^ann@/);
      const reason = await aborted(held.signal);
      assert.ok(QuorateError.is(reason, "REVOKED"));
      assert.match(reason.message, /bob@.*deploy/);
      held.assertHeld();
      refused(await b.lock("asked").tryAcquire());
      await held.release();
      assert.throws(() => held.assertHeld());
      await owned(await b.lock("asked").tryAcquire()).release();
    });

    test("[GNT-7] hand-over gives it to the next or to who is named, in one step (3 sessions)", async ({
      a,
      b,
      open,
    }) => {
      const c = await open.client("cat");
      let held = await a.lock("hand").acquire();
      const nobody = await held.handover({ waitMs: 20 });
      assert.deepEqual([nobody.ok, !nobody.ok && nobody.reason], [false, "nobody"]);
      const second = b.lock("hand").acquire();
      await untilWaiting(a.lock("hand"), 1);
      const third = b.lock("hand", { label: "backup" }).acquire();
      await untilWaiting(a.lock("hand"), 2);
      const fourth = c.lock("hand").acquire();
      await untilWaiting(a.lock("hand"), 3);
      const unknown = await held.handover({ to: "dora" });
      assert.equal(unknown.ok, false);
      assert.equal(held.signal.aborted, false);
      const { signal } = held;
      const given = await held.handover({ to: "cat@" + (await hostOf(c)) });
      assert.match(given.ok ? given.to : "", /^cat@/);
      assert.ok(QuorateError.is(signal.reason, "CANCELLED"));
      assert.throws(() => held.assertHeld(), isCode("CANCELLED"));
      const tokens = [held.token];
      held = await fourth;
      tokens.push(held.token);
      assert.equal((await held.handover({ to: "backup" })).ok, true);
      held = await third;
      tokens.push(held.token);
      assert.equal((await held.handover()).ok, true);
      held = await second;
      tokens.push(held.token);
      await held.release();
      assert.deepEqual(
        tokens,
        [...new Set(tokens)].toSorted((x, y) => x - y),
      );
      assert.deepEqual(await stored(a, "lock/hand/"), []);
      await c.close();
    });

    test("[GNT-7] hand-over waits for one to come (2 sessions)", async ({ a, b }) => {
      const held = await a.lock("comes").acquire();
      const handing = held.handover({ waitMs: 20_000 });
      const next = await b.lock("comes").acquire();
      assert.equal((await handing).ok, true);
      assert.ok(next.token > held.token);
      await next.release();
    });

    test("[GNT-7] an owner that was asked back hands over to the next one that comes, without asking all the time (2 sessions)", async ({
      a,
      b,
    }) => {
      const asked: string[] = [];
      const { keyspace } = a.commitment;
      const counted = new Proxy(keyspace, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name);
          if (typeof member !== "function") return member;
          return (...given: [{ readonly name?: string }, ...unknown[]]): unknown => {
            if (name === "run") asked.push(given[0].name ?? "");
            return Reflect.apply(member, target, given);
          };
        },
      });
      const mine = lock({ commitment: { ...a.commitment, keyspace: counted } }, "give");
      const held = await mine.acquire({ revocable: true });
      const reason = aborted(held.signal);
      await b.lock("give").revoke({ reason: "deploy" });
      assert.ok(QuorateError.is(await reason, "REVOKED"));
      held.assertHeld();
      asked.length = 0;
      const nobody = await held.handover({ waitMs: 200 });
      assert.equal(nobody.ok, false);
      assert.deepEqual(asked.length <= 3, true, asked.join(" "));
      const handing = held.handover({ waitMs: 20_000 });
      const next = await b.lock("give").acquire();
      assert.equal((await handing).ok, true);
      assert.throws(() => held.assertHeld(), isCode("CANCELLED"));
      await next.release();
    });

    test("[GNT-7] a hand-over that waits ends at once when it is aborted, and it is still held (1 session)", async ({
      a,
    }) => {
      const held = await a.lock("stays").acquire();
      const stop = new AbortController();
      const handing = held.handover({ waitMs: Infinity, signal: stop.signal });
      setImmediate(() => stop.abort());
      await assert.rejects(handing, isCode("ABORTED"));
      held.assertHeld();
      await assert.rejects(held.handover({ waitMs: Number.NaN }), isCode("INVALID"));
      await held.release();
    });

    test("[GNT-6] what was asked back and then lost says so, of the lock and its token (2 sessions)", async ({
      a,
      open,
    }) => {
      const c = await open.client("cat", REVOKED_TTL_MS);
      const held = await c.lock("both").acquire({ revocable: true });
      await a.lock("both").revoke({ reason: "deploy" });
      assert.ok(QuorateError.is(await aborted(held.signal), "REVOKED"));
      const { lease, signal } = await c.commitment.session();
      await a.commitment.keyspace.call({ kind: "leaseRevoke", id: lease });
      await aborted(signal);
      assert.throws(
        () => held.assertHeld(),
        (error: unknown) => {
          assert.ok(QuorateError.is(error, "LOST") || QuorateError.is(error, "EXPIRED"));
          assert.equal(error.object, "lock both");
          assert.match(error.message, new RegExp(`its token was ${held.token}`));
          return true;
        },
      );
      await c.close();
    });

    test("[SEL-27] a function that stops because it was asked back: tryRun answers lost, run throws why (2 sessions)", async ({
      a,
      b,
    }) => {
      const work = async ({ signal }: { readonly signal: AbortSignal }): Promise<never> => {
        await b.lock("work").revoke({ reason: "deploy" });
        throw await aborted(signal);
      };
      const ran = await a.lock("work").tryRun(work, { revocable: true });
      assert.ok(!ran.ok && ran.reason === "lost", JSON.stringify(ran));
      assert.match(ran.why, /^REVOKED .*lock work/);
      await assert.rejects(a.lock("work").run(work, { revocable: true }), isCode("REVOKED"));
      await owned(await b.lock("work").tryAcquire()).release();
    });

    test("[SEL-28] [SEL-30] records of a granted lock that others wrote are read field by field and keep their own (foreign client)", async ({
      a,
      b,
    }) => {
      const put = async (key: string, value: unknown): Promise<void> => {
        const record = utf8(JSON.stringify(value));
        await a.commitment.keyspace.call({ kind: "put", key: utf8(key), value: record });
      };
      const read = async (key: string): Promise<unknown> => {
        const { kvs } = await a.commitment.keyspace.call({ kind: "range", key: utf8(key) });
        return JSON.parse(text(kvs[0]?.value ?? utf8("null")));
      };
      const odd = { layout: 1, service: "x", priority: "9", barging: 1, delayMs: -5, revoked: 1 };
      await put("lock/odd/feed", { ...odd, with: [7, ""], revocable: true, colour: "red" });
      assert.equal((await b.lock("odd").revoke({ reason: "deploy" })).ok, true);
      const by = `bob@${b.commitment.identity.host}`;
      assert.deepEqual(await read("lock/odd/feed"), {
        ...odd,
        with: [7, ""],
        revocable: true,
        colour: "red",
        revoked: { reason: "deploy", by },
      });
      const waiting = b.lock("odd").acquire({ priority: 1 });
      await untilWaiting(a.lock("odd"), 1);
      await a.commitment.keyspace.call({ kind: "deleteRange", key: utf8("lock/odd/feed") });
      await (await waiting).release();
      // What a later version says of who owns is not known.
      for (const grant of [{ layout: 2 }, { layout: 1, key: 7 }, "x"]) {
        await put("lock/newer/policy/grant", grant);
        await assert.rejects(a.lock("newer").tryAcquire(), (error: unknown) => {
          assert.ok(QuorateError.is(error, "LAYOUT"));
          assert.deepEqual([error.outcome, error.object], ["definite", "lock newer"]);
          return true;
        });
      }
      await put("semaphore/newer/policy/permits", { layout: 2, shares: 5 });
      const semaphore = a.semaphore("newer", { permits: 3 });
      await assert.rejects(semaphore.tryAcquire(), isCode("LAYOUT"));
      await assert.rejects(semaphore.resize(2), isCode("LAYOUT"));
    });

    test("[GNT-8] an election by priority, and leadership handed over (3 sessions)", async ({
      a,
      b,
      open,
    }) => {
      const c = await open.client("cat");
      const first = await a.election("ranked").campaign({ value: "1" });
      const low = b.election("ranked").campaign({ value: "2" });
      await untilWaiting(a.election("ranked"), 1);
      const high = c.election("ranked").campaign({ value: "3", priority: 2 });
      await untilWaiting(a.election("ranked"), 2);
      assert.equal((await b.election("ranked").leader())?.token, first.token);
      await first.resign();
      const second = await high;
      assert.equal((await b.election("ranked").leader())?.token, second.token);
      await second.proclaim("4");
      assert.equal((await b.election("ranked").leader())?.value, "4");
      assert.equal((await second.handover()).ok, true);
      assert.ok(QuorateError.is(await aborted(second.signal), "CANCELLED"));
      const third = await low;
      assert.ok(first.token < second.token && second.token < third.token);
      await third.resign();
      await c.close();
    });

    test("[GNT-9] not with etcdName, and not beside a claim on several names (2 sessions)", async ({
      a,
      b,
    }) => {
      const shared = a.lock("raw", { etcdName: true });
      for (const claim of [
        { priority: 1 },
        { barging: true },
        { lockDelayMs: 5 },
        { revocable: true },
      ])
        await assert.rejects(shared.tryAcquire(claim), isCode("INVALID"));
      const held = await shared.acquire();
      await assert.rejects(held.handover(), isCode("INVALID"));
      await held.release();
      const ranked = await a.lock("many/1").acquire({ priority: 1 });
      await assert.rejects(b.locks(["many/1", "many/2"]).tryAcquire(), isCode("INVALID"));
      await ranked.release();
      const single = await a.lock("many/1").acquire();
      const both = b.locks(["many/1", "many/2"]).acquire();
      await untilWaiting(a.lock("many/1"), 1);
      await assert.rejects(a.lock("many/1").acquire({ priority: 1 }), isCode("INVALID"));
      await assert.rejects(single.handover(), isCode("INVALID"));
      await single.release();
      await (await both).release();
    });

    test("[GNT-10] a crowd with priorities is served, everybody once (100 waiters)", async ({
      a,
      b,
    }) => {
      const first = await a.lock("crowd").acquire({ priority: 1 });
      const tokens: number[] = [];
      const waiting = Array.from({ length: 100 }, async (_, at) => {
        const held = await (at % 2 === 0 ? a : b).lock("crowd").acquire();
        tokens.push(held.token);
        await held.release();
      });
      await untilWaiting(a.lock("crowd"), 100);
      await first.release();
      await Promise.all(waiting);
      assert.equal(new Set(tokens).size, 100);
      assert.deepEqual(
        tokens,
        tokens.toSorted((x, y) => x - y),
      );
      assert.deepEqual(await stored(a, "lock/crowd/"), []);
    });

    test("[DLK-1] a circle through a granted lock is found (one session)", async ({ a }) => {
      const x = await a.lock("gc/x").acquire({ priority: 1 });
      const y = await a.lock("gc/y").acquire();
      const waiting = a.lock("gc/x").acquire({ within: y, priority: 2 });
      await untilWaiting(a.lock("gc/x"), 1);
      await assert.rejects(a.lock("gc/y").acquire({ within: x }), isCode("DEADLOCK"));
      await x.release();
      await (await waiting).release();
      await y.release();
    });
  });
}

async function hostOf(q: Quorate): Promise<string> {
  return await Promise.resolve(q.commitment.identity.host);
}
