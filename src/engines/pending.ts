/**
 * One call that waits: ends with its answer, an abort or a timeout, whichever is first, exactly once.
 *
 * Rule: an abort or timeout before the request was sent is definite, after it indefinite for what changes something.
 */
import { fail } from "../base/errors.ts";
import { QuorateError } from "../base/errors.ts";
import type { CallOptions } from "../contract/keyspace.ts";
import type { Reply, Request, ResponseOf } from "../contract/requests.ts";
import type { Clock } from "../ports/clock.ts";

export const TIMEOUT_MS = 10_000;

/** What may still be known when a call is given up. */
export interface CallState {
  /** The request may have reached the engine. */
  sent: boolean;
}

const READS: ReadonlySet<Request["kind"]> = new Set([
  "range",
  "hash",
  "status",
  "leases",
  "leaseTimeToLive",
  "authShow",
]);

/** Whether giving up on a sent request leaves open what happened. */
export function changesState(request: Request): boolean {
  if (request.kind !== "txn") return !READS.has(request.kind);
  return [...request.success, ...request.failure].some(changesState);
}

/** Starts `send` and waits for its answer within the bounds of `options`. */
export function pending<R extends Request>(
  clock: Clock,
  label: string,
  request: R,
  options: CallOptions | undefined,
  send: (state: CallState, done: (reply: Reply) => void) => void,
  givenUp: () => void = () => {},
): Promise<ResponseOf[R["kind"]]> {
  const { signal, timeoutMs = TIMEOUT_MS } = options ?? {};
  if (!(timeoutMs > 0)) return Promise.reject(badTimeout(`${request.kind} at ${label}`, timeoutMs));
  return new Promise((resolve, reject) => {
    const state: CallState = { sent: false };
    let over = false;
    const end = (): boolean => {
      if (over) return false;
      over = true;
      cancelTimer();
      signal?.removeEventListener("abort", onAbort);
      return true;
    };
    const outcome = (): "definite" | "indefinite" =>
      state.sent && changesState(request) ? "indefinite" : "definite";
    const onAbort = (): void => {
      if (!end()) return;
      const what = `was aborted ${state.sent ? "after" : "before"} it was sent`;
      const remedy =
        outcome() === "definite" ? "Nothing happened." : "Read the state before repeating it.";
      reject(
        fail(
          "ABORTED",
          { object: `${request.kind} at ${label}`, what, remedy, outcome: outcome() },
          signal?.reason,
        ),
      );
      givenUp();
    };
    const cancelTimer = clock.after(timeoutMs, () => {
      if (!end()) return;
      const what = `had no answer within ${timeoutMs} ms`;
      const remedy =
        outcome() === "definite"
          ? "Nothing happened; try again."
          : "Read the state before repeating it, or raise timeoutMs.";
      reject(
        fail("TIMEOUT", {
          object: `${request.kind} at ${label}`,
          what,
          remedy,
          outcome: outcome(),
        }),
      );
      givenUp();
    });
    if (signal?.aborted === true) return onAbort();
    signal?.addEventListener("abort", onAbort, { once: true });
    send(state, (reply) => {
      if (!end()) return;
      if (reply.ok) resolve(reply.response as ResponseOf[R["kind"]]);
      else reject(new QuorateError(reply.failure));
    });
  });
}

/** Connecting to `label` was given up. */
export function abandoned(label: string, reason: unknown): QuorateError {
  const what = "connecting was aborted";
  const remedy = "Nothing was begun.";
  return fail("ABORTED", { object: label, what, remedy, outcome: "definite" }, reason);
}

/** Refuses a time that cannot be meant with INVALID, before anything is sent. */
export function requireTimeout(object: string, timeoutMs: number | undefined): void {
  if (timeoutMs !== undefined && !(timeoutMs > 0)) throw badTimeout(object, timeoutMs);
}

function badTimeout(object: string, timeoutMs: number): QuorateError {
  const what = `was given timeoutMs ${timeoutMs}`;
  return fail("INVALID", { object, what, remedy: "Give milliseconds above 0, or Infinity." });
}
