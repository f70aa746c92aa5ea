/**
 * Leases: grants of time that take their keys with them.
 *
 * Invariants: I1 a key is attached to at most one lease, the one in its newest version. I2 remaining time is measured
 * by this process's monotonic clock only, and starts in full when a replica starts or begins to lead: it can be
 * extended by a change of leader, never shortened. I3 expiry here only *names* leases; their keys go by a logged revoke.
 * Source: etcd's lessor; Gray and Cheriton, "Leases" (SOSP 1989).
 */
import type { Bytes } from "../base/bytes.ts";

export interface Lease {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly keys: Set<Bytes>;
  /** No key may join: its keys are being deleted in pages. */
  fenced: boolean;
  /** Monotonic ms at which it ends. */
  endsAt: number;
}

/** When a lease would end, as far as was known when this was noted. */
interface Ending {
  readonly at: number;
  readonly lease: Lease;
}

/** Leases that are gone and may stay in the heap, beside as many as there are. */
const GONE_MAX = 1_024;

export class Leases {
  readonly #byId = new Map<bigint, Lease>();
  /** A binary heap by `at`; entries of renewed leases are corrected, those of revoked ones dropped, on surfacing. */
  #heap: Ending[] = [];
  readonly #fenced = new Set<bigint>();

  get count(): number {
    return this.#byId.size;
  }
  get(id: bigint): Lease | undefined {
    return this.#byId.get(id);
  }
  all(): Iterable<Lease> {
    return this.#byId.values();
  }
  /** The leases whose keys are being deleted in pages: few. */
  fenced(): Iterable<bigint> {
    return this.#fenced;
  }
  /** In no order. */
  ids(): bigint[] {
    return [...this.#byId.keys()];
  }

  grant(id: bigint, ttlMs: number, nowMs: number): void {
    // The log keeps whole milliseconds: every replica must grant the same.
    const whole = Math.floor(ttlMs);
    const lease: Lease = {
      id,
      ttlMs: whole,
      keys: new Set(),
      fenced: false,
      endsAt: nowMs + whole,
    };
    this.#byId.set(id, lease);
    this.#fenced.delete(id);
    this.#push({ at: lease.endsAt, lease });
  }
  revoke(id: bigint): void {
    this.#byId.delete(id);
    this.#fenced.delete(id);
    // Those that are gone stay until their time is over: not more of them than of those that are there.
    if (this.#heap.length > 2 * this.#byId.size + GONE_MAX) this.#rebuild();
  }
  fence(id: bigint): void {
    const lease = this.#byId.get(id);
    if (lease === undefined || lease.fenced) return;
    lease.fenced = true;
    this.#fenced.add(id);
    // Its end has begun: what is left of its keys goes with the next expiries, whatever time it had.
    lease.endsAt = 0;
    this.#push({ at: 0, lease });
  }
  attach(id: bigint, key: Bytes): void {
    this.#byId.get(id)?.keys.add(key);
  }
  detach(id: bigint, key: Bytes): void {
    this.#byId.get(id)?.keys.delete(key);
  }

  /** Starts the lease's time again. False if there is none, or if it has ended and awaits its revoke. */
  renew(id: bigint, nowMs: number): boolean {
    const lease = this.#byId.get(id);
    if (lease === undefined || lease.fenced || lease.endsAt <= nowMs) return false;
    lease.endsAt = nowMs + lease.ttlMs;
    return true;
  }

  remainingMs(id: bigint, nowMs: number): number {
    const lease = this.#byId.get(id);
    return lease === undefined ? -1 : Math.max(0, Math.round(lease.endsAt - nowMs));
  }

  /** Every lease begins its full time now, unless its end has begun: after recovery or a change of leader. */
  extendAll(nowMs: number): void {
    this.#heap = [];
    for (const lease of this.#byId.values()) {
      lease.endsAt = lease.fenced ? 0 : nowMs + lease.ttlMs;
      this.#push({ at: lease.endsAt, lease });
    }
  }

  /** Up to `limit` leases whose time has ended. They stay until revoked; ask again to get the same ones. */
  expired(nowMs: number, limit: number): readonly bigint[] {
    const found: bigint[] = [];
    const again: Ending[] = [];
    for (let top = this.#heap[0]; top !== undefined && top.at <= nowMs; top = this.#heap[0]) {
      if (found.length === limit) break;
      this.#pop();
      const lease = top.lease;
      // The id may have been granted again, or the lease fenced: those have an entry of their own.
      if (this.#byId.get(lease.id) !== lease || top.at > lease.endsAt) continue;
      // Fencing brought the end forward, with an entry of its own.
      if (lease.endsAt < top.at) continue;
      if (lease.endsAt > nowMs) {
        this.#push({ at: lease.endsAt, lease });
        continue;
      }
      found.push(lease.id);
      again.push(top);
    }
    for (const entry of again) this.#push(entry);
    return found;
  }

  /** The ends of the leases that are there, and no others. */
  #rebuild(): void {
    this.#heap = [];
    for (const lease of this.#byId.values()) this.#push({ at: lease.endsAt, lease });
  }

  #push(entry: Ending): void {
    const heap = this.#heap;
    heap.push(entry);
    for (let at = heap.length - 1; at > 0;) {
      const above = (at - 1) >> 1;
      if ((heap[above] as { at: number }).at <= entry.at) break;
      [heap[at], heap[above]] = [heap[above] as typeof entry, entry];
      at = above;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const right = left + 1;
      let least = at;
      if (left < heap.length && endOf(heap, left) < endOf(heap, least)) least = left;
      if (right < heap.length && endOf(heap, right) < endOf(heap, least)) least = right;
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least] as typeof last, heap[at] as typeof last];
      at = least;
    }
  }
}

function endOf(heap: readonly { readonly at: number }[], position: number): number {
  return (heap[position] as { at: number }).at;
}
