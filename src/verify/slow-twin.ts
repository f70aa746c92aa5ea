/**
 * The slow remote twin: any keyspace as if it lay behind a slow wire at an engine that runs no procedures. Every request
 * and every answer takes its time, and an answer may be lost after the request was carried out.
 *
 * It shows what an engine in the same process hides: reads that are not at hand, others that come in between, and
 * outcomes that nobody knows.
 */
import { fail } from "../base/errors.ts";
import type { CallOptions, Keyspace } from "../contract/keyspace.ts";
import type { Request, ResponseOf } from "../contract/requests.ts";
import type { Evaluate } from "../engines/optimistic/pump.ts";
import { optimistic } from "../engines/optimistic/pump.ts";
import type { Clock } from "../ports/clock.ts";
import { sleep } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";

export interface SlowTwinOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** How long the next message takes, ms; default 1. */
  readonly delayMs?: (() => number) | undefined;
  /** Whether the answer to this request is lost. */
  readonly loses?: ((request: Request) => boolean) | undefined;
}

/** `keyspace`, slow and without procedures. Closing it leaves `keyspace` open. */
export function slowTwin(keyspace: Keyspace, options: SlowTwinOptions): Keyspace {
  const { clock, entropy, delayMs = () => 1, loses = () => false } = options;
  const label = `slow twin of ${keyspace.label}`;
  let closed = false;

  async function call<R extends Request>(
    request: R,
    given?: CallOptions,
  ): Promise<ResponseOf[R["kind"]]> {
    const { signal } = given ?? {};
    if (closed) throw closedError(label);
    await sleep(clock, delayMs(), signal);
    if (signal?.aborted === true) throw aborted(`${request.kind} at ${label}`, signal.reason);
    const response = await keyspace.call(request, given);
    await sleep(clock, delayMs());
    if (!loses(request)) return response;
    throw fail("UNAVAILABLE", {
      object: `${request.kind} at ${label}`,
      what: "lost its answer on the way",
      remedy: "Read the state before repeating it.",
    });
  }

  const twin: Keyspace = {
    guarantee: { ...keyspace.guarantee, time: "clients" },
    label,
    call,
    watch: (request, given) => keyspace.watch(request, given),
    run: (procedure, args, given) =>
      closed ? Promise.reject(closedError(label)) : evaluate(procedure, args, given),
    observe: (listener) => keyspace.observe(listener),
    close: () => {
      closed = true;
      return Promise.resolve();
    },
  };
  const evaluate: Evaluate = optimistic(twin, { clock, entropy, now: () => clock.wallMs() });
  return twin;
}

function closedError(label: string): Error {
  const what = "this connection has been closed";
  return fail("CLOSED", { object: label, what, remedy: "Connect again, or close it later." });
}

function aborted(object: string, reason: unknown): Error {
  const what = "was aborted before it was sent";
  return fail(
    "ABORTED",
    { object, what, remedy: "Nothing happened.", outcome: "definite" },
    reason,
  );
}
