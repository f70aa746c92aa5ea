/**
 * The embedded engine: the Keyspace contract over a driver in this process. A call never leaves the process, so its
 * outcome is lost only if the process is; `memory:` forgets everything with it. Whoever has the data in hand is not asked
 * who they are.
 */
import { asFailure, fail, QuorateError } from "../../base/errors.ts";
import { SYSTEM } from "../../contract/auth.ts";
import type { Guarantee } from "../../contract/guarantee.ts";
import type {
  CallOptions,
  Keyspace,
  Ran,
  RunOptions,
  Watch,
  WatchRequest,
  WireState,
} from "../../contract/keyspace.ts";
import type { Procedure } from "../../contract/procedure.ts";
import type { Request, ResponseOf, RunResponse } from "../../contract/requests.ts";
import type { Driver } from "../../driver/face.ts";
import { argsText, dataOf } from "../../contract/json-data.ts";
import type { Clock } from "../../ports/clock.ts";
import { pending } from "../pending.ts";
import { watchStream } from "../watch-stream.ts";

/** What `file:` gives. */
export const FILE_GUARANTEE: Guarantee = {
  consistency: "linearizable",
  durability: "disk",
  time: "engine",
  fencing: "monotonic",
  watch: "resumable",
};
/** What `memory:` gives. */
export const MEMORY_GUARANTEE: Guarantee = { ...FILE_GUARANTEE, durability: "process" };

export interface EmbeddedOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly guarantee: Guarantee;
  /** Evaluates a procedure that the driver does not know, in this process. */
  readonly evaluate?:
    | (<A, R>(
        keyspace: Keyspace,
        procedure: Procedure<A, R>,
        args: A,
        options: RunOptions,
      ) => Promise<Ran<R>>)
    | undefined;
}

export function embeddedKeyspace(options: EmbeddedOptions): Keyspace {
  const { driver, clock } = options;
  const known = new Set(driver.status().procedures);
  const listeners = new Set<(state: WireState) => void>();
  let closed: Promise<void> | undefined;
  driver.onStopped(() => tell("closed"));
  const tell = (state: WireState): void => {
    for (const listener of listeners) listener(state);
  };
  const refuseClosed = (): Error =>
    fail("CLOSED", {
      object: driver.label,
      what: "this connection has been closed",
      remedy: "Connect again, or close it later.",
    });
  function call<R extends Request>(
    request: R,
    callOptions?: CallOptions,
  ): Promise<ResponseOf[R["kind"]]> {
    if (closed !== undefined) return Promise.reject(refuseClosed());
    return pending(clock, driver.label, request, callOptions, (state, done) => {
      state.sent = true;
      driver.submit(request, undefined, done, SYSTEM);
    });
  }
  const keyspace: Keyspace = {
    guarantee: options.guarantee,
    label: driver.label,
    call,
    watch: (request: WatchRequest, callOptions?: CallOptions): Watch => {
      if (closed === undefined)
        return watchStream((sink) => driver.watch(request, sink, SYSTEM), callOptions?.signal);
      const failed = asFailure(refuseClosed(), driver.label);
      return watchStream((sink) => {
        clock.soon(() => sink.ended(failed));
        return { resume: () => {}, progress: () => {}, cancel: () => {} };
      }, callOptions?.signal);
    },
    run: async <A, R>(
      procedure: Procedure<A, R>,
      args: A,
      runOptions: RunOptions = {},
    ): Promise<Ran<R>> => {
      if (!known.has(procedure.name)) {
        if (options.evaluate !== undefined)
          return options.evaluate(keyspace, procedure, args, runOptions);
        throw new QuorateError(unknownProcedure(procedure.name));
      }
      const request = {
        kind: "run" as const,
        procedure: procedure.name,
        args: argsText(args, procedure.name),
        prefix: runOptions.prefix,
      };
      const answer: RunResponse = await call(request, runOptions);
      return { result: dataOf(answer.result) as R, revision: answer.revision };
    },
    observe: (listener) => {
      listeners.add(listener);
      listener(closed === undefined ? "connected" : "closed");
      return () => listeners.delete(listener);
    },
    close: () => {
      closed ??= driver.close().finally(() => tell("closed"));
      return closed;
    },
  };
  return keyspace;
}

function unknownProcedure(name: string): ReturnType<typeof asFailure> {
  return fail("PROCEDURE_UNKNOWN", {
    object: `procedure ${name}`,
    what: "is not among those that this engine was built with",
    remedy: "Give it to the engine when it is opened.",
  }).failure;
}
