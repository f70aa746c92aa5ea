/**
 * A model of the lock of a data directory, searched to the end: processes that look, knock, link, look again and tidy,
 * in every order, and die at any point. A listing is atomic here; the code looks twice because a real one is not.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";

type Step = "look" | "knock" | "link" | "again" | "tidy" | "held" | "vacate" | "sweep" | "close";
/** `told`: another has it; `dead`: killed, or done for good. */
interface Process {
  readonly step: Step | "told" | "dead";
  /** The number that was seen, then the one that is claimed. */
  readonly n: number;
}
/** A name in the directory: of a socket its process, of a plain file none. */
interface Entry {
  readonly n: number;
  readonly owner: number | undefined;
}
interface World {
  readonly entries: readonly Entry[];
  readonly processes: readonly Process[];
}

/** Parts of the protocol that can be left out, to see that they are needed. */
interface Rules {
  readonly looksAgain: boolean;
  readonly keepsHighest: boolean;
}

const LISTENING: ReadonlySet<string> = new Set([
  "again",
  "tidy",
  "held",
  "vacate",
  "sweep",
  "close",
]);

function highest({ entries }: World): number {
  return Math.max(0, ...entries.map(({ n }) => n));
}

function with_(world: World, at: number, process: Process, entries = world.entries): World {
  const processes = world.processes.map((each, index) => (index === at ? process : each));
  const inOrder = entries.toSorted((a, b) => a.n - b.n);
  return { entries: inOrder, processes };
}

/** What process `at` does next. */
function next(world: World, at: number, rules: Rules): World {
  const { step, n } = world.processes[at] as Process;
  const { entries } = world;
  const go = (to: Process["step"], number = n, left = entries): World =>
    with_(world, at, { step: to, n: number }, left);
  switch (step) {
    case "look": {
      const seen = highest(world);
      return seen === 0 ? go("link", 1) : go("knock", seen);
    }
    case "knock": {
      const entry = entries.find((each) => each.n === n);
      if (entry === undefined) return go("look", 0);
      const owner = entry.owner === undefined ? undefined : world.processes[entry.owner];
      return owner !== undefined && LISTENING.has(owner.step) ? go("told", 0) : go("link", n + 1);
    }
    case "link":
      return entries.some((each) => each.n === n)
        ? go("look", 0)
        : go(rules.looksAgain ? "again" : "tidy", n, [...entries, { n, owner: at }]);
    case "again":
      if (highest(world) === n) return go("tidy");
      return go(
        "look",
        0,
        entries.filter((each) => each.n !== n || each.owner !== at),
      );
    case "tidy":
      return go(
        "held",
        n,
        entries.filter((each) => each.n >= n - 1),
      );
    case "held":
      return go("vacate");
    case "vacate":
      return go("sweep", n, [...entries, { n: n + 1, owner: undefined }]);
    case "sweep":
      return go(
        "close",
        n,
        entries.filter((each) => each.n > (rules.keepsHighest ? n : n + 1)),
      );
    case "close":
      return go("dead", 0);
    case "told":
      // Attached; when that ends it looks again.
      return go("look", 0);
    default:
      return world;
  }
}

/** Every world that can be reached from processes that all begin to look; stops at the first with two holders. */
function search(count: number, rules: Rules): { readonly worlds: number; readonly fault: boolean } {
  const start: World = {
    entries: [],
    processes: Array.from({ length: count }, () => ({ step: "look", n: 0 }) as const),
  };
  const seen = new Set<string>([JSON.stringify(start)]);
  const open: World[] = [start];
  for (let world = open.pop(); world !== undefined; world = open.pop()) {
    if (world.processes.filter(({ step }) => step === "held").length > 1)
      return { worlds: seen.size, fault: true };
    for (const [at, { step }] of world.processes.entries()) {
      if (step === "dead") continue;
      for (const to of [next(world, at, rules), with_(world, at, { step: "dead", n: 0 })]) {
        const key = JSON.stringify(to);
        if (seen.has(key)) continue;
        seen.add(key);
        open.push(to);
      }
    }
  }
  return { worlds: seen.size, fault: false };
}

describe("the model of a data directory's lock", () => {
  test("[EXC-1] [EXC-6] never two holders, in every order and with deaths at every point (4 processes)", () => {
    const { worlds, fault } = search(4, { looksAgain: true, keepsHighest: true });
    assert.equal(fault, false);
    assert.equal(worlds, 142_398);
  });

  test("[EXC-6] without a second look, or if the highest name goes, there are two (3 processes)", () => {
    assert.equal(search(3, { looksAgain: false, keepsHighest: true }).fault, true);
    assert.equal(search(3, { looksAgain: true, keepsHighest: false }).fault, true);
  });
});
