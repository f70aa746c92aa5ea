/** The globals of simulated code: theirs is virtual time, everybody else's stays the host's. */
import assert from "node:assert/strict";
import { createHash, randomBytes, randomInt, randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import * as timers from "node:timers";
import * as waits from "node:timers/promises";
import { promisify } from "node:util";
import { simulate } from "../../src/testing/index.ts";
import type { Life } from "../../src/testing/index.ts";

/** Runs `program` as one process of a world in which nothing goes wrong. */
async function inWorld(program: (life: Life) => unknown, seed = 1): Promise<void> {
  await simulate({ seed, faults: [], faultsMs: 86_400_000 }, (world) => {
    world.process("a", program);
  });
}

describe("globals of simulated code", { timeout: 240_000 }, () => {
  test("[SIM-GLOB-1] clocks and timers go by virtual time", async () => {
    const started = performance.now();
    await inWorld(async () => {
      const from = { date: Date.now(), now: performance.now(), hr: process.hrtime.bigint() };
      assert.match(new Date().toISOString(), /^2026-01-01T00:00:/);
      assert.ok(new Date() instanceof Date);
      assert.equal(new Date(5).getTime(), 5);
      await new Promise((resolve) => setTimeout(resolve, 3_600_000));
      assert.equal(Math.round(performance.now() - from.now), 3_600_000);
      assert.ok(Math.abs(Date.now() - from.date - 3_600_000) <= 1);
      assert.ok(process.hrtime.bigint() - from.hr >= 3_599_999_000_000n);
      assert.ok(process.hrtime()[0] >= 3_600);
    });
    assert.ok(performance.now() - started < 60_000);
  });

  test("[SIM-GLOB-2] each way to wait waits, in order, and can be cancelled", async () => {
    await inWorld(async () => {
      const seen: string[] = [];
      const cancelled = setTimeout(() => seen.push("never"), 5);
      clearTimeout(cancelled);
      const byNumber = setTimeout(() => seen.push("never"), 5);
      clearTimeout(Number(byNumber));
      const immediate = setImmediate(() => seen.push("never"));
      clearImmediate(immediate);
      timers.setTimeout((said: string) => seen.push(said), 30, "thirty");
      setImmediate(() => seen.push("immediate"));
      const beat = setInterval(() => seen.push("beat"), 20);
      await waits.setTimeout(50);
      clearInterval(beat);
      assert.deepEqual(seen, ["immediate", "beat", "thirty", "beat"]);
      assert.equal(await waits.setTimeout(5, "value"), "value");
      assert.equal(await promisify(setTimeout)(5, "promised"), "promised");
      let beats = 0;
      for await (const _ of waits.setInterval(1_000)) if (++beats === 3) break;
      await waits.scheduler.wait(10);
      await waits.setImmediate();
      const late = AbortSignal.timeout(1_000);
      await assert.rejects(waits.setTimeout(5_000, undefined, { signal: late }), {
        name: "AbortError",
      });
      assert.equal((late.reason as Error).name, "TimeoutError");
    });
  });

  test("[SIM-GLOB-3] randomness is the seed's, in each of its forms", async () => {
    const draw = async (seed: number): Promise<string> => {
      const drawn: unknown[] = [];
      await inWorld(() => {
        drawn.push(Math.random(), randomUUID(), crypto.randomUUID(), randomInt(1_000_000));
        drawn.push(randomBytes(8).toString("hex"), [...crypto.getRandomValues(new Uint8Array(4))]);
      }, seed);
      assert.match(
        String(drawn[1]),
        /^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
      );
      return createHash("sha256").update(JSON.stringify(drawn)).digest("hex");
    };
    assert.equal(await draw(5), await draw(5));
    assert.notEqual(await draw(5), await draw(6));
  });

  test("[SIM-GLOB-4] code beside a simulation keeps the host's, and all of it is put back", async () => {
    const before = [
      setTimeout,
      Date,
      Math.random,
      Reflect.get(performance, "now"),
      process.hrtime,
      randomUUID,
    ];
    let beats = 0;
    const beside = setInterval(() => {
      beats++;
      assert.ok(Date.now() > Date.parse("2026-06-01"), "the host's clock");
    }, 1);
    const work = inWorld(async () => {
      for (let at = 0; at < 2_000; at++) await waits.setTimeout(1_000);
    });
    await work;
    clearInterval(beside);
    assert.ok(beats > 0);
    const after = [
      setTimeout,
      Date,
      Math.random,
      Reflect.get(performance, "now"),
      process.hrtime,
      randomUUID,
    ];
    for (const [at, each] of before.entries()) assert.equal(after[at], each);
  });
});
