/**
 * A keyspace that opens at the first call, for connections made at module scope. A failed attempt is forgotten: the next
 * call tries again.
 */
import { fail } from "../base/errors.ts";
import type { Guarantee } from "../contract/guarantee.ts";
import type { Keyspace, Watch, WatchBatch, WireState } from "../contract/keyspace.ts";

/** `hoped` is what the engine is taken to give until it is open. */
export interface LazyKeyspace extends Keyspace {
  /** Opens it now. */
  ready(): Promise<void>;
}

export function lazyKeyspace(
  label: string,
  hoped: Guarantee,
  open: () => Promise<Keyspace>,
): LazyKeyspace {
  let opening: Promise<Keyspace> | undefined;
  let opened: Keyspace | undefined;
  let isClosed = false;
  const early = new Set<(keyspace: Keyspace) => void>();
  const get = (): Promise<Keyspace> => {
    if (isClosed && opening === undefined) return Promise.reject(closedUnopened(label));
    opening ??= open().then(
      (keyspace) => {
        opened = keyspace;
        for (const each of early) each(keyspace);
        early.clear();
        return keyspace;
      },
      (error: unknown) => {
        opening = undefined;
        throw error;
      },
    );
    return opening;
  };
  return {
    get guarantee() {
      return opened?.guarantee ?? hoped;
    },
    label,
    ready: async () => void (await get()),
    call: async (request, options) => (await get()).call(request, options),
    run: async (procedure, args, options) => (await get()).run(procedure, args, options),
    watch: (request, options) =>
      opened?.watch(request, options) ??
      laterWatch(get().then((keyspace) => keyspace.watch(request, options))),
    observe: (listener) => opened?.observe(listener) ?? laterObserve(early, listener),
    close: async () => {
      isClosed = true;
      const keyspace = await opening?.catch(() => undefined);
      await keyspace?.close();
    },
  };
}

function closedUnopened(object: string): Error {
  const what = "this connection was closed before its first call";
  return fail("CLOSED", { object, what, remedy: "Connect again, or close it later." });
}

/** A watch on a keyspace that is being opened. */
function laterWatch(watch: Promise<Watch>): Watch {
  const ready = watch.then((each) => each.ready);
  // Whoever does not ask for `ready` learns of a failure from the loop.
  ready.catch(() => {});
  return {
    ready,
    async *[Symbol.asyncIterator](): AsyncGenerator<WatchBatch, void> {
      yield* await watch;
    },
  };
}

function laterObserve(
  early: Set<(keyspace: Keyspace) => void>,
  listener: (state: WireState) => void,
): () => void {
  let stop = (): void => {};
  const begin = (keyspace: Keyspace): void => {
    stop = keyspace.observe(listener);
  };
  early.add(begin);
  listener("suspended");
  return () => {
    early.delete(begin);
    stop();
  };
}
