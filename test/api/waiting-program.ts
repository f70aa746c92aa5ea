/** A program that does nothing else than to wait in a loop over changes; what changes does not keep it alive. */
import type { Quorate } from "../../src/sdk/index.ts";
import { connect } from "../../src/sdk/index.ts";

const [, , url, wanted = ""] = process.argv;
const q = await connect(url);

let seen = 0;

/** Waits until more than `before` changes have been seen, without keeping the process alive. */
function observed(before: number): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => void (seen > before ? resolve() : setTimeout(look, 5).unref());
    look();
  });
}

/** By name: what is followed, how many changes it waits for, and what brings one about. */
const loops: Readonly<
  Record<
    string,
    {
      readonly changes: (q: Quorate) => AsyncGenerator<unknown, void>;
      readonly count: number;
      readonly change: (q: Quorate) => Promise<unknown>;
    }
  >
> = {
  "lock.watch": {
    changes: () => q.lock("a").watch(),
    count: 2,
    change: () => q.lock("a").run(() => {}),
  },
  // The first one tells who leads now. What leads for a moment only may be left out.
  "election.observe": {
    changes: () => q.election("a").observe(),
    count: 2,
    change: async () => {
      // Who leads may be seen before the leader hears of it.
      const before = seen;
      const leadership = await q.election("a").campaign();
      await observed(before);
      await leadership.resign();
    },
  },
  "latch.watch": {
    changes: () => q.latch("a", { count: 99 }).watch(),
    count: 1,
    change: () => q.latch("a", { count: 99 }).countDown(),
  },
  "barrier.watch": {
    changes: () => q.barrier("a", { parties: 2 }).watch(),
    count: 1,
    change: () => q.barrier("a", { parties: 2 }).arrive({ waitMs: 1 }),
  },
};

const loop = loops[wanted];
if (loop === undefined) throw new Error(`no loop ${wanted}`);
const changing = setInterval(() => void loop.change(q).catch(() => {}), 100).unref();
for await (const _ of loop.changes(q)) if (++seen === loop.count) break;
clearInterval(changing);
console.log(`saw ${seen}`);
