/**
 * How long each lease certainly lives, as its client can know.
 *
 * Invariant: I1 a renewal that was confirmed took effect after it was sent: the lease lives at least its time from
 * the moment of sending, less the margin that the history declares for clocks.
 * Source: Gray and Cheriton, "Leases" (SOSP 1989), §2; etcd's lessor.
 */
import type { AnswerOf } from "../history/calls.ts";
import type { History, Operation } from "../history/history.ts";

/** A renewal, or the grant, that put the end off. */
interface Renewal {
  readonly operation: Operation;
  /** ms; once it was asked for, no end before this is allowed but by revocation. */
  readonly deadline: number;
}

interface Times {
  /** By invocation, and so by deadline. */
  readonly renewals: Renewal[];
  /** Place from which on it may be revoked. */
  revocable: number;
  grants: number;
}

export class LeaseTimes {
  readonly #leases = new Map<bigint, Times>();
  renewals = 0;

  constructor({ operations, header }: History) {
    for (const operation of operations) this.#take(operation, header.marginMs);
  }

  get count(): number {
    return this.#leases.size;
  }

  #take(operation: Operation, marginMs: number): void {
    const { call, outcome } = operation;
    if (call.kind === "leaseRevoke") {
      const times = this.#of(call.id);
      if (outcome.kind !== "definite")
        times.revocable = Math.min(times.revocable, operation.invoked);
    } else if (call.kind === "leaseGrant") {
      if (outcome.kind === "answer") {
        const { id, ttlMs } = outcome.answer as AnswerOf["leaseGrant"];
        this.#renewed(this.#of(id), operation, ttlMs - marginMs);
        this.#of(id).grants++;
      } else if (outcome.kind === "indefinite" && call.id !== 0n) this.#of(call.id).grants++;
    } else if (call.kind === "leaseKeepAlive" && outcome.kind === "answer") {
      const { ttlMs } = outcome.answer as AnswerOf["leaseKeepAlive"];
      if (ttlMs > 0) this.#renewed(this.#of(call.id), operation, ttlMs - marginMs);
    }
  }

  #of(id: bigint): Times {
    let times = this.#leases.get(id);
    if (times === undefined) {
      times = {
        renewals: [],
        revocable: Number.POSITIVE_INFINITY,
        grants: 0,
      };
      this.#leases.set(id, times);
    }
    return times;
  }

  #renewed(times: Times, operation: Operation, ttlMs: number): void {
    this.renewals++;
    const deadline = operation.invokedAt + ttlMs;
    const before = times.renewals.at(-1)?.deadline ?? Number.NEGATIVE_INFINITY;
    if (deadline > before) times.renewals.push({ operation, deadline });
  }

  /**
   * The renewal that forbids that the lease ended before `place`, at time `at`; undefined if it may have. One that was asked for
   * later says nothing: a grant without an answer may come after the lease was found missing.
   */
  forbids(id: bigint, place: number, at: number): Renewal | undefined {
    const times = this.#leases.get(id);
    if (times === undefined || times.revocable < place) return undefined;
    const last = times.renewals.findLast(({ operation }) => operation.invoked < place);
    return last !== undefined && at < last.deadline ? last : undefined;
  }

  /** Whether the id was given out more than once, so that an end says nothing of the next one. */
  reused(id: bigint): boolean {
    return (this.#leases.get(id)?.grants ?? 0) !== 1;
  }
}
