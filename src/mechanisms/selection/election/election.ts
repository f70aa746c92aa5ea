/**
 * The election: one leader at a time; the rest wait in order. The token of a leadership is its epoch.
 * Source: the etcd concurrency recipe. Guarantee and caveat as for the lock: give the token to whatever the leader
 * writes to.
 */
import { utf8 } from "../../../base/bytes.ts";
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { CallOptions } from "../../../contract/keyspace.ts";
import { isPassedBy } from "../../../contract/keyspace.ts";
import type { OnCommitment } from "../../../contract/plane.ts";
import { acquireWaitingAs } from "../contention/acquire.ts";
import { attended } from "../contention/attended.ts";
import type { Contended } from "../contention/contended.ts";
import { ask, contended } from "../contention/contended.ts";
import type { Explanation, Party } from "../contention/explain.ts";
import { explain } from "../contention/explain.ts";
import type { HandedOver, HandOverOptions, HeldAlone } from "../contention/hand-over.ts";
import { alone } from "../contention/hand-over.ts";
import type { FencingToken } from "../contention/held.ts";
import type { Name } from "../contention/layout.ts";
import { prefixEnd } from "../contention/layout.ts";
import type { StandOptions } from "../contention/line.ts";
import { proclaim } from "../contention/procedures.ts";
import type { Holding } from "../contention/run.ts";
import type { Transition } from "../contention/watch.ts";
import { transitions } from "../contention/watch.ts";
import { sleep } from "../../../ports/clock.ts";
import { electionCard } from "./card.ts";

/** Delay before another campaign when the engine is away, ms; doubles up to the second. */
const RETRY_MS = 50;
const RETRY_MS_MAX = 5_000;

export interface ElectionOptions {
  /** Shown to whoever waits. */
  readonly label?: string | undefined;
  /** Uses the name as an etcd prefix, to share an election with etcd programs (`etcdctl elect NAME`). */
  readonly etcdName?: boolean | undefined;
}

export interface CampaignOptions extends Omit<StandOptions, "waitMs"> {
  /** What observers see of this leader. */
  readonly value?: string | undefined;
  /** Leads before lower ones, among equals by age; default 0. It never takes from a leader. See `LockClaim`. */
  readonly priority?: number | undefined;
}

export interface Leadership extends AsyncDisposable {
  /** The epoch. */
  readonly token: FencingToken;
  /** Aborts when this process no longer leads. */
  readonly signal: AbortSignal;
  /** Milliseconds in which it certainly still leads. */
  remainingMs(): number;
  /** Throws the reason of the loss (LOST, EXPIRED, SHUTDOWN, CANCELLED; definite) if it no longer leads. */
  assertHeld(): void;
  /** Changes what observers see. Throws LOST (definite) if it no longer leads. */
  proclaim(value: string, options?: CallOptions): Promise<void>;
  resign(): Promise<void>;
  /** Makes a candidate leader in one step, by default the next one; afterwards `signal` is aborted with CANCELLED. */
  handover(options?: HandOverOptions): Promise<HandedOver>;
}

/** Of a leadership that is sought again and again, until `signal` aborts. */
export interface LeadOptions extends CampaignOptions {
  readonly signal: AbortSignal;
}

export interface ElectionHandle {
  readonly name: string;
  /** Waits until this process leads. Throws ABORTED if `signal` aborts first: definite, but before the engine has answered. */
  campaign(options?: CampaignOptions): Promise<Leadership>;
  /**
   * Campaigns, runs `work`, campaigns again after a loss or when the engine is back, until `signal` aborts, the connection
   * is closed or `work` returns. Throws what `work` throws while it leads, and what no later try can mend.
   */
  lead(work: (holding: Holding) => void | Promise<void>, options: LeadOptions): Promise<void>;
  /** Who leads now. */
  leader(options?: CallOptions): Promise<Party | undefined>;
  /**
   * Who leads, now and at every change; of changes that come faster than they are looked at, the last. Ends when `signal`
   * aborts. History that was compacted away does not end it. Throws what asking for the leader throws. One watch, and a round
   * trip for each look.
   */
  observe(options?: {
    readonly signal?: AbortSignal | undefined;
  }): AsyncGenerator<Party | undefined, void>;
  /** Follows who joins, proclaims and leaves, candidates included. */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<Transition, void>;
  /** Who leads, who waits and why. */
  explain(options?: CallOptions): Promise<Explanation>;
}

/** The election called `name`. No I/O. Throws INVALID for a name that cannot be, GUARANTEE for a weak engine. */
export function election(
  on: OnCommitment,
  name: Name,
  options: ElectionOptions = {},
): ElectionHandle {
  const { label, etcdName: raw = false } = options;
  const object = contended(on, electionCard, name, { kind: "first" }, raw);
  const campaign: ElectionHandle["campaign"] = async (given = {}) => {
    const { value, priority, signal, timeoutMs } = given;
    requirePriority(object.object, raw, priority);
    const said = { label, value, priority, raw: raw ? utf8(value ?? "") : undefined };
    const held = await acquireWaitingAs(alone, object, said, { signal, timeoutMs });
    return leadership(object, held, raw);
  };
  const leader = async (given?: CallOptions): Promise<Party | undefined> =>
    (await explain(object, given)).holders[0];
  return {
    name: object.name,
    campaign,
    lead: (work, given) => lead(object, campaign, work, given),
    leader,
    observe: (given) => attended(object.plane, observe(object, leader, given?.signal)),
    watch: (given) => transitions(object, given?.signal),
    explain: (given) => explain(object, given),
  };
}

function requirePriority(object: string, raw: boolean, priority = 0): void {
  if (raw && priority !== 0) {
    const what = "is shared with etcd programs, which go by age alone";
    throw fail("INVALID", { object, what, remedy: "Use no priority with etcdName." });
  }
  if (Number.isSafeInteger(priority)) return;
  const what = `priority is ${priority}`;
  throw fail("INVALID", { object, what, remedy: "Give a whole number." });
}

function leadership(on: Contended, held: HeldAlone, raw: boolean): Leadership {
  return {
    token: held.token,
    get signal() {
      return held.signal;
    },
    remainingMs: () => held.remainingMs(),
    assertHeld: () => held.assertHeld(),
    proclaim: async (value, options) => {
      held.assertHeld();
      const said = raw ? utf8(value) : value;
      const args = { key: held.key, created: held.created, value: said, raw };
      const { result } = await ask(on, proclaim, args, options);
      if (result.done) return;
      throw fail("LOST", {
        object: on.object,
        what: "this process no longer leads",
        remedy: "Campaign again.",
      });
    },
    resign: () => held.release(),
    handover: (given) => held.handover(given),
    [Symbol.asyncDispose]: () => held.release(),
  };
}

async function lead(
  on: Contended,
  campaign: ElectionHandle["campaign"],
  work: (holding: Holding) => void | Promise<void>,
  given: LeadOptions,
): Promise<void> {
  const { closing, clock } = on.plane;
  if (closing.aborted) throw closing.reason;
  let delayMs = RETRY_MS;
  // Who closes the connection, or aborts, wants it to end: that is no failure.
  while (!given.signal.aborted && !closing.aborted) {
    let current: Leadership;
    try {
      current = await campaign(given);
      delayMs = RETRY_MS;
    } catch (error) {
      if (given.signal.aborted || closing.aborted) return;
      if (!QuorateError.is(error) || !isPassing(error)) throw error;
      await sleep(clock, delayMs, given.signal);
      delayMs = Math.min(2 * delayMs, RETRY_MS_MAX);
      continue;
    }
    if (await leadOnce(current, work, given.signal)) return;
  }
}

/** Whether `work` came to its end while it led. */
async function leadOnce(
  current: Leadership,
  work: (holding: Holding) => void | Promise<void>,
  signal: AbortSignal,
): Promise<boolean> {
  const onAbort = (): void => void current.resign();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    // It may have aborted after it was elected and before anybody listened.
    if (signal.aborted) return false;
    await work({ token: current.token, signal: current.signal });
    return !current.signal.aborted;
  } catch (error) {
    // A handler that rejects because of its own signal is not an error.
    if (!current.signal.aborted) throw error;
    return false;
  } finally {
    signal.removeEventListener("abort", onAbort);
    await current.resign();
  }
}

/** A lost session is replaced by the next campaign, an engine that is away comes back; all else is the caller's to know. */
function isPassing({ code, retry }: QuorateError): boolean {
  return code === "LOST" || code === "EXPIRED" || retry !== "never";
}

type Look = (options: CallOptions) => Promise<Party | undefined>;

/** The leader at first, and each one that differs from the last; what happens between two looks may be left out. */
async function* observe(
  on: Contended,
  leader: Look,
  signal: AbortSignal | undefined,
): AsyncGenerator<Party | undefined, void> {
  let shown: { readonly leader: Party | undefined } | undefined;
  for (;;) {
    try {
      for await (const now of looks(on, leader, signal)) {
        const last = shown?.leader;
        if (shown !== undefined && now?.token === last?.token && now?.value === last?.value)
          continue;
        shown = { leader: now };
        yield now;
      }
      return;
    } catch (error) {
      // An aborted loop simply ends.
      if (signal?.aborted === true) return;
      // What was missed does not matter: who leads now can be seen.
      if (!QuorateError.is(error) || !isPassedBy(error.failure)) throw error;
    }
  }
}

/** Who leads, at first and whenever something has happened. */
async function* looks(
  on: Contended,
  leader: Look,
  signal: AbortSignal | undefined,
): AsyncGenerator<Party | undefined, void> {
  const { keyspace, prefix } = on.plane;
  const from = (prefix + on.prefix) as Bytes;
  const over = new AbortController();
  const following = on.plane.follow([signal, over.signal]);
  try {
    const range = { key: from, end: prefixEnd(from) };
    const watch = keyspace.watch(range, { signal: following.signal });
    if (!(await begun(watch.ready, following.signal))) return;
    yield await leader({ signal });
    for await (const { events } of watch) if (events.length > 0) yield await leader({ signal });
  } finally {
    // A loop that is left before its first event has not ended the watch.
    over.abort();
    following.stop();
  }
}

/** Whether a watch stands; false if `signal` aborts first. */
function begun(ready: Promise<number>, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return resolve(false);
    signal.addEventListener("abort", () => resolve(false), { once: true });
    ready.then(() => resolve(true), reject);
  });
}
