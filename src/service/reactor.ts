/**
 * The reactor: fires due records when keyspace time has passed them, though nobody is connected.
 *
 * Invariants: I1 a record is fired by the transaction that removes it: two reactors do no harm. I2 it looks at the front
 * of the index only, as far as it is due. I3 what cannot be fired (a procedure that this version lacks) is left and
 * tried again later, and does not hold up the rest.
 */
import type { Bytes } from "../base/bytes.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import { DUE_END, DUE_PREFIX, dueTime } from "../contract/due.ts";
import type { FireArgs } from "../contract/due.ts";
import type { Procedure } from "../contract/procedure.ts";
import type { Clock } from "../ports/clock.ts";

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
  wait: (waitMs: number) => Promise<void> = changeWaiter(keyspace, clock, signal),
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
  // From one page to the next: what cannot be fired stays in front of the index.
  for (let from = DUE_PREFIX; ;) {
    const { kvs, more } = await keyspace.call(
      { kind: "range", key: from, end: DUE_END, limit: PAGE },
      { signal },
    );
    const last = kvs.at(-1);
    if (last === undefined) return LOOK_MS;
    const { time } = await keyspace.call({ kind: "status" }, { signal });
    for (const kv of kvs) {
      const leftMs = dueTime(kv.key) - time;
      if (leftMs > 0) return Math.max(5, Math.min(LOOK_MS, leftMs));
      // A record that fails stays; the next look tries it again, after the others had their turn.
      await keyspace
        .run(fire, { key: kv.key, modRevision: kv.modRevision }, { signal })
        .catch(() => undefined);
    }
    if (!more || signal.aborted) return LOOK_MS;
    from = `${last.key}\0` as Bytes;
  }
}

/** Waits for the time to pass or for the index to change, whichever is first; a change since the last wait counts. */
function changeWaiter(
  keyspace: Keyspace,
  clock: Clock,
  signal: AbortSignal,
): (waitMs: number) => Promise<void> {
  let isFollowing = false;
  let hasChanged = false;
  let wake = (): void => {};
  signal.addEventListener("abort", () => wake(), { once: true });
  const follow = async (): Promise<void> => {
    isFollowing = true;
    const range = { key: DUE_PREFIX, end: DUE_END, without: "delete" } as const;
    try {
      for await (const { events } of keyspace.watch(range, { signal })) {
        if (events.length === 0) continue;
        hasChanged = true;
        wake();
      }
    } catch {
      // The next wait follows anew; this one ends by its time.
    }
    isFollowing = false;
  };
  return async (waitMs) => {
    if (!isFollowing) void follow();
    if (!hasChanged)
      await new Promise<void>((resolve) => {
        const cancel = clock.after(waitMs, resolve);
        wake = (): void => {
          cancel();
          resolve();
        };
      });
    hasChanged = false;
    wake = (): void => {};
  };
}
