/**
 * A watch as an async iterable: what a sink is given, a loop takes.
 *
 * Bound: at most 64 batches wait for the loop; beyond that the source is held, which costs it a position and no
 * buffer. Overflow therefore never drops anything: the source ends the watch itself if history passes it by.
 */
import type { Failure } from "../base/errors.ts";
import { fail, QuorateError } from "../base/errors.ts";
import type { Watch, WatchBatch } from "../contract/keyspace.ts";
import type { WatchHandle, WatchSink } from "../keyspace/watcher.ts";

const WAITING_MAX = 64;

/** Opens a watch through `open` when the stream is made; `signal` ends it quietly. */
export function watchStream(
  open: (sink: WatchSink) => WatchHandle,
  signal: AbortSignal | undefined,
): Watch {
  const waiting: WatchBatch[] = [];
  let held = false;
  let over = false;
  let begun = false;
  let failed: Failure | undefined;
  let wake: () => void = () => {};
  let isReady: (revision: number) => void = () => {};
  let notReady: (error: Error) => void = () => {};
  const ready = new Promise<number>((resolve, reject) => {
    isReady = resolve;
    notReady = reject;
  });
  // Whoever does not ask for `ready` learns of a failure from the loop.
  ready.catch(() => {});
  const finish = (failure: Failure | undefined): void => {
    if (over) return;
    over = true;
    failed = failure;
    signal?.removeEventListener("abort", onAbort);
    // Errors are dear, and most watches end after they have begun.
    if (!begun) notReady(failure === undefined ? endedEarly() : new QuorateError(failure));
    wake();
  };
  const handle = open({
    started: (revision) => {
      begun = true;
      isReady(revision);
    },
    batch: (batch) => {
      waiting.push(batch);
      wake();
      held = waiting.length >= WAITING_MAX;
      return !held;
    },
    ended: finish,
  });
  const cancel = (): void => {
    handle.cancel();
    finish(undefined);
  };
  const onAbort = (): void => cancel();
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener("abort", onAbort, { once: true });

  async function next(): Promise<IteratorResult<WatchBatch>> {
    for (;;) {
      const batch = waiting.shift();
      if (batch !== undefined) {
        if (held && waiting.length === 0) {
          held = false;
          handle.resume();
        }
        return { done: false, value: batch };
      }
      if (over) {
        if (failed === undefined) return { done: true, value: undefined };
        throw new QuorateError(failed);
      }
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
  return {
    ready,
    [Symbol.asyncIterator]: () => ({
      next,
      return: () => {
        cancel();
        return Promise.resolve({ done: true, value: undefined });
      },
    }),
  };
}

/** What `ready` says of a watch that was given up before the engine had it. */
function endedEarly(): QuorateError {
  return fail("ABORTED", {
    object: "watch",
    what: "was ended before it began",
    remedy: "Open another one.",
    outcome: "definite",
  });
}
