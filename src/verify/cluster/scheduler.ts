/**
 * Virtual time for several nodes: one order of events, a clock for each life of a node.
 *
 * Clocks may drift, wall clocks may jump; a paused node finds that time has gone by without it; of a node that has died
 * nothing fires any more. What an event leaves to promises happens before the next event.
 */
import { assert } from "../../base/assert.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";

interface Event {
  readonly at: number;
  readonly order: number;
  readonly owner: Life | undefined;
  readonly fire: () => void;
  cancelled: boolean;
}

/** Turns of the promises between two events. */
const TURNS = 24;

/** One life of a node, from its start to its death. */
export class Life implements Clock {
  readonly #scheduler: Scheduler;
  readonly #startMs: number;
  /** How fast its monotonic clock is. */
  readonly #rate: number;
  #wallOffsetMs: number;
  isOver = false;
  pausedUntil = 0;
  /** How long it had run, ms by its own clock, at this time, from which on it runs. */
  #ran: { readonly ms: number; readonly atMs: number };
  /** Until then what the other members send to it is lost. */
  deafUntil = 0;

  constructor(scheduler: Scheduler, rate: number, wallOffsetMs: number) {
    this.#scheduler = scheduler;
    this.#startMs = scheduler.nowMs;
    this.#ran = { ms: 1_000, atMs: scheduler.nowMs };
    this.#rate = rate;
    this.#wallOffsetMs = wallOffsetMs;
  }

  monotonicMs(): number {
    return 1_000 + (this.#scheduler.nowMs - this.#startMs) * this.#rate;
  }
  wallMs(): number {
    return 1_700_000_000_000 + this.#scheduler.nowMs + this.#wallOffsetMs;
  }
  get wallOffsetMs(): number {
    return this.#wallOffsetMs;
  }
  /**
   * It stands still, and finds later that time has gone by. `deafMs`: others give up its connections, and it has new ones only
   * that long after.
   */
  pause(ms: number, deafMs?: number): void {
    this.pausedUntil = Math.max(this.pausedUntil, this.#scheduler.nowMs + ms);
    this.#ran = { ms: this.ranMs(), atMs: this.pausedUntil };
    if (deafMs !== undefined) this.deafUntil = this.pausedUntil + deafMs;
  }
  get isPaused(): boolean {
    return this.pausedUntil > this.#scheduler.nowMs;
  }
  /** How long it has run, ms by its own clock: without the time that it stood still. */
  ranMs(): number {
    const { ms, atMs } = this.#ran;
    return ms + Math.max(0, this.#scheduler.nowMs - atMs) * this.#rate;
  }
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }
  after(delayMs: number, fire: () => void): Cancel {
    const at = this.#scheduler.nowMs + delayMs / this.#rate;
    // Timers of a coarse clock fire together: on machines that run alike, everywhere at once.
    const { grainMs } = this.#scheduler;
    const isFine = grainMs === 0 || delayMs < grainMs;
    return this.#scheduler.at(isFine ? at : Math.ceil(at / grainMs) * grainMs, fire, this);
  }
  soon(fire: () => void): void {
    this.#scheduler.at(this.#scheduler.nowMs, fire, this);
  }
}

export class Scheduler {
  nowMs = 0;
  /** Timers fire at multiples of this, ms; 0: when they are due. */
  grainMs = 0;
  #order = 0;
  events = 0;
  /** A binary heap by time and order. */
  readonly #heap: Event[] = [];

  /** Runs `fire` at `atMs`, unless `owner` has died by then; later, if it is paused. */
  at(atMs: number, fire: () => void, owner?: Life): Cancel {
    const at = Math.max(this.nowMs, atMs);
    const event: Event = { at, order: this.#order++, owner, fire, cancelled: false };
    this.#push(event);
    return () => {
      event.cancelled = true;
    };
  }

  /** How many events of `owner` are still to come. */
  pending(owner: Life): number {
    return this.#heap.filter((event) => event.owner === owner && !event.cancelled).length;
  }

  /** Fires what is due until `untilMs`. */
  async run(untilMs: number): Promise<void> {
    for (let next = this.#heap[0]; next !== undefined && next.at <= untilMs; next = this.#heap[0]) {
      this.#pop();
      const { owner } = next;
      if (next.cancelled || owner?.isOver === true) continue;
      this.nowMs = next.at;
      if (owner !== undefined && owner.pausedUntil > this.nowMs) {
        this.#push({ ...next, at: owner.pausedUntil });
        continue;
      }
      this.events++;
      next.fire();
      for (let turn = 0; turn < TURNS; turn++) await Promise.resolve();
    }
    this.nowMs = Math.max(this.nowMs, untilMs);
  }

  #push(event: Event): void {
    const heap = this.#heap;
    heap.push(event);
    for (let at = heap.length - 1; at > 0;) {
      const above = (at - 1) >> 1;
      if (!isBefore(heap[at] as Event, heap[above] as Event)) break;
      [heap[above], heap[at]] = [heap[at] as Event, heap[above] as Event];
      at = above;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    assert(last !== undefined, "there is something to take");
    if (heap.length === 0) return;
    heap[0] = last;
    for (let at = 0; ;) {
      const [left, right] = [2 * at + 1, 2 * at + 2];
      let least = at;
      if (left < heap.length && isBefore(heap[left] as Event, heap[least] as Event)) least = left;
      if (right < heap.length && isBefore(heap[right] as Event, heap[least] as Event))
        least = right;
      if (least === at) return;
      [heap[at], heap[least]] = [heap[least] as Event, heap[at] as Event];
      at = least;
    }
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
