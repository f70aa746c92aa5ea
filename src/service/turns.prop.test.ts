/** Turns of one thread under a simulated event loop: who is kept waiting, and for how long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Prng } from "../base/prng.ts";
import { prng } from "../base/prng.ts";
import type { Clock } from "../ports/clock.ts";
import type { Turn } from "./turns.ts";
import { OneByOne, TURN_MS, Turns } from "./turns.ts";

/** Longest piece of work, and how many are done between two looks at the clock. */
const PIECE_MS = 0.05;
const BETWEEN_LOOKS = 16;
/** Share of the time that counts as little. */
const LITTLE = 0.05;
/** What one may work from its beginning to its end. */
const ONE_MS: number = TURN_MS + BETWEEN_LOOKS * PIECE_MS;

/** An event loop: sockets are read, then what was to be soon is done. */
class Loop {
  nowMs = 0;
  /** Turns that have begun. */
  count = 0;
  #soon: (() => void)[] = [];
  #timers: { readonly atMs: number; readonly fire: () => void }[] = [];
  readonly clock: Clock = {
    monotonicMs: () => this.nowMs,
    wallMs: () => this.nowMs,
    after: (ms, fire) => {
      const timer = { atMs: this.nowMs + ms, fire };
      this.#timers.push(timer);
      return () => void (this.#timers = this.#timers.filter((each) => each !== timer));
    },
    soon: (fire) => void this.#soon.push(fire),
  };

  turn(read: () => void): void {
    this.count++;
    this.nowMs += 0.01;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.nowMs);
    for (const { fire } of due) fire();
    read();
    for (const fire of this.#soon.splice(0)) fire();
  }
}

/** One who brings work: pieces, each so long. */
class Party {
  readonly #loop: Loop;
  readonly turn: Turn;
  readonly #pieces: number[] = [];
  /** What a millisecond of its work causes later, ms. */
  readonly #later: number;
  brought = 0;
  done = 0;
  workedMs = 0;
  /** The loop's turn at which it last went on, or brought the first it has. */
  lastAt = 0;

  constructor(loop: Loop, turns: Turns, later = 0) {
    this.#loop = loop;
    this.#later = later;
    this.turn = turns.turn(() => this.#work());
  }

  /** As a connection does: while it waits nothing more is read of it. */
  bring(pieces: readonly number[]): void {
    if (this.turn.waits) return;
    this.lastAt = this.#loop.count;
    this.#pieces.push(...pieces);
    this.brought += pieces.length;
    this.#work();
  }

  #work(): void {
    if (!this.turn.begin()) return;
    this.lastAt = this.#loop.count;
    for (let ms = this.#pieces.shift(); ms !== undefined; ms = this.#pieces.shift()) {
      this.#loop.nowMs += ms;
      this.workedMs += ms;
      this.done++;
      if (this.#later > 0) this.turn.owes(ms * this.#later);
      if (this.turn.isOver()) break;
    }
    this.turn.end();
  }
}

function much(random: Prng): readonly number[] {
  return Array.from({ length: random.below(400) }, () => (PIECE_MS * random.below(100)) / 100);
}

const worked = (parties: readonly Party[]): number =>
  parties.reduce((sum, { workedMs }) => sum + workedMs, 0);

test("[TRN-1] however many bring much, the turns of all together are short, and each goes on (any number of parties)", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), (seed, count) => {
      const random = prng(seed);
      const loop = new Loop();
      const turns = new Turns(loop.clock);
      const floods = Array.from({ length: count }, () => new Party(loop, turns));
      for (let round = 0; round < 300; round++) {
        const before = worked(floods);
        loop.turn(() => {
          for (const each of floods) if (random.chance(2, 3)) each.bring(much(random));
        });
        // Both kinds, in what is read and in what waited.
        assert.ok(worked(floods) - before <= 4 * ONE_MS, `${worked(floods) - before} ms`);
        for (const { turn, lastAt } of floods)
          if (turn.waits) assert.ok(loop.count - lastAt <= 2 * count + 2, "one is left waiting");
      }
      for (let rest = 0; floods.some(({ turn }) => turn.waits); rest++) {
        assert.ok(rest < 400 * count, "the work ends");
        loop.turn(() => {});
      }
      for (const { brought, done } of floods) assert.equal(done, brought);
    }),
    { numRuns: 12 },
  );
});

test("[TRN-2] one who brings little is served in the turn in which it comes or soon after, whoever brings much (any number of parties)", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 40 }), (seed, count) => {
      const random = prng(seed);
      const loop = new Loop();
      const turns = new Turns(loop.clock);
      const honest = new Party(loop, turns);
      const floods = Array.from({ length: count }, () => new Party(loop, turns));
      let dueMs = 0;
      let lateAt = 0;
      for (let round = 0; round < 200 + 20 * count; round++) {
        loop.turn(() => {
          for (const each of floods) each.bring(much(random));
          if (loop.nowMs < dueMs) return;
          dueMs = loop.nowMs + 5;
          honest.bring([PIECE_MS]);
        });
        // Until they are known, each of them has its share of what is for the light.
        const known = floods.every(({ workedMs }) => workedMs > 4);
        lateAt = known && honest.done < honest.brought ? lateAt + 1 : 0;
        assert.ok(lateAt <= 2 + count / 8, `round ${round}`);
      }
      assert.ok(honest.done > 20, "it went on all the time");
    }),
    { numRuns: 12 },
  );
});

test("[TRN-3] turns in which those who wait are served alternate with turns in which they are not (2 parties)", () => {
  const loop = new Loop();
  const turns = new Turns(loop.clock);
  const floods = [new Party(loop, turns), new Party(loop, turns)];
  const pieces = Array.from({ length: 4_000 }, () => PIECE_MS);
  loop.turn(() => floods.forEach((each) => each.bring(pieces)));
  // Known for what they are.
  for (let turn = 0; turn < 40; turn++) loop.turn(() => {});
  const served: boolean[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const before = worked(floods);
    loop.turn(() => {});
    served.push(worked(floods) > before);
  }
  assert.ok(floods.every(({ turn }) => turn.waits));
  const [first] = served;
  assert.deepEqual(
    served,
    served.map((_, at) => (at % 2 === 0 ? first : !first)),
  );
});

test("[TRN-5] who causes more than the time it takes rests for it, however many they are; who does not goes on (any number of parties)", () => {
  fc.assert(
    fc.property(
      fc.integer(),
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 9 }),
      (seed, count, later) => {
        const random = prng(seed);
        const loop = new Loop();
        const turns = new Turns(loop.clock);
        const floods = Array.from({ length: count }, () => new Party(loop, turns, later));
        const other = new Party(loop, turns);
        const bring = (): void => {
          for (const each of floods) if (!each.turn.waits) each.bring(much(random));
          // Where all rest, the loop sleeps.
          if (floods.every(({ turn }) => turn.waits)) loop.nowMs += 0.1;
        };
        // Until each is known for what it is.
        while (floods.some(({ workedMs }) => workedMs * (1 + later) < 4)) loop.turn(bring);
        let lateAt = 0;
        const [before, fromMs] = [worked(floods), loop.nowMs];
        while (loop.nowMs - fromMs < 2_000) loop.turn(bring);
        const alone = worked(floods) - before;
        const passed = loop.nowMs - fromMs;
        // What each may do for little comes on top.
        const share = (passed + count * LITTLE * passed) / (1 + later);
        const told = `${alone} ms of ${share} by ${count} who owe ${later}`;
        assert.ok(alone < 1.1 * share + count * ONE_MS, told);
        assert.ok(alone > passed / (1 + later) / 2, told);
        for (let round = 0; round < 300; round++) {
          const { workedMs } = other;
          loop.turn(() => (bring(), other.bring(much(random))));
          lateAt = other.turn.waits && other.workedMs === workedMs ? lateAt + 1 : 0;
          assert.ok(lateAt <= 2 * count + 4, `round ${round}`);
        }
      },
    ),
    { numRuns: 20 },
  );
});

test("[TRN-5] however many owe, and however much, none rests for longer than a client is patient (up to 100 parties)", () => {
  const PATIENT_MS = 1_000;
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 100 }), (seed, count) => {
      const random = prng(seed);
      const loop = new Loop();
      const turns = new Turns(loop.clock);
      const floods = Array.from({ length: count }, () => new Party(loop, turns, 50));
      const heardMs = floods.map(() => 0);
      while (loop.nowMs < 5_000) {
        const before = floods.map(({ workedMs }) => workedMs);
        loop.turn(() => {
          for (const each of floods) if (!each.turn.waits) each.bring([...much(random), PIECE_MS]);
          if (floods.every(({ turn }) => turn.waits)) loop.nowMs += 0.5;
        });
        for (const [at, { workedMs }] of floods.entries()) {
          if (workedMs !== before[at]) heardMs[at] = loop.nowMs;
          const silentMs = loop.nowMs - (heardMs[at] ?? 0);
          assert.ok(silentMs < PATIENT_MS, `${at} of ${count} rests for ${silentMs} ms`);
        }
      }
    }),
    { numRuns: 10 },
  );
});

test("[TRN-4] long work is done in turns, in order, and not when nobody wants it any more", async () => {
  const loop = new Loop();
  const turns = new Turns(loop.clock);
  const work = function* (): Generator<number> {
    for (let at = 0; at < 1_000; at++) {
      loop.nowMs += PIECE_MS;
      yield at;
    }
  };
  let result: readonly number[] | undefined;
  const all = turns.run(work(), () => false).then((found) => (result = found));
  let isUnwanted = false;
  const none = turns.run(work(), () => isUnwanted);
  const failed = assert.rejects(
    turns.run(
      (function* (): Generator<number> {
        yield 1;
        throw new Error("no more");
      })(),
      () => false,
    ),
    /no more/,
  );
  let taken = 0;
  for (; result === undefined && taken < 10_000; taken++) {
    loop.turn(() => {});
    if (taken === 3) isUnwanted = true;
    await Promise.resolve();
  }
  await all;
  assert.deepEqual(
    result,
    Array.from({ length: 1_000 }, (_, at) => at),
  );
  assert.ok(taken > 20, `${taken} turns`);
  assert.equal(await none, undefined);
  await failed;
});

test("[TRN-4] work of one kind is done one after the other, also after one that failed", async () => {
  const line = new OneByOne();
  const told: string[] = [];
  const first = line.run(() => Promise.reject(new Error("first")));
  const second = line.run(() => {
    told.push("second begins");
    return Promise.resolve(2);
  });
  assert.deepEqual(told, []);
  await assert.rejects(first, /first/);
  assert.equal(await second, 2);
});
