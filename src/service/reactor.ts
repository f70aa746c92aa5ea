/**
 * The reactor: fires due records when keyspace time has passed them, though nobody is connected.
 *
 * Invariants: I1 a record is fired by the transaction that removes it: two reactors do no harm. I2 it looks at the front
 * of the index only. I3 what cannot be fired (a procedure that this version lacks) is left and tried again later, and
 * does not hold up the rest.
 */
import type { Keyspace } from "../contract/keyspace.ts";
import { DUE_END, DUE_PREFIX, dueTime } from "../contract/due.ts";
import type { FireArgs } from "../contract/due.ts";
import type { Procedure } from "../contract/procedure.ts";
import type { Clock } from "../ports/clock.ts";
import { sleep } from "../ports/clock.ts";

/** Records read at once. */
const PAGE = 64;
/** Longest time without a look, ms: bounds the delay after a missed change. */
const LOOK_MS = 1_000;

/**
 * Follows the due index of `keyspace` until `signal` aborts. `fire` is the procedure of `fireDue`; `wait` says how to
 * wait before the next look, by default until the time is over or the index changes.
 */
export async function react(
  keyspace: Keyspace,
  clock: Clock,
  fire: Procedure<FireArgs, string>,
  signal: AbortSignal,
  wait: (waitMs: number) => Promise<void> = (waitMs) =>
    waitForChange(keyspace, clock, waitMs, signal),
): Promise<void> {
  while (!signal.aborted) {
    const waitMs = await fireFront(keyspace, fire, signal).catch(() => LOOK_MS);
    if (!signal.aborted && waitMs > 0) await wait(waitMs);
  }
}

/** Fires what is due; returns how long to wait before looking again, ms. */
async function fireFront(
  keyspace: Keyspace,
  fire: Procedure<FireArgs, string>,
  signal: AbortSignal,
): Promise<number> {
  const { kvs, more } = await keyspace.call(
    { kind: "range", key: DUE_PREFIX, end: DUE_END, limit: PAGE },
    { signal },
  );
  if (kvs.length === 0) return LOOK_MS;
  const { time } = await keyspace.call({ kind: "status" }, { signal });
  let fired = 0;
  for (const kv of kvs) {
    if (dueTime(kv.key) > time) break;
    // A record that fails stays; the next look tries it again, after the others had their turn.
    const ran = await keyspace
      .run(fire, { key: kv.key, modRevision: kv.modRevision }, { signal })
      .catch(() => ({ result: "failed" }));
    if (ran.result === "fired") fired++;
  }
  if (fired > 0 && more) return 0;
  const next = kvs.map((kv) => dueTime(kv.key)).find((at) => at > time);
  return next === undefined ? LOOK_MS : Math.max(5, Math.min(LOOK_MS, next - time));
}

/** Waits for the time to pass or for the index to change, whichever is first. */
async function waitForChange(
  keyspace: Keyspace,
  clock: Clock,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  const stop = (): void => over.abort();
  signal.addEventListener("abort", stop, { once: true });
  const watch = keyspace.watch(
    { key: DUE_PREFIX, end: DUE_END, without: "delete" },
    { signal: over.signal },
  );
  const changed = (async (): Promise<void> => {
    for await (const batch of watch) if (batch.events.length > 0) return;
  })().catch(() => {});
  await Promise.race([sleep(clock, waitMs, over.signal), changed]);
  stop();
  signal.removeEventListener("abort", stop);
}
