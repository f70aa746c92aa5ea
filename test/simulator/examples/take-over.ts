/** The first example of docs/testing.md: a worker that stands still loses its lock to the next one. */
import assert from "node:assert/strict";
import { virtual } from "quorate/testing";

export async function takeOver(): Promise<void> {
  await using world = await virtual();
  const { clock } = world;
  const [a, b] = [await world.another("a"), await world.another("b")];
  const first = await a.q.lock("report").acquire();
  const waiting = b.q.lock("report").acquire();
  a.standStill(60_000); // a SIGSTOP, a long collection, a laptop that sleeps

  const second = await clock.runUntil(waiting); // time passes until b owns it
  assert.ok(clock.elapsedMs >= 10_000 && clock.elapsedMs <= 12_000); // a's lease was 10 s
  assert.ok(second.token > first.token);

  await clock.advance(60_000); // a goes on, and finds out
  assert.equal(first.signal.aborted, true);
  assert.equal(second.signal.aborted, false);
}
