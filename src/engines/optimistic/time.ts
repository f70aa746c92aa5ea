/** Keyspace time as a client reckons it: asked for now and then, carried forward by its own monotonic clock. */
import type { Keyspace } from "../../contract/keyspace.ts";
import type { Clock } from "../../ports/clock.ts";

const ASK_EVERY_MS = 10_000;

/** Keyspace time of an engine that has one. Cost: 1 round trip every 10 s. */
export function keyspaceTime(keyspace: Keyspace, clock: Clock): () => Promise<number> {
  let asked: { readonly at: number; readonly time: number } | undefined;
  return async () => {
    const at = clock.monotonicMs();
    if (asked === undefined || at - asked.at > ASK_EVERY_MS) {
      const { time } = await keyspace.call({ kind: "status" });
      asked = { at, time };
    }
    return asked.time + (clock.monotonicMs() - asked.at);
  };
}
