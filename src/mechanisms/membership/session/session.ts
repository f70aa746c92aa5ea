/**
 * The session: one lease and one heartbeat for everything that a connection holds.
 *
 * Invariants: I1 time left is counted from the moment the last successful renewal was *sent*, on the monotonic clock, so
 * it never exceeds what the engine grants. I2 `signal` aborts a margin before the lease can end, and at once if this
 * process finds that it was stopped past that point. I3 a lost session never comes back; the next call opens another.
 * Source: Gray and Cheriton, "Leases" (SOSP 1989); Burrows, Chubby (OSDI 2006) §2.8.
 * Assumes: monotonic clocks of client and engine run at the same rate to within the margin.
 */
import type { QuorateError } from "../../../base/errors.ts";
import { fail } from "../../../base/errors.ts";
import type { Keyspace } from "../../../contract/keyspace.ts";
import type { Session } from "../../../contract/plane.ts";
import type { Cancel, Clock } from "../../../ports/clock.ts";

/** Share of the time to live after which a renewal is sent, and share kept as a margin for clock rates. */
const RENEW_SHARE = 1 / 3;
const MARGIN_SHARE = 1 / 10;
/** Share after which a renewal that failed is sent again: another third later its answer would come too late. */
const AGAIN_SHARE = 1 / 30;

export interface SessionOptions {
  readonly ttlMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** A session that its owner can end. */
export interface OwnedSession extends Session {
  /** Revokes the lease, which releases what it holds; bounded in time, never throws. */
  end(): Promise<void>;
}

/** Grants a lease and keeps it. Cost: one flush to open, one round trip each third of the time to live. */
export async function openSession(
  keyspace: Keyspace,
  clock: Clock,
  options: SessionOptions,
): Promise<OwnedSession> {
  const sentAt = clock.monotonicMs();
  const granted = await keyspace.call(
    { kind: "leaseGrant", id: 0n, ttlMs: options.ttlMs },
    { signal: options.signal },
  );
  return new Heartbeat(keyspace, clock, granted.id, granted.ttlMs, sentAt);
}

class Heartbeat implements OwnedSession {
  readonly lease: bigint;
  readonly ttlMs: number;
  readonly #keyspace: Keyspace;
  readonly #clock: Clock;
  readonly #controller = new AbortController();
  #endsAt: number;
  #holds = 0;
  #cancelRenew: Cancel = () => {};
  #cancelGuard: Cancel = () => {};
  #renewing = false;

  constructor(keyspace: Keyspace, clock: Clock, lease: bigint, ttlMs: number, sentAt: number) {
    this.#keyspace = keyspace;
    this.#clock = clock;
    this.lease = lease;
    this.ttlMs = ttlMs;
    this.#endsAt = sentAt + ttlMs * (1 - MARGIN_SHARE);
    this.#schedule(RENEW_SHARE);
    this.#guard();
  }

  get signal(): AbortSignal {
    this.#check();
    return this.#controller.signal;
  }

  remainingMs(): number {
    if (this.#controller.signal.aborted) return 0;
    return Math.max(0, this.#endsAt - this.#clock.monotonicMs());
  }

  nextHold(): number {
    return this.#holds++;
  }

  gone(): void {
    this.#lose(this.#expired());
  }

  async end(): Promise<void> {
    const held = !this.#controller.signal.aborted;
    this.#lose(
      fail("SHUTDOWN", {
        object: this.#object(),
        what: "was ended with its connection",
        remedy: "Connect again to hold things.",
      }),
    );
    if (!held) return;
    // Whether or not the revoke arrives, the lease ends by itself.
    await this.#keyspace
      .call({ kind: "leaseRevoke", id: this.lease }, { timeoutMs: 1_000 })
      .catch(() => {});
  }

  #schedule(share: number): void {
    this.#cancelRenew = this.#clock.after(this.ttlMs * share, () => void this.#renew(), {
      idle: true,
    });
  }

  /** Fires when the time is over, or late if the process was stopped: either way nothing may be held any more. */
  #guard(): void {
    this.#cancelGuard = this.#clock.after(
      this.#endsAt - this.#clock.monotonicMs(),
      () => {
        if (!this.#check()) this.#guard();
      },
      { idle: true },
    );
  }

  /** Ends the session if its time is over. */
  #check(): boolean {
    if (this.#controller.signal.aborted) return true;
    const overMs = this.#clock.monotonicMs() - this.#endsAt;
    if (overMs < 0) return false;
    this.#lose(
      fail("LOST", {
        object: this.#object(),
        what: `renewal stopped for ${seconds(overMs + this.ttlMs * (1 - MARGIN_SHARE))}, the lease was ${seconds(this.ttlMs)}`,
        remedy: `Move long work off the event loop, check the connection, or raise sessionTtlMs (${this.ttlMs}).`,
      }),
    );
    return true;
  }

  async #renew(): Promise<void> {
    if (this.#check() || this.#renewing) return;
    this.#renewing = true;
    const sentAt = this.#clock.monotonicMs();
    let share = AGAIN_SHARE;
    try {
      const timeoutMs = Math.max(1, this.ttlMs * RENEW_SHARE);
      const renewed = await this.#keyspace.call(
        { kind: "leaseKeepAlive", id: this.lease },
        { timeoutMs },
      );
      if (this.#check()) return;
      share = RENEW_SHARE;
      if (renewed.ttlMs > 0) this.#endsAt = sentAt + this.ttlMs * (1 - MARGIN_SHARE);
      else this.#lose(this.#expired());
    } catch {
      // Not renewed: the next attempt comes soon, or the guard ends the session in time.
    } finally {
      this.#renewing = false;
      if (!this.#controller.signal.aborted) this.#schedule(share);
    }
  }

  #expired(): QuorateError {
    return fail("EXPIRED", {
      object: this.#object(),
      what: "the engine no longer has its lease: it expired or was revoked",
      remedy: "Acquire again; what was guarded by the token is refused.",
    });
  }

  #lose(reason: QuorateError): void {
    if (this.#controller.signal.aborted) return;
    this.#cancelRenew();
    this.#cancelGuard();
    this.#controller.abort(reason);
  }

  #object(): string {
    return `session ${this.lease.toString(16)}`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
