/** The state of a connection as people think of it: the wire and the session in one sequence. */
import type { Keyspace } from "../contract/keyspace.ts";

/** `resumed` follows `suspended` when nothing was lost; `lost`: what was held is gone, the next call begins anew. */
export type ConnectionState = "connected" | "suspended" | "resumed" | "lost";

/**
 * Yields the state now and at each change, until the connection is closed or `signal` aborts. Bound: a reader that lags
 * sees the states in order, all of them.
 */
export async function* states(
  keyspace: Keyspace,
  onLost: (listener: () => void) => () => void,
  signal: AbortSignal | undefined,
): AsyncGenerator<ConnectionState, void> {
  const queue: (ConnectionState | "closed")[] = [];
  let last: ConnectionState | "closed" | undefined;
  let wake = (): void => {};
  const push = (state: ConnectionState | "closed"): void => {
    if (state === last) return;
    last = state;
    queue.push(state);
    wake();
  };
  const stops = [
    keyspace.observe((wire) =>
      push(wire === "connected" && last === "suspended" ? "resumed" : wire),
    ),
    onLost(() => push("lost")),
  ];
  const onAbort = (): void => wake();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    for (;;) {
      const state = queue.shift();
      if (state === "closed") return;
      if (state !== undefined) yield state;
      if (signal?.aborted === true) return;
      if (queue.length > 0) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    for (const stop of stops) stop();
  }
}
