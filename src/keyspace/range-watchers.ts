/**
 * Which ranges contain a key: ranges sorted by their start, each with the furthest end among
 * those up to it.
 *
 * Invariants: I1 a lookup sees every range added and not deleted before it. I2 `#reach` never
 * descends. Cost: a lookup finds the last range that starts at or before the key and walks back
 * until none before can reach it, O(log n + found) for ranges that are disjoint or nested, as
 * prefixes are; ranges that overlap in chains cost the chain. What is added waits beside the rest,
 * and what is deleted in it, until they are many: then the next lookup sorts them in, O(n).
 * Leaves out: balancing; a lookup between looks at all that was added lately.
 */
import type { Bytes } from "../base/bytes.ts";

/** A range [key, end); no end means no bound. */
export interface Ranged {
  readonly from: Bytes;
  readonly until: Bytes | undefined;
}

/** So many may wait to be sorted in, and this part (a power of two) of the others. */
const LATELY_MIN = 256;
const LATELY_BITS = 6;

export class RangeWatchers<T extends Ranged> {
  readonly #all = new Set<T>();
  #sorted: T[] = [];
  /** `#reach[i]`: the furthest end of `#sorted[0..i]`; undefined: no bound. */
  #reach: (Bytes | undefined)[] = [];
  /** Not sorted in yet. */
  #added: T[] = [];
  /** Still there, though deleted. */
  #deleted = 0;

  [Symbol.iterator](): Iterator<T> {
    return this.#all.values();
  }
  /** Once for each range. */
  add(range: T): void {
    this.#all.add(range);
    this.#added.push(range);
  }
  delete(range: T): void {
    if (this.#all.delete(range)) this.#deleted++;
  }

  /** Visits every range that contains `key`. The visitor must not add or delete. */
  visit(key: Bytes, found: (range: T) => void): void {
    const most = LATELY_MIN + (this.#sorted.length >> LATELY_BITS);
    if (this.#added.length > most || this.#deleted > most) this.#sort();
    for (const range of this.#added)
      if (key >= range.from && this.#all.has(range) && ends(range, key)) found(range);
    for (let at = this.#lastFrom(key); at >= 0; at--) {
      const reach = this.#reach[at];
      if (reach !== undefined && reach <= key) return;
      const range = this.#sorted[at] as T;
      if (ends(range, key) && this.#all.has(range)) found(range);
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
    const all = [...this.#sorted, ...this.#added].filter((range) => this.#all.has(range));
    // What was sorted is found to be so: only the rest costs more than a look.
    this.#sorted = all.sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    this.#added = [];
    this.#deleted = 0;
    this.#reach = [];
    let reach: Bytes | undefined = "" as Bytes;
    for (const { until } of this.#sorted) {
      if (reach !== undefined) reach = until === undefined || until > reach ? until : reach;
      this.#reach.push(reach);
    }
  }
}

/** Whether `range` ends after `key`. */
function ends({ until }: Ranged, key: Bytes): boolean {
  return until === undefined || key < until;
}
