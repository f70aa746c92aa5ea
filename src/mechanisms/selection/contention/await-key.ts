/**
 * Awaiting what one key says: one watch of one key, so that one change wakes everybody who awaits it, and once.
 *
 * Invariants: I1 no change after `from` is missed: a watch that ends is followed by a read of the key.
 * Cost: one watch; no round trip when the change comes, because the event carries the value.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { CommitmentPlane } from "../../../contract/plane.ts";
import { sleep } from "../../../ports/clock.ts";

/** What is awaited: `says` gives the answer as soon as a value (undefined: the key is gone) holds one. */
export interface Awaited<T> {
  readonly key: Bytes;
  /** The revision up to which the key has been read. */
  readonly from: number;
  readonly says: (value: Bytes | undefined) => T | undefined;
  /** How long the engine may take to be read from, ms; default that of the connection. */
  readonly timeoutMs?: number | undefined;
}

/** What was awaited, or undefined when `waitMs` is over or `stop` aborts. */
export async function untilSays<T>(
  plane: CommitmentPlane,
  awaited: Awaited<T>,
  waitMs: number,
  stop: AbortSignal,
): Promise<T | undefined> {
  const until = plane.clock.monotonicMs() + waitMs;
  const { timeoutMs } = awaited;
  let { from } = awaited;
  for (;;) {
    const leftMs = until - plane.clock.monotonicMs();
    if (leftMs <= 0 || stop.aborted) return undefined;
    const told = await change(plane, { ...awaited, from }, leftMs, stop);
    if (told !== undefined || stop.aborted || plane.clock.monotonicMs() >= until) return told;
    // The watch ended (compaction, a slow start): the key itself says where things stand.
    const key = (plane.prefix + awaited.key) as Bytes;
    const { kvs, revision } = await plane.keyspace.call({ kind: "range", key }, { timeoutMs });
    const said = awaited.says(kvs[0]?.value);
    if (said !== undefined) return said;
    from = revision;
  }
}

async function change<T>(
  { keyspace, prefix, clock }: CommitmentPlane,
  { key, from, says }: Awaited<T>,
  leftMs: number,
  stop: AbortSignal,
): Promise<T | undefined> {
  const over = new AbortController();
  const onStop = (): void => over.abort();
  stop.addEventListener("abort", onStop, { once: true });
  if (stop.aborted) onStop();
  try {
    const request = { key: (prefix + key) as Bytes, startRevision: from + 1 };
    const watch = keyspace.watch(request, { signal: over.signal });
    const told = (async (): Promise<T | undefined> => {
      for await (const batch of watch) {
        for (const { kind, kv } of batch.events) {
          const said = says(kind === "delete" ? undefined : kv.value);
          if (said !== undefined) return said;
        }
      }
      return undefined;
    })();
    if (leftMs === Infinity) return await told;
    return await Promise.race([told, sleep(clock, leftMs, over.signal).then(() => undefined)]);
  } catch (error) {
    if (!stop.aborted && !QuorateError.is(error)) throw error;
    return undefined;
  } finally {
    stop.removeEventListener("abort", onStop);
    over.abort();
  }
}

/** The failure of a wait that was aborted and has left nothing behind. */
export function abortedWait(object: string, reason: unknown): QuorateError {
  const what = "was aborted while it waited";
  const remedy = "Nothing is held.";
  return fail("ABORTED", { object, what, remedy, outcome: "definite" }, reason);
}
