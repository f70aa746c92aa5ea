/**
 * The agenda of a simulated world: what is to happen, in order of virtual time.
 *
 * Invariants: I1 time never goes back. I2 of two appointments at the same time the one that was made first comes first,
 * also when one of them was put off. Cost: logarithmic in the number of appointments (a binary heap).
 */
import { assert } from "../../base/assert.ts";
import type { Machine } from "./machine.ts";

/** One thing that is to happen. */
export interface Appointment {
  /** Virtual time, ms since the world began. */
  atMs: number;
  readonly order: number;
  /** Whose time it takes; it does not happen while that machine stands still, and never once it is dead. */
  readonly machine: Machine;
  readonly fire: () => void;
  cancelled: boolean;
}

/** Below so many cancelled appointments the heap is left as it is. */
const SWEEP_MIN = 1_024;

export class Agenda {
  #nowMs = 0;
  #order = 0;
  #cancelled = 0;
  #heap: Appointment[] = [];
  /** Told when something is entered that is due at once. */
  onDue: () => void = () => {};

  /** Virtual time, ms since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Something is to happen at the present time. */
  get isDue(): boolean {
    const first = this.#heap[0];
    return first !== undefined && first.atMs <= this.#nowMs;
  }

  /** Enters something that happens `delayMs` from now. */
  add(machine: Machine, delayMs: number, fire: () => void): Appointment {
    assert(delayMs >= 0, "an appointment in the past");
    const appointment: Appointment = {
      atMs: this.#nowMs + delayMs,
      order: this.#order++,
      machine,
      fire,
      cancelled: false,
    };
    this.#enter(appointment);
    if (delayMs === 0) this.onDue();
    return appointment;
  }

  /** Enters again what could not happen when it was due. It keeps its place among those of its new time. */
  putOff(appointment: Appointment, atMs: number): void {
    appointment.atMs = Math.max(atMs, this.#nowMs);
    this.#enter(appointment);
  }

  cancel(appointment: Appointment): void {
    if (appointment.cancelled) return;
    appointment.cancelled = true;
    this.#cancelled++;
    if (this.#cancelled > SWEEP_MIN && this.#cancelled > this.#heap.length / 2) this.#sweep();
  }

  /** Takes out the next appointment that is due by `untilMs` and moves time to it. */
  take(untilMs: number): Appointment | undefined {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || first.atMs > untilMs) return undefined;
      this.#removeFirst();
      if (first.cancelled) {
        this.#cancelled--;
        continue;
      }
      this.#nowMs = Math.max(this.#nowMs, first.atMs);
      return first;
    }
  }

  /** Moves time on to `atMs`, where nothing is due before it. */
  passTo(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
  }

  #sweep(): void {
    this.#heap = this.#heap
      .filter((each) => !each.cancelled)
      .sort((a, b) => (before(a, b) ? -1 : 1));
    this.#cancelled = 0;
  }

  #enter(appointment: Appointment): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(appointment);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Appointment;
      if (before(above, appointment)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = appointment;
  }

  #removeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop() as Appointment;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      const right = heap[child + 1];
      if (right !== undefined && before(right, heap[child] as Appointment)) child++;
      if (before(last, heap[child] as Appointment)) break;
      heap[at] = heap[child] as Appointment;
      at = child;
    }
    heap[at] = last;
  }
}

function before(a: Appointment, b: Appointment): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
