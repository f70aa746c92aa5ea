/**
 * A lock on several names at once: all or none, in one atomic step.
 *
 * Guarantee: as a lock for each name, with one token for all of them. A claim joins all queues in one transaction, so it has
 * the same place in the order of every queue: claims on several names never wait for each other in a circle. With other
 * holds in between, see `within`.
 * Cost: one round trip and flush whatever the number of names; one key for each.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { CallOptions } from "../../../contract/keyspace.ts";
import type { OnCommitment, CommitmentPlane, Session } from "../../../contract/plane.ts";
import type { AcquireOptions, WaitOptions } from "../contention/acquire.ts";
import { heldWithin, served } from "../contention/acquire.ts";
import { requireWait, strongEnough } from "../contention/arguments.ts";
import { ask, told } from "../contention/contended.ts";
import type { NotHeld } from "../contention/not-held.ts";
import { notHeld } from "../contention/not-held.ts";
import type { Explanation } from "../contention/explain.ts";
import { Held } from "../contention/held.ts";
import type { Name } from "../contention/layout.ts";
import { contenderKey, contenderPrefix, nameText } from "../contention/layout.ts";
import type { Line } from "../contention/line.ts";
import { standInLine, withdraw } from "../contention/line.ts";
import type { Holding, Ran } from "../contention/run.ts";
import { runHolding, tryRun } from "../contention/run.ts";
import { waitsKey } from "../contention/waits.ts";
import { lock } from "../lock/lock.ts";
import { locksCard } from "./card.ts";
import type { StandingInAll } from "./procedures.ts";
import { enterAll, leaveAll, lookAll, NAMES_MAX } from "./procedures.ts";

export interface LocksOptions {
  /** Shown to whoever waits. */
  readonly label?: string | undefined;
}

export interface LocksHandle {
  readonly names: readonly string[];
  /** Acquires all names or none, waiting at most `waitMs` (default: not at all); an answer either way. */
  tryAcquire(options?: AcquireOptions): Promise<Held | NotHeld>;
  /** Acquires all names, waiting until they are owned or `signal` aborts (ABORTED, definite). */
  acquire(options?: WaitOptions): Promise<Held>;
  /** Runs `work` while holding all of them, or answers why not. */
  tryRun<T>(work: (holding: Holding) => T | Promise<T>, options?: AcquireOptions): Promise<Ran<T>>;
  /** Waits as `acquire`, runs `work` while holding, releases; gives and throws what `work` does. */
  run<T>(work: (holding: Holding) => T | Promise<T>, options?: WaitOptions): Promise<T>;
  /** Who holds each of them and who waits. To follow them, `q.lock(name).watch()`. */
  explain(options?: CallOptions): Promise<readonly Explanation[]>;
}

interface Several {
  readonly plane: CommitmentPlane;
  readonly object: string;
  readonly names: readonly string[];
  readonly prefixes: readonly Bytes[];
  readonly label: string | undefined;
}

/**
 * The locks called `names`. No I/O. Throws INVALID for none, too many, a repeated one or a name that cannot be, GUARANTEE
 * for an engine that is too weak.
 */
export function locks(
  on: OnCommitment,
  names: readonly Name[],
  options: LocksOptions = {},
): LocksHandle {
  const called = namesText(names);
  const object = `locks ${called.join(", ")}`;
  const plane = strongEnough(on.commitment, locksCard, object);
  const prefixes = called.map((each) => contenderPrefix("lock", each));
  const it: Several = { plane, object, names: called, prefixes, label: options.label };
  const tryAcquire = (given?: AcquireOptions): Promise<Held | NotHeld> => acquireAll(it, given);
  const acquire = async (given?: WaitOptions): Promise<Held> =>
    served(it, await acquireAll(it, { ...given, waitMs: Infinity }));
  return {
    names: called,
    tryAcquire,
    acquire,
    tryRun: (work, given) => tryRun(tryAcquire, work, given),
    run: async (work, given) => runHolding(await acquire(given), work),
    explain: (given) => Promise.all(called.map((each) => lock(on, each).explain(given))),
  };
}

function namesText(names: readonly Name[]): readonly string[] {
  if (!Array.isArray(names)) {
    const remedy = "Give a list of names; q.lock is for one.";
    throw invalid("locks", `has a ${typeof names} as its names`, remedy);
  }
  const called = names.map((each: Name) => nameText(each, "locks"));
  if (called.length === 0 || called.length > NAMES_MAX)
    throw invalid("locks", `has ${called.length} names`, `Give 1 to ${NAMES_MAX} names.`);
  const repeated = called.find((each, at) => called.indexOf(each) !== at);
  if (repeated === undefined) return called;
  throw invalid(`locks ${called.join(", ")}`, `names ${repeated} twice`, "Name each lock once.");
}

function invalid(object: string, what: string, remedy: string): Error {
  return fail("INVALID", { object, what, remedy });
}

async function acquireAll(on: Several, options: AcquireOptions = {}): Promise<Held | NotHeld> {
  const { plane, object, prefixes } = on;
  requireWait(object, options.waitMs);
  const done = plane.busy();
  try {
    const session = await told(on, plane.session(options.signal, options.timeoutMs));
    const suffix = contenderKey("" as Bytes, session.lease, session.nextHold());
    const line = lineOf(on, session, suffix, options);
    const stood = await standInLine(line, session, options);
    if (stood.state !== "owns") return notHeldAll(on, stood.standing, stood.state);
    const { created, token } = stood;
    const release = (): Promise<void> => withdraw(line, session, created);
    const [first = suffix, ...rest] = prefixes.map((each) => each + suffix);
    return new Held({ keys: [first, ...rest], created, token, object, session, plane, release });
  } finally {
    done();
  }
}

/** Says in which of the queues it would have had to wait. */
function notHeldAll(on: Several, standing: StandingInAll, reason: "held" | "timeout"): NotHeld {
  const answer = notHeld(on, standing, reason);
  const name = on.names[standing.at ?? 0] ?? "";
  return { ...answer, why: `${name}: ${answer.why}` };
}

function lineOf(on: Several, session: Session, suffix: Bytes, options: AcquireOptions): Line {
  const { plane, object, prefixes, label } = on;
  const { signal, timeoutMs, waitMs = 0 } = options;
  const record = { layout: 1 as const, ...plane.identity, label, with: prefixes };
  const lease = session.lease.toString();
  const keys = prefixes.map((each) => each + suffix);
  const held = heldWithin(on, options.within);
  const places = prefixes.map((each) => ({ prefix: each, key: each + suffix }));
  const rule = { kind: "first" } as const;
  const within = held === undefined ? undefined : { held, places, rule };
  const waits = (held ?? []).map((each) => waitsKey(each, suffix));
  const entering = { prefixes, suffix, lease, record, queue: waitMs > 0, within };
  return {
    plane,
    object,
    key: (keys[0] ?? suffix) as Bytes,
    join: () => ask(on, enterAll, entering, { signal, timeoutMs }),
    look: (created, stop) =>
      ask(on, lookAll, { prefixes, suffix, created, held }, { signal: stop, timeoutMs }),
    leave: (created) => ask(on, leaveAll, { keys, created, waits }, { timeoutMs: session.ttlMs }),
  };
}
