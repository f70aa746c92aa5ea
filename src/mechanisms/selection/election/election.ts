/**
 * The election: one leader at a time; the rest wait in order. The token of a leadership is its epoch.
 * Source: the etcd concurrency recipe. Guarantee and caveat as for the lock: give the token to whatever the leader
 * writes to.
 */
import { utf8 } from "../../../base/bytes.ts";
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { OnCommitment } from "../../../contract/plane.ts";
import type { Contended } from "../contention/acquire.ts";
import { acquireWaiting } from "../contention/acquire.ts";
import type { Explanation, Party } from "../contention/explain.ts";
import { explain } from "../contention/explain.ts";
import type { FencingToken, Held } from "../contention/held.ts";
import type { Name } from "../contention/layout.ts";
import { contenderPrefix, nameText, prefixEnd } from "../contention/layout.ts";
import { proclaim } from "../contention/procedures.ts";
import type { Holding } from "../contention/run.ts";

export interface ElectionOptions {
  readonly label?: string | undefined;
  /** Uses the name as an etcd prefix, to share an election with etcd programs (`etcdctl elect NAME`). */
  readonly etcdName?: boolean | undefined;
}

export interface Leadership extends AsyncDisposable {
  readonly token: FencingToken;
  /** Aborts when this process no longer leads. */
  readonly signal: AbortSignal;
  /** Changes what observers see. Throws LOST (definite) if it no longer leads. */
  proclaim(value: string): Promise<void>;
  resign(): Promise<void>;
}

export interface ElectionHandle {
  readonly name: string;
  /** Waits until this process leads. Throws ABORTED (definite) if `signal` aborts first. */
  campaign(options?: {
    readonly value?: string | undefined;
    readonly signal?: AbortSignal | undefined;
    /** How long the engine may take to answer, ms. */
    readonly timeoutMs?: number | undefined;
  }): Promise<Leadership>;
  /** Campaigns, runs `work`, campaigns again after a loss, until `signal` aborts or `work` returns. */
  lead(
    work: (holding: Holding) => void | Promise<void>,
    options: { readonly signal: AbortSignal; readonly value?: string | undefined },
  ): Promise<void>;
  /** Who leads now. */
  leader(): Promise<Party | undefined>;
  /** Who leads, now and at every change. */
  observe(options?: {
    readonly signal?: AbortSignal | undefined;
  }): AsyncGenerator<Party | undefined, void>;
  explain(): Promise<Explanation>;
}

/** The election called `name`. No I/O. Throws INVALID for an empty name. */
export function election(
  on: OnCommitment,
  name: Name,
  options: ElectionOptions = {},
): ElectionHandle {
  const called = nameText(name, "election");
  const raw = options.etcdName === true;
  const plane = on.commitment;
  const contended: Contended = {
    plane,
    object: `election ${called}`,
    prefix: raw ? utf8(`${called}/`) : contenderPrefix("election", called),
    rule: { kind: "first" },
  };
  const campaign: ElectionHandle["campaign"] = async (given = {}) => {
    const said = {
      label: options.label,
      value: given.value,
      raw: raw ? utf8(given.value ?? "") : undefined,
    };
    const { signal, timeoutMs } = given;
    const held = await acquireWaiting(contended, said, { signal, timeoutMs });
    return leadership(contended, held, raw);
  };
  const leader = async (): Promise<Party | undefined> => (await explain(contended)).holders[0];
  return {
    name: called,
    campaign,
    lead: (work, given) => lead(campaign, work, given),
    leader,
    observe: (given) => observe(contended, leader, given?.signal),
    explain: () => explain(contended),
  };
}

function leadership(on: Contended, held: Held, raw: boolean): Leadership {
  return {
    token: held.token,
    get signal() {
      return held.signal;
    },
    proclaim: async (value) => {
      held.assertHeld();
      const said = raw ? utf8(value) : value;
      const args = { key: held.key, created: held.created, value: said, raw };
      const { result } = await on.plane.keyspace.run(proclaim, args, { prefix: on.plane.prefix });
      if (result.done) return;
      throw fail("LOST", {
        object: on.object,
        what: "this process no longer leads",
        remedy: "Campaign again.",
      });
    },
    resign: () => held.release(),
    [Symbol.asyncDispose]: () => held.release(),
  };
}

async function lead(
  campaign: ElectionHandle["campaign"],
  work: (holding: Holding) => void | Promise<void>,
  given: { readonly signal: AbortSignal; readonly value?: string | undefined },
): Promise<void> {
  while (!given.signal.aborted) {
    let current: Leadership;
    try {
      current = await campaign(given);
    } catch (error) {
      if (given.signal.aborted) return;
      // A lost session is replaced by the next campaign; anything else is the caller's to know.
      if (QuorateError.is(error, "LOST") || QuorateError.is(error, "EXPIRED")) continue;
      throw error;
    }
    const onAbort = (): void => void current.resign();
    given.signal.addEventListener("abort", onAbort, { once: true });
    try {
      await work({ token: current.token, signal: current.signal });
      if (!current.signal.aborted) return;
    } catch (error) {
      // A handler that rejects because of its own signal is not an error.
      if (!current.signal.aborted) throw error;
    } finally {
      given.signal.removeEventListener("abort", onAbort);
      await current.resign();
    }
  }
}

async function* observe(
  on: Contended,
  leader: () => Promise<Party | undefined>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Party | undefined, void> {
  const { keyspace, prefix } = on.plane;
  const from = (prefix + on.prefix) as Bytes;
  const watch = keyspace.watch({ key: from, end: prefixEnd(from) }, { signal });
  try {
    if (!(await begun(watch.ready, signal))) return;
  } catch (error) {
    // An aborted loop simply ends.
    if (signal?.aborted === true) return;
    throw error;
  }
  let shown = await leader();
  yield shown;
  for await (const batch of watch) {
    if (batch.events.length === 0) continue;
    const now = await leader();
    if (now?.token === shown?.token && now?.value === shown?.value) continue;
    shown = now;
    yield shown;
  }
}

/** Whether a watch stands; false if `signal` aborts first. */
function begun(ready: Promise<number>, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return resolve(false);
    signal?.addEventListener("abort", () => resolve(false), { once: true });
    ready.then(() => resolve(true), reject);
  });
}
