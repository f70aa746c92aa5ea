/**
 * A keyspace whose calls are told to whoever keeps a history: what was asked, by whom, when, and how it ended.
 *
 * Invariant: a call that was begun ends at most once; one without an end is still open, or its process is gone: it may
 * have happened.
 */
import type { CallOptions, Keyspace, Ran, RunOptions } from "../../contract/keyspace.ts";
import type { Procedure } from "../../contract/procedure.ts";
import type { Request, ResponseOf } from "../../contract/requests.ts";
import { argsText } from "../../contract/json-data.ts";
import { QuorateError } from "../../base/errors.ts";
import type { KeptHistory } from "./kept-history.ts";

/** One operation of a process. */
export interface Invocation {
  /** Grows with every invocation of the run. */
  readonly id: number;
  readonly process: string;
  /** Virtual time of the world, ms. */
  readonly atMs: number;
  readonly request: Request;
}

/** How an operation ended. `indefinite`: it may have happened, or may still happen. */
export type Ending =
  | { readonly kind: "ok"; readonly response: unknown }
  | { readonly kind: "definite" | "indefinite"; readonly error: unknown };

/** Whoever is told of the calls of a run, to keep a history of it. A new one is asked for each run. */
export interface Recorder {
  invoked(invocation: Invocation): void;
  /** `atMs`: virtual time of the world. */
  ended(id: number, atMs: number, ending: Ending): void;
}

/** Gives each call of `keyspace` to `histories` under the name `process`, and its watches to `kept`. */
export function recorded(
  keyspace: Keyspace,
  process: string,
  nowMs: () => number,
  nextId: () => number,
  histories: readonly Recorder[],
  kept?: KeptHistory | undefined,
): Keyspace {
  const record = async <T>(request: Request, act: () => Promise<T>): Promise<T> => {
    const id = nextId();
    for (const each of histories) each.invoked({ id, process, atMs: nowMs(), request });
    const ended = (ending: Ending): void => {
      for (const each of histories) each.ended(id, nowMs(), ending);
    };
    try {
      const response = await act();
      ended({ kind: "ok", response });
      return response;
    } catch (error) {
      ended({ kind: outcomeOf(error), error });
      throw error;
    }
  };
  return {
    get guarantee() {
      return keyspace.guarantee;
    },
    label: keyspace.label,
    call: <R extends Request>(request: R, options?: CallOptions): Promise<ResponseOf[R["kind"]]> =>
      record(request, () => keyspace.call(request, options)),
    run: <A, R>(procedure: Procedure<A, R>, args: A, options?: RunOptions): Promise<Ran<R>> => {
      const shown = {
        kind: "run",
        procedure: procedure.name,
        args: argsText(args, procedure.name),
      } as const;
      return record({ ...shown, prefix: options?.prefix }, () =>
        keyspace.run(procedure, args, options),
      );
    },
    watch: (request, options) => {
      const watch = keyspace.watch(request, options);
      return kept === undefined ? watch : kept.watched(process, request, watch);
    },
    observe: (listener) => keyspace.observe(listener),
    close: () => keyspace.close(),
  };
}

/** A failure that does not say what happened may have happened. */
function outcomeOf(error: unknown): "definite" | "indefinite" {
  return QuorateError.is(error) && error.failure.outcome === "definite" ? "definite" : "indefinite";
}
