/** Virtual time in a user's own test: what goes by the clock, what happens by itself, what stays the host's. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { QuorateError } from "../../src/base/errors.ts";
import { virtual } from "../../src/testing/index.ts";

const HOUR_MS = 3_600_000;

describe("virtual time", () => {
  test("[VIR-1] what needs no time happens by itself; time does not pass (embedded)", async () => {
    await using world = await virtual();
    const { q, clock } = world;
    const held = await q.lock("a").acquire();
    const refused = await q.lock("a").tryAcquire();
    assert.equal(refused.ok, false);
    await held.release();
    assert.ok((await q.lock("a").tryAcquire()).ok);
    assert.equal(clock.elapsedMs, 0);
    assert.equal(clock.now().toISOString(), "2026-01-01T00:00:00.000Z");
  });

  test("[VIR-2] a hold that lasts until a deadline ends at it, and not before (embedded)", async () => {
    await using world = await virtual();
    const { q, clock } = world;
    const lease = await q.lock("a").lease({ ttlMs: HOUR_MS });
    assert.ok(lease.ok);
    await clock.advance(HOUR_MS - 1_000);
    assert.equal((await q.lock("a").tryAcquire()).ok, false);
    // Acted on by the reactor, which looks at least once a second.
    await clock.advance(3_000);
    assert.equal((await q.lock("a").tryAcquire()).ok, true);
  });

  test("[VIR-3] a session is kept for as long as its process goes on, and ends when it stands still (2 processes)", async () => {
    await using world = await virtual();
    const { q, clock } = world;
    const other = await world.another("other");
    const held = await other.q.lock("a").acquire();
    let told = 0;
    held.signal.addEventListener("abort", () => told++);
    await clock.advance(HOUR_MS);
    const waiting = q.lock("a").acquire();
    other.standStill(HOUR_MS);
    const from = clock.elapsedMs;
    const next = await clock.runUntil(waiting);
    assert.ok(next.token > held.token);
    const tookMs = clock.elapsedMs - from;
    assert.ok(tookMs > 6_000 && tookMs < 12_000, `${tookMs} ms`);
    assert.equal(told, 0, "it stands still and cannot know");
    await clock.advance(HOUR_MS);
    assert.equal(told, 1);
    assert.ok(QuorateError.is(held.signal.reason, "LOST"));
  });

  test("[VIR-4] a killed process releases nothing; its election passes on when its lease ends (3 processes)", async () => {
    await using world = await virtual();
    const { q, clock } = world;
    const [a, b] = [await world.another("a"), await world.another("b")];
    const first = await a.q.election("e").campaign({ value: "a" });
    const second = b.q.election("e").campaign({ value: "b" });
    await clock.advance(60_000);
    assert.equal((await q.election("e").leader())?.value, "a");
    a.kill();
    const from = clock.elapsedMs;
    assert.ok((await clock.runUntil(second)).token > first.token);
    assert.ok(clock.elapsedMs - from <= 12_000);
    assert.equal((await q.election("e").leader())?.value, "b");
  });

  test("[VIR-5] time that is let pass at once adds up, timers fire in the order of their times (embedded)", async () => {
    await using world = await virtual();
    const { clock } = world;
    const seen: string[] = [];
    const note = (ms: number) =>
      clock.sleep(ms).then(() => seen.push(`${ms} at ${clock.elapsedMs}`));
    const notes = [300, 100, 200, 100].map(note);
    await Promise.all([clock.advance(150), clock.advance(150)]);
    await Promise.all(notes);
    assert.deepEqual(seen, ["100 at 100", "100 at 100", "200 at 200", "300 at 300"]);
    assert.equal(clock.elapsedMs, 300);
  });

  test("[VIR-6] what is waited for too long, or cannot pass, is said (embedded)", async () => {
    await using world = await virtual();
    const { q, clock } = world;
    await q.lock("a").acquire();
    const waiting = q.lock("a").acquire();
    waiting.catch(() => {});
    await assert.rejects(clock.runUntil(waiting, { withinMs: 5_000 }), { code: "TIMEOUT" });
    assert.equal(clock.elapsedMs, 5_000);
    await assert.rejects(clock.advance(-1), { code: "INVALID" });
    await assert.rejects(clock.advance(Infinity), { code: "INVALID" });
    await assert.rejects(clock.advance(Number.NaN), { code: "INVALID" });
  });

  test("[VIR-7] a jump of the wall clock ends no lease and no session (embedded)", async () => {
    await using world = await virtual();
    const { q, clock } = world;
    const held = await q.lock("a").acquire();
    clock.jump(20 * HOUR_MS);
    assert.equal(clock.now().toISOString(), "2026-01-01T20:00:00.000Z");
    await clock.advance(60_000);
    assert.equal(held.signal.aborted, false);
  });

  test("[VIR-8] nothing global is replaced, and the same seed gives the same ids (embedded)", async () => {
    const before = [setTimeout, Date, Math.random, Reflect.get(performance, "now")];
    const keys: string[] = [];
    for (const seed of [3, 3, 4]) {
      await using world = await virtual({ seed });
      assert.deepEqual([setTimeout, Date, Math.random, Reflect.get(performance, "now")], before);
      keys.push((await world.q.lock("a").acquire()).key);
    }
    assert.equal(keys[0], keys[1]);
    assert.notEqual(keys[0], keys[2]);
  });

  test("[VIR-9] closing it ends what waits, and a program that used it ends (embedded)", async () => {
    const world = await virtual();
    await world.q.lock("a").acquire();
    const waiting = world.q.lock("a").acquire();
    await Promise.all([world.close(), assert.rejects(waiting, { code: "SHUTDOWN" })]);
    await assert.rejects(world.q.lock("a").acquire(), { code: "CLOSED" });
  });
});
