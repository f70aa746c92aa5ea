/** What latch, barrier, double barrier and the stored guard promise, over any engine. */
import assert from "node:assert/strict";
import { utf8 } from "../../../src/base/bytes.ts";
import { QuorateError } from "../../../src/base/errors.ts";
import type { Quorate } from "../../../src/sdk/index.ts";
import type { AllArrived, Membership, NotMet } from "../../../src/sdk/selection.ts";
import type { Arm } from "../arms.ts";
import { REVOKED_TTL_MS, overArm, untilLast, untilWatching } from "./over-arm.ts";

function all(result: AllArrived | NotMet): AllArrived {
  assert.equal(result.ok, true, result.ok ? "" : result.why);
  return result as AllArrived;
}

function inside(result: Membership | NotMet): Membership {
  assert.equal(result.ok, true, result.ok ? "" : result.why);
  return result as Membership;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function untilArrived(
  object: { explain(): Promise<{ readonly arrived: readonly unknown[] }> },
  count: number,
): Promise<void> {
  while ((await object.explain()).arrived.length !== count) await turn();
}

export function gatheringConformance(arm: Arm): void {
  overArm("gathering", arm, (test) => {
    test("[LAT-1] a latch opens with the last countdown, for all who wait, and stays open (two sessions)", async ({
      a,
      b,
    }) => {
      const one = a.latch("ready", { count: 3 });
      const two = b.latch("ready", { count: 3 });
      let passed = 0;
      const waiting = [one, two, two].map(async (each) => {
        assert.deepEqual(await each.wait(), { ok: true });
        passed++;
      });
      assert.equal(await one.countDown(), 2);
      assert.equal(await two.countDown(), 1);
      assert.deepEqual(await one.wait({ waitMs: 20 }), {
        ok: false,
        reason: "timeout",
        why: "1 still missing",
        count: 1,
      });
      assert.equal(passed, 0);
      assert.equal(await one.countDown(), 0);
      await Promise.all(waiting);
      assert.deepEqual(await two.wait({ waitMs: 1 }), { ok: true });
      assert.equal(await two.countDown(), 0, "it stays open");
    });

    test("[LAT-1] countdowns at the same time count each (32 countdowns)", async ({ a, b }) => {
      const counting = Array.from({ length: 32 }, (_, at) =>
        (at % 2 === 0 ? a : b).latch("many", { count: 40 }).countDown(),
      );
      const seen = await Promise.all(counting);
      assert.deepEqual(
        seen.toSorted((x, y) => y - x),
        Array.from({ length: 32 }, (_, at) => 39 - at),
      );
      assert.equal(await a.latch("many", { count: 40 }).countDown({ by: 100 }), 0);
    });

    test("[LAT-2] the first countdown's number counts for all (two sessions)", async ({ a, b }) => {
      assert.equal(await a.latch("first", { count: 2 }).countDown(), 1);
      const other = b.latch("first", { count: 9 });
      assert.deepEqual(await other.explain(), {
        object: "latch first",
        count: 1,
        of: 2,
        open: false,
        begun: true,
      });
      assert.equal(await other.countDown(), 0);
    });

    test("[LAT-3] aborting a wait is definite and keeps the reason (one session)", async ({
      a,
    }) => {
      const stop = new AbortController();
      const waiting = a.latch("abort", { count: 1 }).wait({ signal: stop.signal });
      const reason = new Error("enough");
      setImmediate(() => stop.abort(reason));
      await assert.rejects(waiting, (error: unknown) => {
        assert.ok(QuorateError.is(error, "ABORTED"));
        assert.equal(error.outcome, "definite");
        assert.equal(error.cause, reason);
        return true;
      });
    });

    test("[LAT-4] clearing tells who waits, and the name begins anew (two sessions)", async ({
      a,
      b,
    }) => {
      const one = a.latch("cleared", { count: 2 });
      await one.countDown();
      const waiting = b.latch("cleared", { count: 2 }).wait();
      // What the same connection asks later is answered later: then the wait has looked.
      assert.equal(await b.latch("cleared", { count: 2 }).count(), 1);
      assert.equal(await one.clear(), true);
      const ended = await waiting;
      assert.ok(!ended.ok);
      assert.equal(ended.reason, "cleared");
      assert.equal(await one.clear(), false);
      assert.equal(await one.count(), 2);
    });

    test("[LAT-5] watch gives the count at each change (two sessions)", async ({ a, b }) => {
      const stop = new AbortController();
      const seen: number[] = [];
      const counted: number[] = [];
      const following = (async (): Promise<void> => {
        const one = a.latch("seen", { count: 1_000 });
        for await (const { count } of one.watch({ signal: stop.signal })) seen.push(count);
      })();
      const two = b.latch("seen", { count: 1_000 });
      await untilWatching(seen, async () => counted.push(await two.countDown()));
      counted.push(await two.countDown());
      await untilLast(seen, counted.at(-1));
      stop.abort();
      await following;
      assert.ok(seen.length >= 3);
      assert.deepEqual(seen, counted.slice(-seen.length));
    });

    test("[BAR-1] nobody goes on before all have arrived; generations follow each other (3 parties)", async ({
      a,
      b,
    }) => {
      let running = 0;
      const generations: number[][] = [[], [], []];
      const party = async (q: Quorate, at: number): Promise<void> => {
        for (let round = 0; round < 4; round++) {
          running++;
          const { generation } = all(await q.barrier("phases", { parties: 3 }).arrive());
          assert.ok(running >= 3 * (round + 1), `round ${round}: ${running}`);
          generations[at]?.push(generation);
        }
      };
      await Promise.all([party(a, 0), party(b, 1), party(b, 2)]);
      for (const each of generations) assert.deepEqual(each, [1, 2, 3, 4]);
      const { arrived, generation } = await a.barrier("phases", { parties: 3 }).explain();
      assert.deepEqual([arrived.length, generation], [0, 4]);
    });

    test("[BAR-2] the end of waitMs is an answer and takes the arrival out (two sessions)", async ({
      a,
      b,
    }) => {
      const late = await a.barrier("late", { parties: 2 }).arrive({ waitMs: 30 });
      assert.deepEqual(late, {
        ok: false,
        reason: "timeout",
        why: "1 of 2 had arrived",
        arrived: 1,
        parties: 2,
      });
      const waiting = b.barrier("late", { parties: 2 }).arrive();
      await untilArrived(a.barrier("late", { parties: 2 }), 1);
      assert.equal(all(await a.barrier("late", { parties: 2 }).arrive()).generation, 1);
      assert.equal(all(await waiting).generation, 1);
    });

    test("[BAR-3] a dead party's arrival goes; the others wait on (three sessions)", async ({
      a,
      b,
      open,
    }) => {
      const c = await open.client("cat");
      const dead = c.barrier("dead", { parties: 2 }).arrive();
      dead.catch(() => {});
      await untilArrived(a.barrier("dead", { parties: 2 }), 1);
      const { lease } = await c.commitment.session();
      await a.commitment.keyspace.call({ kind: "leaseRevoke", id: lease });
      await untilArrived(a.barrier("dead", { parties: 2 }), 0);
      const waiting = a.barrier("dead", { parties: 2 }).arrive();
      await untilArrived(a.barrier("dead", { parties: 2 }), 1);
      assert.equal(all(await b.barrier("dead", { parties: 2 }).arrive()).generation, 1);
      assert.equal(all(await waiting).generation, 1);
      await c.close();
      await assert.rejects(dead, (error: unknown) => QuorateError.is(error));
    });

    test("[BAR-4] the first arrival's number of parties counts; aborting is definite (two sessions)", async ({
      a,
      b,
    }) => {
      const stop = new AbortController();
      const first = a.barrier("stored", { parties: 2 }).arrive({ signal: stop.signal });
      const other = b.barrier("stored", { parties: 7 });
      await untilArrived(other, 1);
      assert.equal((await other.explain()).parties, 2);
      assert.equal((await other.explain()).arrived[0]?.service, "ann");
      stop.abort();
      await assert.rejects(first, (error: unknown) => {
        assert.ok(QuorateError.is(error, "ABORTED"));
        assert.equal(error.outcome, "definite");
        assert.equal(error.object, "barrier stored");
        return true;
      });
      await untilArrived(other, 0);
      const again = a.barrier("stored", { parties: 2 }).arrive();
      all(await other.arrive());
      all(await again);
    });

    test("[BAR-5] the most parties that are allowed meet in one step (90 parties)", async ({
      a,
      b,
    }) => {
      const parties = { parties: 90 };
      const met = await Promise.all(
        Array.from({ length: 90 }, (_, at) =>
          (at % 2 === 0 ? a : b).barrier("crowd", parties).arrive(),
        ),
      );
      for (const each of met) assert.equal(all(each).generation, 1);
      const left = await a.commitment.keyspace.call({
        kind: "range",
        key: utf8("barrier/crowd/at/"),
        end: utf8("barrier/crowd/at0"),
      });
      assert.equal(left.count, 0);
      assert.throws(
        () => a.barrier("crowd", { parties: 91 }),
        (error: unknown) => QuorateError.is(error, "INVALID"),
      );
    });

    test("[BAR-6] watch tells who arrives, who goes and what is complete, in order (two sessions)", async ({
      a,
      b,
    }) => {
      const stop = new AbortController();
      const seen: string[] = [];
      const following = (async (): Promise<void> => {
        const one = a.barrier("watched", { parties: 2 });
        for await (const { kind, who, generation } of one.watch({ signal: stop.signal })) {
          seen.push(`${kind} ${who?.split("@")[0] ?? generation ?? ""}`);
          if (kind === "complete") stop.abort();
        }
      })();
      const alone = a.barrier("watched", { parties: 2 });
      await untilWatching(seen, () => alone.arrive({ waitMs: 20 }));
      const waiting = b.barrier("watched", { parties: 2 }).arrive();
      await untilArrived(a.barrier("watched", { parties: 2 }), 1);
      all(await a.barrier("watched", { parties: 2 }).arrive());
      all(await waiting);
      await following;
      assert.deepEqual(seen.slice(-4), ["arrived ann", "gone ann", "arrived bob", "complete 1"]);
    });

    test("[DBL-1] [DBL-2] all begin together, and leave is answered when none is left (3 parties)", async ({
      a,
      b,
    }) => {
      let begun = 0;
      let ended = 0;
      const party = async (q: Quorate): Promise<void> => {
        begun++;
        const membership = inside(await q.doubleBarrier("work", { parties: 3 }).enter());
        assert.equal(begun, 3);
        assert.equal(membership.generation, 1);
        await turn();
        ended++;
        assert.deepEqual(await membership.leave(), { ok: true });
        assert.equal(ended, 3);
      };
      await Promise.all([party(a), party(b), party(b)]);
      const explained = await a.doubleBarrier("work", { parties: 3 }).explain();
      assert.deepEqual([explained.inside.length, explained.arrived.length], [0, 0]);
    });

    test("[DBL-2] the end of waitMs while leaving is an answer; this one has left (two sessions)", async ({
      a,
      b,
    }) => {
      const entering = a.doubleBarrier("slow", { parties: 2 }).enter();
      const two = inside(await b.doubleBarrier("slow", { parties: 2 }).enter());
      const one = inside(await entering);
      assert.deepEqual(await one.leave({ waitMs: 20 }), {
        ok: false,
        reason: "timeout",
        why: "1 still inside",
        inside: 1,
      });
      assert.deepEqual(await two.leave(), { ok: true });
    });

    test("[DBL-2] parties of one process that leave at once do not wait for each other for ever (one session)", async ({
      b,
    }) => {
      const six = { parties: 6 };
      const entering = Array.from({ length: 6 }, () => b.doubleBarrier("one", six).enter());
      const all = (await Promise.all(entering)).map(inside);
      for (const left of await Promise.all(all.map((each) => each.leave())))
        assert.deepEqual(left, { ok: true });
    });

    test("[DBL-3] a dead party counts as gone; its own signal aborts (three sessions)", async ({
      a,
      b,
      open,
    }) => {
      const c = await open.client("cat", REVOKED_TTL_MS);
      const entering = a.doubleBarrier("dies", { parties: 2 }).enter();
      const dying = inside(await c.doubleBarrier("dies", { parties: 2 }).enter());
      const one = inside(await entering);
      assert.equal(dying.signal.aborted, false);
      const leaving = one.leave();
      const { lease } = await c.commitment.session();
      await b.commitment.keyspace.call({ kind: "leaseRevoke", id: lease });
      assert.deepEqual(await leaving, { ok: true });
      if (!dying.signal.aborted)
        await new Promise((resolve) => dying.signal.addEventListener("abort", resolve));
    });

    test("[DBL-4] who comes while others are inside gathers for the next generation (two sessions)", async ({
      a,
      b,
    }) => {
      const entering = a.doubleBarrier("next", { parties: 2 }).enter();
      const two = inside(await b.doubleBarrier("next", { parties: 2 }).enter());
      const one = inside(await entering);
      const later = a.doubleBarrier("next", { parties: 2 }).enter();
      await untilArrived(b.doubleBarrier("next", { parties: 2 }), 1);
      const { inside: within } = await b.doubleBarrier("next", { parties: 2 }).explain();
      assert.equal(within.length, 2);
      const last = inside(await b.doubleBarrier("next", { parties: 2 }).enter());
      assert.equal(last.generation, 2);
      const third = inside(await later);
      await Promise.all([one.leave(), two.leave()]);
      await using _ = third;
      await last[Symbol.asyncDispose]();
    });

    test("[GRD-1] [GRD-2] [GRD-3] the stored guard admits no lower token, in any process (two sessions)", async ({
      a,
      b,
    }) => {
      const first = await a.lock("guarded").acquire();
      const one = a.guard("report");
      assert.equal(await one.last(), undefined);
      await one.admit({ token: first.token, holder: first.key });
      await one.admit({ token: first.token, holder: first.key });
      const stale = (error: unknown): boolean => {
        assert.ok(QuorateError.is(error, "STALE_TOKEN"), String(error));
        assert.equal(error.outcome, "definite");
        assert.equal(error.object, "guard report");
        return true;
      };
      await assert.rejects(b.guard("report").admit({ token: first.token, holder: "x" }), stale);
      await first.release();
      const second = await b.lock("guarded").acquire();
      await b.guard("report").admit({ token: second.token, holder: second.key });
      await assert.rejects(one.admit({ token: first.token, holder: first.key }), stale);
      assert.deepEqual(await one.last(), { token: second.token, holder: second.key });
      await assert.rejects(one.admit({ token: 0.5, holder: "x" }), (error: unknown) =>
        QuorateError.is(error, "INVALID"),
      );
      await second.release();
      assert.equal(await one.clear(), true);
      assert.equal(await one.clear(), false);
    });

    test("[GRD-3] of many who ask at once the highest stays (32 admissions)", async ({ a, b }) => {
      const admitted = await Promise.allSettled(
        Array.from({ length: 32 }, (_, at) =>
          (at % 2 === 0 ? a : b)
            .guard("race")
            .admit({ token: 1 + ((at * 13) % 32), holder: String(at) }),
        ),
      );
      assert.equal((await a.guard("race").last())?.token, 32);
      for (const each of admitted)
        if (each.status === "rejected") assert.ok(QuorateError.is(each.reason, "STALE_TOKEN"));
    });

    test("[GRD-4] a transaction on condition of a hold is refused once it is released (two sessions)", async ({
      a,
    }) => {
      const { keyspace } = a.namespace("ns").commitment;
      const held = await a.namespace("ns").lock("writes").acquire();
      const both = await a.locks(["writes/1", "writes/2"]).acquire();
      const write = async (value: string): Promise<boolean> => {
        const { succeeded } = await keyspace.call({
          kind: "txn",
          compare: [held.condition(), both.condition()],
          success: [{ kind: "put", key: utf8("guarded"), value: utf8(value) }],
          failure: [],
        });
        return succeeded;
      };
      assert.equal(await write("1"), true);
      await held.release();
      assert.equal(await write("2"), false);
      const later = await a.namespace("ns").lock("writes").acquire();
      assert.equal(await write("3"), false, "another hold is not this one");
      await later.release();
      await both.release();
    });
  });
}
