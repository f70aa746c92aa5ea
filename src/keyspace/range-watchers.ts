/**
 * Which ranges contain a key: ranges sorted by their start, each with the furthest end among
 * those up to it.
 *
 * Invariants: I1 a lookup sees every range added and not deleted before it. I2 `#reach` never
 * descends. Cost: a lookup finds the last range that starts at or before the key and walks back
 * until none before can reach it, O(log n + found) for ranges that are disjoint or nested, as
 * prefixes are; ranges that overlap in chains cost the chain. Changes are sorted in at the next
 * lookup, so that opening n watches sorts once.
 * Leaves out: balancing; a lookup after a change costs O(n log n).
 */
import type { Bytes } from "../base/bytes.ts";

/** A range [key, end); no end means no bound. */
export interface Ranged {
  readonly from: Bytes;
  readonly until: Bytes | undefined;
}

export class RangeWatchers<T extends Ranged> {
  readonly #all = new Set<T>();
  #sorted: T[] = [];
  /** `#reach[i]`: the furthest end of `#sorted[0..i]`; undefined: no bound. */
  #reach: (Bytes | undefined)[] = [];
  #stale = false;

  [Symbol.iterator](): Iterator<T> {
    return this.#all.values();
  }
  add(range: T): void {
    this.#all.add(range);
    this.#stale = true;
  }
  delete(range: T): void {
    if (this.#all.delete(range)) this.#stale = true;
  }

  /** Visits every range that contains `key`. The visitor must not add or delete. */
  visit(key: Bytes, found: (range: T) => void): void {
    if (this.#stale) this.#sort();
    for (let at = this.#lastFrom(key); at >= 0; at--) {
      const reach = this.#reach[at];
      if (reach !== undefined && reach <= key) return;
      const range = this.#sorted[at] as T;
      if (range.until === undefined || key < range.until) found(range);
    }
  }

  /** Position of the last range that starts at or before `key`. */
  #lastFrom(key: Bytes): number {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#sorted[middle] as T).from <= key) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #sort(): void {
    this.#stale = false;
    this.#sorted = [...this.#all].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    this.#reach = [];
    let reach: Bytes | undefined = "" as Bytes;
    for (const { until } of this.#sorted) {
      if (reach !== undefined) reach = until === undefined || until > reach ? until : reach;
      this.#reach.push(reach);
    }
  }
}
