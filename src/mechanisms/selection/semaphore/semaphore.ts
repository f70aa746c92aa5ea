/**
 * The semaphore: owners together hold at most a fixed number of permits, in order of arrival: a strict prefix of the
 * queue owns, so a heavy claim is never overtaken for ever by light ones.
 *
 * Cost beside that of a lock: a release wakes every waiter, because any owner may free what the first one lacks.
 */
import { fail } from "../../../base/errors.ts";
import type { CallOptions } from "../../../contract/keyspace.ts";
import type { OnCommitment } from "../../../contract/plane.ts";
import type { AcquireOptions, WaitOptions } from "../contention/acquire.ts";
import { acquire, acquireWaiting } from "../contention/acquire.ts";
import { requirePermits } from "../contention/arguments.ts";
import { ask, contended } from "../contention/contended.ts";
import type { NotHeld } from "../contention/not-held.ts";
import type { Explanation } from "../contention/explain.ts";
import { explain } from "../contention/explain.ts";
import type { Held } from "../contention/held.ts";
import { resize } from "../contention/procedures.ts";
import type { Name } from "../contention/layout.ts";
import type { Transition } from "../contention/watch.ts";
import { transitions } from "../contention/watch.ts";
import { semaphoreCard } from "./card.ts";

export interface SemaphoreOptions {
  /** How many permits there are. The first user's number is stored and counts; see `resize`. */
  readonly permits: number;
  /** Shown to whoever waits. */
  readonly label?: string | undefined;
}

/** How many permits are taken; default 1. */
export interface Weighted {
  readonly weight?: number | undefined;
}

export interface Resized {
  readonly ok: true;
  readonly permits: number;
  /** How many permits are held now; more than `permits` after a lower number, until enough have been released. */
  readonly taken: number;
}

export interface SemaphoreHandle {
  readonly name: string;
  /** Takes `weight` permits (default 1); an answer either way. Throws INVALID if that is more than there are. */
  tryAcquire(options?: AcquireOptions & Weighted): Promise<Held | NotHeld>;
  /** Takes `weight` permits, waiting until they are free or `signal` aborts (ABORTED, definite). */
  acquire(options?: WaitOptions & Weighted): Promise<Held>;
  /**
   * Stores another number of permits, which counts at once. Who owns goes on owning; who waits waits until the sum fits, and is
   * refused (INVALID) if it asks for more than there is now. Wakes all who wait.
   */
  resize(permits: number, options?: CallOptions): Promise<Resized>;
  /** Follows who joins and leaves. */
  watch(options?: { readonly signal?: AbortSignal | undefined }): AsyncGenerator<Transition, void>;
  /** Who holds, who waits and why. */
  explain(options?: CallOptions): Promise<Explanation>;
}

/**
 * The semaphore called `name`. No I/O. Throws INVALID for a name that cannot be or permits that are no positive integer,
 * GUARANTEE for an engine that is too weak.
 */
export function semaphore(
  on: OnCommitment,
  name: Name,
  options: SemaphoreOptions,
): SemaphoreHandle {
  const { permits, label } = options;
  const object = contended(on, semaphoreCard, name, { kind: "permits", permits });
  requirePermits(object.object, permits);
  const claim = ({
    weight = 1,
  }: Weighted): { readonly label: typeof label; readonly weight: number } => {
    if (Number.isSafeInteger(weight) && weight >= 1 && weight <= permits) return { label, weight };
    throw fail("INVALID", {
      object: object.object,
      what: `weight is ${weight}`,
      remedy: `Give a whole number from 1 to ${permits}.`,
    });
  };
  return {
    name: object.name,
    tryAcquire: async (given = {}) => acquire(object, claim(given), given),
    acquire: async (given = {}) => acquireWaiting(object, claim(given), given),
    resize: async (wanted, given) => {
      requirePermits(object.object, wanted);
      const args = { prefix: object.prefix, from: permits, permits: wanted };
      const { taken } = (await ask(object, resize, args, given)).result;
      return { ok: true, permits: wanted, taken };
    },
    watch: (given) => transitions(object, given?.signal),
    explain: (given) => explain(object, given),
  };
}
