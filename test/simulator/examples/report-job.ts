/** The second example of docs/testing.md: a job under a lock, in worlds where things go wrong. */
import { setTimeout } from "node:timers/promises";
import type { Life, Resource, Simulated } from "quorate/testing";
import { simulate } from "quorate/testing";

/** Yours: adds rows to a report, one worker at a time. */
async function addRows({ q, calm }: Life, report: Resource): Promise<void> {
  while (!calm.aborted) {
    const held = await q.lock("report").acquire();
    for (let row = 0; row < 3; row++) {
      await setTimeout(1_000 + Math.random() * 1_000); // the work
      if (held.signal.aborted) break; // told that it no longer owns
      const written = await report.write(held, `row ${row}`);
      if (!written.ok) break; // somebody else owns it now
    }
    await held.release();
  }
}

/** The worlds: three workers, and a report that checks tokens, or does not. */
export function workers(guard: boolean, runs: number): Promise<Simulated> {
  return simulate({ seed: 1, runs }, (world) => {
    const report = world.resource("report", { guard });
    for (const name of ["a", "b", "c"]) world.process(name, (life) => addRows(life, report));
  });
}
