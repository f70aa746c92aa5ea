/**
 * The semaphore: owners together hold at most a fixed number of permits, in order of arrival: a strict prefix of the
 * queue owns, so a heavy claim is never overtaken for ever by light ones.
 *
 * Cost beside that of a lock: a release wakes every waiter, because any owner may free what the first one lacks.
 */
import { fail } from "../../../base/errors.ts";
import type { OnCommitment } from "../../../contract/plane.ts";
import type { AcquireOptions, Contended, NotHeld } from "../contention/acquire.ts";
import { acquire } from "../contention/acquire.ts";
import type { Explanation } from "../contention/explain.ts";
import { explain } from "../contention/explain.ts";
import type { Held } from "../contention/held.ts";
import { resize } from "../contention/procedures.ts";
import type { Name } from "../contention/layout.ts";
import { contenderPrefix, nameText } from "../contention/layout.ts";
import type { Transition } from "../contention/watch.ts";
import { transitions } from "../contention/watch.ts";

export interface SemaphoreOptions {
  /** How many permits there are. The first user's number is stored and counts; see `resize`. */
  readonly permits: number;
  readonly label?: string | undefined;
}

export type Resized =
  | { readonly ok: true; readonly permits: number }
  | { readonly ok: false; readonly reason: "in-use"; readonly why: string };

export interface SemaphoreHandle {
  readonly name: string;
  /** Takes `weight` permits (default 1); an answer either way. Throws INVALID if that is more than there are. */
  tryAcquire(
    options?: AcquireOptions & { readonly weight?: number | undefined },
  ): Promise<Held | NotHeld>;
  /** Stores another number of permits; refused (`in-use`) while anybody holds or waits. */
  resize(permits: number): Promise<Resized>;
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<Transition, void>;
  explain(): Promise<Explanation>;
}

/** The semaphore called `name`. No I/O. Throws INVALID for an empty name or permits that are no positive integer. */
export function semaphore(
  on: OnCommitment,
  name: Name,
  options: SemaphoreOptions,
): SemaphoreHandle {
  const called = nameText(name, "semaphore");
  const object = `semaphore ${called}`;
  const { permits, label } = options;
  requirePermits(object, permits);
  const contended: Contended = {
    plane: on.commitment,
    object,
    prefix: contenderPrefix("semaphore", called),
    rule: { kind: "permits", permits },
  };
  return {
    name: called,
    tryAcquire: async (given = {}) => {
      const weight = given.weight ?? 1;
      if (!Number.isSafeInteger(weight) || weight < 1 || weight > permits) {
        throw fail("INVALID", {
          object,
          what: `weight is ${weight}`,
          remedy: `Give a whole number from 1 to ${permits}.`,
        });
      }
      return acquire(contended, { label, weight }, given);
    },
    resize: async (wanted) => {
      requirePermits(object, wanted);
      const plane = on.commitment;
      const args = { prefix: contended.prefix, permits: wanted };
      const { result } = await plane.keyspace.run(resize, args, { prefix: plane.prefix });
      if (result.done) return { ok: true, permits: wanted };
      return { ok: false, reason: "in-use", why: `${result.contenders} hold or wait` };
    },
    watch: (given) => transitions(contended, given?.signal),
    explain: () => explain(contended),
  };
}

function requirePermits(object: string, permits: number): void {
  if (Number.isSafeInteger(permits) && permits >= 1) return;
  throw fail("INVALID", {
    object,
    what: `permits is ${permits}`,
    remedy: "Give a positive whole number.",
  });
}
