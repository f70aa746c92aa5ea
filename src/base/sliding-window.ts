/**
 * Values by a number that grows: added at the upper end, forgotten from the lower.
 *
 * Why no Map: V8's tables chain to their successors when they are rebuilt, so one dead table in the old generation keeps
 * everything that ever went through the map until a full collection (measured: half of what a client allocated survived).
 * Cost: adding at the end and forgetting are constant, a value out of order costs what lies behind it.
 */

/** How many forgotten places are kept before the arrays are cut. */
const SLACK = 64;

export class SlidingWindow<V> {
  #numbers: number[] = [];
  #values: V[] = [];
  #first = 0;

  get size(): number {
    return this.#numbers.length - this.#first;
  }

  get(number: number): V | undefined {
    const at = this.#seek(number);
    return this.#numbers[at] === number ? this.#values[at] : undefined;
  }

  /** Adds a value, or replaces the one of that number. */
  set(number: number, value: V): void {
    const last = this.#numbers.at(-1);
    if (this.size === 0 || last === undefined || number > last) {
      this.#numbers.push(number);
      this.#values.push(value);
      return;
    }
    const at = this.#seek(number);
    const replaced = this.#numbers[at] === number ? 1 : 0;
    this.#numbers.splice(at, replaced, number);
    this.#values.splice(at, replaced, value);
  }

  /** Forgets every number below `limit`. */
  forgetBelow(limit: number): void {
    this.#first = this.#seek(limit);
    if (this.#first < SLACK || this.#first * 2 < this.#numbers.length) return;
    this.#numbers = this.#numbers.slice(this.#first);
    this.#values = this.#values.slice(this.#first);
    this.#first = 0;
  }

  /** In ascending order; not to be changed meanwhile. */
  *entries(): Generator<readonly [number, V], undefined> {
    for (let at = this.#first; at < this.#numbers.length; at++)
      yield [this.#numbers[at] as number, this.#values[at] as V];
    return undefined;
  }

  copy(): SlidingWindow<V> {
    const copied = new SlidingWindow<V>();
    copied.#numbers = this.#numbers.slice(this.#first);
    copied.#values = this.#values.slice(this.#first);
    return copied;
  }

  /** First place whose number is ≥ `number`. */
  #seek(number: number): number {
    let low = this.#first;
    if (low === this.#numbers.length || (this.#numbers[low] as number) >= number) return low;
    let high = this.#numbers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#numbers[middle] as number) < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
