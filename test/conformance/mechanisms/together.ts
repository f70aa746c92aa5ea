/** What locks on several names promise, and how circles of waiting are found, over any engine. */
import assert from "node:assert/strict";
import { utf8 } from "../../../src/base/bytes.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Held } from "../../../src/sdk/selection.ts";
import { locks } from "../../../src/sdk/selection.ts";
import type { Arm } from "../arms.ts";
import { overArm, owned, refused, untilWaiting } from "./over-arm.ts";

export function togetherConformance(arm: Arm): void {
  overArm("together", arm, (test) => {
    test("[MUL-1] all names or none, one token, released together (two sessions)", async ({
      a,
      b,
    }) => {
      const single = owned(await b.lock("all/2").tryAcquire());
      const not = refused(await a.locks(["all/1", "all/2", "all/3"]).tryAcquire());
      assert.match(not.why, /^all\/2: held by bob@.* \(token \d+\)$/);
      assert.equal(not.holderToken, single.token);
      for (const name of ["all/1", "all/3"])
        assert.equal((await b.lock(name).explain()).holders.length, 0, "it joined no queue");
      await single.release();
      const held = owned(await a.locks(["all/1", "all/2", "all/3"]).tryAcquire());
      for (const each of await a.locks(["all/1", "all/2", "all/3"]).explain()) {
        assert.equal(each.holders[0]?.service, "ann");
        assert.equal(each.holders[0]?.token, held.token);
      }
      refused(await b.lock("all/3").tryAcquire());
      await held.release();
      for (const name of ["all/1", "all/2", "all/3"])
        await owned(await b.lock(name).tryAcquire()).release();
    });

    test("[MUL-2] waiting for several names, in order of age, beside single ones (two sessions)", async ({
      a,
      b,
    }) => {
      const first = await a.lock("wait/x").acquire();
      const served: string[] = [];
      const both = b.locks(["wait/x", "wait/y"]).acquire();
      const seen = both.then(() => served.push("both"));
      await untilWaiting(a.lock("wait/x"), 1);
      refused(await a.lock("wait/y").tryAcquire());
      const later = a.lock("wait/y").acquire();
      const seenLater = later.then(() => served.push("later"));
      await untilWaiting(a.lock("wait/y"), 1);
      await first.release();
      await seen;
      assert.deepEqual(served, ["both"]);
      const held = await both;
      assert.ok(held.token > first.token);
      await held.release();
      await seenLater;
      assert.ok((await later).token > held.token);
      await (await later).release();
    });

    test("[MUL-3] claims on several names never wait in a circle (24 claims on 5 names)", async ({
      a,
      b,
    }) => {
      const names = ["c0", "c1", "c2", "c3", "c4"];
      const holders = new Map<string, number>();
      let most = 0;
      const claim = async (at: number): Promise<void> => {
        // Each in an order of its own, which with nested single locks would be a circle at once.
        const wanted = names.filter((_, index) => (at * 7 + index * 3) % 5 < 3);
        const turned = [
          ...wanted.slice(at % wanted.length),
          ...wanted.slice(0, at % wanted.length),
        ];
        await (at % 2 === 0 ? a : b).locks(turned).run(async () => {
          for (const name of turned) {
            assert.equal(holders.get(name), undefined, `${name} has two owners`);
            holders.set(name, at);
          }
          most = Math.max(most, new Set(holders.values()).size);
          await new Promise((resolve) => setImmediate(resolve));
          for (const name of turned) holders.delete(name);
        });
      };
      await Promise.all(Array.from({ length: 24 }, (_, at) => claim(at)));
      assert.equal(holders.size, 0);
      assert.ok(most >= 1);
    });

    test("[MUL-4] the end of waitMs and an abort leave all queues (two sessions)", async ({
      a,
      b,
    }) => {
      const held = await a.lock("leave/2").acquire();
      const not = refused(await b.locks(["leave/1", "leave/2"]).tryAcquire({ waitMs: 30 }));
      assert.equal(not.reason, "timeout");
      const stop = new AbortController();
      const waiting = b.locks(["leave/1", "leave/2"]).acquire({ signal: stop.signal });
      await untilWaiting(a.lock("leave/2"), 1);
      stop.abort();
      await assert.rejects(waiting, (error: unknown) => {
        assert.ok(QuorateError.is(error, "ABORTED"));
        assert.equal(error.object, "locks leave/1, leave/2");
        return true;
      });
      await untilWaiting(a.lock("leave/2"), 0);
      await owned(await a.lock("leave/1").tryAcquire()).release();
      await held.release();
    });

    test("[MUL-5] sixteen names in a crowd; seventeen, none and a repeated one are refused (80 contenders)", async ({
      a,
      b,
    }) => {
      const sixteen = Array.from({ length: 16 }, (_, at) => `crowd/${at}`);
      const first = await a.locks(sixteen).acquire();
      const tokens: number[] = [];
      const serve = async (held: Held): Promise<void> => {
        tokens.push(held.token);
        await held.release();
      };
      const waiting = Array.from({ length: 80 }, async (_, at) => {
        const q = at % 2 === 0 ? a : b;
        if (at % 20 === 19) return serve(await q.locks(sixteen).acquire());
        return serve(await q.lock(`crowd/${at % 2}`).acquire());
      });
      await untilWaiting(a.lock("crowd/0"), 44);
      await first.release();
      await Promise.all(waiting);
      assert.equal(tokens.length, 80);
      for (const names of [[], [...sixteen, "more"], ["twice", "twice"], [""]])
        assert.throws(
          () => a.locks(names),
          (error: unknown) => QuorateError.is(error, "INVALID"),
        );
    });

    test("[MUL-6] a dead session's claim goes from all queues in one step (three sessions)", async ({
      a,
      open,
    }) => {
      const c = await open.client("cat");
      await c.locks(["dead/1", "dead/2"]).acquire();
      const waiting = a.locks(["dead/2", "dead/1"]).acquire();
      await untilWaiting(a.lock("dead/1"), 1);
      await c.close();
      await (await waiting).release();
    });

    test("[SEL-17] [SEL-31] what cannot be meant is INVALID; explain of a name shows who holds several (one session)", async ({
      a,
      b,
    }) => {
      const invalid = (object: string) => (error: unknown) => {
        assert.ok(QuorateError.is(error, "INVALID"), String(error));
        assert.deepEqual([error.outcome, error.object], ["definite", object]);
        return true;
      };
      assert.throws(() => a.locks("one" as never), invalid("locks"));
      assert.throws(() => a.locks([7 as never]), invalid("locks"));
      const two = a.locks(["odd/1", ["odd", 2]]);
      assert.deepEqual(two.names, ["odd/1", "odd/2"]);
      await assert.rejects(two.tryAcquire({ waitMs: -1 }), invalid("locks odd/1, odd/2"));
      await assert.rejects(
        a.lock("odd/3").tryAcquire({ within: {} as never }),
        invalid("lock odd/3"),
      );
      const held = await two.acquire();
      const [found, ...more] = await b.explain("odd/2");
      assert.ok(found !== undefined && "holders" in found && more.length === 0);
      assert.deepEqual([found.noun, found.holders[0]?.token], ["lock", held.token]);
      await held.release();
    });

    test("[MUL-4] an abort ends the wait at once, also while it asks where it stands (engine that does not answer)", async ({
      a,
      b,
    }) => {
      const stop = new AbortController();
      const { keyspace } = b.commitment;
      // A look is answered only when it is given up.
      const silent = new Proxy(keyspace, {
        get: (target, name) => {
          const member: unknown = Reflect.get(target, name);
          if (typeof member !== "function") return member;
          return (...given: [{ readonly name?: string }, ...unknown[]]): unknown => {
            if (name !== "run" || given[0].name?.includes("look") !== true)
              return Reflect.apply(member, target, given);
            const { signal } = given[2] as { readonly signal?: AbortSignal };
            assert.ok(signal !== undefined, "a look can be given up");
            stop.abort();
            return Promise.reject(signal.reason as Error);
          };
        },
      });
      const held = await a.lock("silent/1").acquire();
      const waiting = locks({ commitment: { ...b.commitment, keyspace: silent } }, [
        "silent/0",
        "silent/1",
      ]).acquire({ signal: stop.signal });
      await untilWaiting(a.lock("silent/1"), 1);
      await held.release();
      await assert.rejects(waiting, (error: unknown) => {
        assert.ok(QuorateError.is(error, "ABORTED"));
        assert.deepEqual([error.outcome, error.object], ["definite", "locks silent/0, silent/1"]);
        return true;
      });
      for (const name of ["silent/0", "silent/1"]) await untilWaiting(a.lock(name), 0);
    });

    test("[DLK-1] [DLK-2] the youngest waiter of a circle is refused and told who is in it (two sessions)", async ({
      a,
      b,
    }) => {
      const x = await a.lock("circle/x").acquire();
      const y = await b.lock("circle/y").acquire();
      const older = b.lock("circle/x").acquire({ within: y });
      await untilWaiting(a.lock("circle/x"), 1);
      await assert.rejects(a.lock("circle/y").acquire({ within: [x] }), (error: unknown) => {
        assert.ok(QuorateError.is(error, "DEADLOCK"));
        assert.equal(error.outcome, "definite");
        assert.equal(error.object, "lock circle/y");
        const { cycle, length } = error.details;
        assert.match(
          String(cycle),
          new RegExp(
            `^lock circle/y of bob@.* \\(token ${y.token}\\), which waits for lock circle/x of ann@.* \\(token ${x.token}\\)$`,
          ),
        );
        assert.equal(length, 2);
        return true;
      });
      assert.equal((await a.lock("circle/y").explain()).waiters.length, 0, "it has left");
      await x.release();
      await (await older).release();
      await y.release();
    });

    test("[DLK-1] a circle over lock, rwlock, semaphore and several names is found (four holders)", async ({
      a,
      b,
    }) => {
      const l = await a.lock("mixed/l").acquire();
      const w = owned(await a.rwlock("mixed/w").tryWrite());
      const s = owned(await b.semaphore("mixed/s", { permits: 2 }).tryAcquire({ weight: 2 }));
      const m = await b.locks(["mixed/m1", "mixed/m2"]).acquire();
      const waiting = [
        b.rwlock("mixed/w").tryRead({ waitMs: 30_000, within: s }),
        a.lock("mixed/m2").tryAcquire({ waitMs: 30_000, within: w }),
        b.locks(["mixed/l", "mixed/free"]).tryAcquire({ waitMs: 30_000, within: m }),
      ];
      await untilWaiting(b.rwlock("mixed/w"), 1);
      await untilWaiting(a.lock("mixed/m2"), 1);
      await untilWaiting(a.lock("mixed/l"), 1);
      await assert.rejects(
        a.semaphore("mixed/s", { permits: 2 }).tryAcquire({ waitMs: 30_000, within: l }),
        (error: unknown) => {
          assert.ok(QuorateError.is(error, "DEADLOCK"), String(error));
          assert.equal(error.details["length"], 4);
          return true;
        },
      );
      await l.release();
      const got = owned(await (waiting[2] as Promise<Held>));
      await got.release();
      await m.release();
      await owned(await (waiting[1] as Promise<Held>)).release();
      await w.release();
      await owned(await (waiting[0] as Promise<Held>)).release();
      await s.release();
    });

    test("[DLK-3] no false alarm: another could free the permit; who waits behind a circle is in none (two sessions)", async ({
      a,
      b,
    }) => {
      const pool = a.semaphore("free/s", { permits: 2 });
      const one = owned(await pool.tryAcquire());
      const two = owned(await pool.tryAcquire());
      const l = await a.lock("free/l").acquire();
      const held = a.lock("free/l").acquire({ within: one });
      await untilWaiting(a.lock("free/l"), 1);
      // One permit is stuck behind this one, the other is not.
      const third = b.semaphore("free/s", { permits: 2 }).tryAcquire({ waitMs: 30_000, within: l });
      // What ann holds cannot be kept by bob.
      await assert.rejects(third, (error: unknown) => QuorateError.is(error, "INVALID"));
      const here = a.semaphore("free/s", { permits: 2 }).tryAcquire({ waitMs: 30_000, within: l });
      await untilWaiting(pool, 1);
      await two.release();
      await owned(await here).release();
      await l.release();
      await (await held).release();
      await one.release();
    });

    test("[DLK-4] nested holds in any order end, because circles are broken (8 tasks, 4 names)", async ({
      a,
      b,
    }) => {
      const names = ["n0", "n1", "n2", "n3"];
      let circles = 0;
      const task = async (at: number): Promise<void> => {
        const q = at % 2 === 0 ? a : b;
        for (let tries = 0; ; tries++) {
          const held: Held[] = [];
          try {
            for (let step = 0; step < 3; step++) {
              const name = names[(at * 3 + step * (1 + (at % 3))) % 4] as string;
              if (held.some((each) => each.key.startsWith(`lock/${name}/`))) continue;
              held.push(await q.lock(name).acquire({ within: [...held] }));
            }
            return;
          } catch (error) {
            if (!QuorateError.is(error, "DEADLOCK")) throw error;
            circles++;
          } finally {
            for (const each of held) await each.release();
          }
          // Who begins again at once can meet the others again in the same way, for ever.
          const pauseMs = ((at * 7 + tries * 3) % 11) * 2 ** Math.min(tries, 6);
          await new Promise((resolve) => setTimeout(resolve, pauseMs));
        }
      };
      await Promise.all(Array.from({ length: 8 }, (_, at) => task(at)));
      assert.ok(circles > 0, "there was no circle to be found");
      const ordered = async (at: number): Promise<void> => {
        const q = at % 2 === 0 ? a : b;
        const held: Held[] = [];
        for (const name of names) held.push(await q.lock(name).acquire({ within: [...held] }));
        for (const each of held) await each.release();
      };
      // In one order there is no circle to be found: an alarm would reject.
      await Promise.all(Array.from({ length: 6 }, (_, at) => ordered(at)));
      const { count } = await a.commitment.keyspace.call({
        kind: "range",
        key: utf8("selection/waits/"),
        end: utf8("selection/waits0"),
      });
      assert.equal(count, 0, "no record is left");
    });
  });
}
