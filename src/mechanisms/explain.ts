/**
 * Everything of one name, over all nouns: who holds it, who waits and why. Holds and changes nothing. What `q.locks` holds
 * or waits for shows as the lock of each name.
 */
import { fail } from "../base/errors.ts";
import type { CallOptions } from "../contract/keyspace.ts";
import type { OnCommitment } from "../contract/plane.ts";
import type { Explanation } from "./selection/contention/explain.ts";
import type { Name } from "./selection/contention/layout.ts";
import type { BarrierHandle } from "./selection/barrier/barrier.ts";
import { barrier } from "./selection/barrier/barrier.ts";
import type { MeetingExplanation } from "./selection/barrier/meeting.ts";
import type { DoubleBarrierHandle } from "./selection/double-barrier/double-barrier.ts";
import { doubleBarrier } from "./selection/double-barrier/double-barrier.ts";
import type { Guarded } from "./selection/guard/guard.ts";
import { storedGuard } from "./selection/guard/stored-guard.ts";
import { election } from "./selection/election/election.ts";
import type { LatchExplanation, LatchHandle } from "./selection/latch/latch.ts";
import { latch } from "./selection/latch/latch.ts";
import { lock } from "./selection/lock/lock.ts";
import { rwlock } from "./selection/rwlock/rwlock.ts";
import { semaphore } from "./selection/semaphore/semaphore.ts";

/** What there is of one noun. */
export type Explained =
  | (Explanation & { readonly noun: "lock" | "rwlock" | "semaphore" | "election" })
  | (Guarded & { readonly noun: "guard"; readonly name: string; readonly object: string })
  | (LatchExplanation & { readonly noun: "latch"; readonly name: string })
  | (MeetingExplanation & { readonly noun: "barrier" | "double-barrier"; readonly name: string });

export type Noun = Explained["noun"];

/** Undefined: there is nothing of that name. */
type Explain = (
  on: OnCommitment,
  name: Name,
  options: CallOptions,
) => Promise<Explained | undefined>;

async function contended<N extends "lock" | "rwlock" | "semaphore" | "election">(
  noun: N,
  explained: Promise<Explanation>,
): Promise<(Explanation & { readonly noun: N }) | undefined> {
  const found = await explained;
  return found.holders.length + found.waiters.length > 0 ? { ...found, noun } : undefined;
}

async function met(
  noun: "barrier" | "double-barrier",
  handle: BarrierHandle | DoubleBarrierHandle,
): Promise<Explained | undefined> {
  const found = await handle.explain();
  const { name } = handle;
  return found.generation + found.arrived.length > 0 ? { ...found, noun, name } : undefined;
}

async function counted(handle: LatchHandle): Promise<Explained | undefined> {
  const found = await handle.explain();
  return found.begun ? { ...found, noun: "latch", name: handle.name } : undefined;
}

async function guarded(
  on: OnCommitment,
  given: Name,
  options: CallOptions,
): Promise<Explained | undefined> {
  const handle = storedGuard(on, given);
  const found = await handle.last(options);
  const { name } = handle;
  return found === undefined
    ? undefined
    : { noun: "guard", name, object: `guard ${name}`, ...found };
}

/** By noun. What the first user of permits, counts or parties stored is what counts: the number given here stands for none. */
const EXPLAIN: Readonly<Record<Noun, Explain>> = {
  lock: (on, name, options) => contended("lock", lock(on, name).explain(options)),
  rwlock: (on, name, options) => contended("rwlock", rwlock(on, name).explain(options)),
  semaphore: (on, name, options) =>
    contended("semaphore", semaphore(on, name, { permits: 1 }).explain(options)),
  election: (on, name, options) => contended("election", election(on, name).explain(options)),
  latch: (on, name) => counted(latch(on, name, { count: 1 })),
  barrier: (on, name) => met("barrier", barrier(on, name, { parties: 1 })),
  "double-barrier": (on, name) => met("double-barrier", doubleBarrier(on, name, { parties: 1 })),
  guard: guarded,
};

/** What `explain` looks at, in the order of its answer. */
export const NOUNS: readonly Noun[] = Object.keys(EXPLAIN) as Noun[];

export interface ExplainOptions extends CallOptions {
  /** Looks at this noun alone. */
  readonly noun?: Noun | undefined;
}

/**
 * The objects called `name` that somebody holds or waits for. Throws INVALID for a name or noun that cannot be. Cost: one
 * round trip per noun.
 */
export async function explain(
  on: OnCommitment,
  name: Name,
  options: ExplainOptions = {},
): Promise<readonly Explained[]> {
  const { noun } = options;
  if (noun !== undefined && !NOUNS.includes(noun)) {
    throw fail("INVALID", {
      object: `explain ${String(name)}`,
      what: `there is no noun ${String(noun)}`,
      remedy: `Use ${NOUNS.join(", ")}, or none for all.`,
    });
  }
  const nouns = noun === undefined ? NOUNS : [noun];
  const found = await Promise.all(nouns.map((each) => EXPLAIN[each](on, name, options)));
  return found.filter((each) => each !== undefined);
}
