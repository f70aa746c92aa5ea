/**
 * Values under small numbers that are used again: what waits for an answer.
 *
 * Invariants: I1 a number names one value from `add` to `take`. I2 the numbers in use are below the most values that were
 * there at once. Why no Map: see `sliding-window.ts`.
 */
export class Slots<V> {
  readonly #values: (V | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#values.length - this.#free.length;
  }

  add(value: V): number {
    const at = this.#free.pop() ?? this.#values.length;
    this.#values[at] = value;
    return at;
  }

  get(number: number): V | undefined {
    return this.#values[number];
  }

  /** Removes and returns the value. */
  take(number: number): V | undefined {
    const value = this.#values[number];
    if (value === undefined) return undefined;
    this.#values[number] = undefined;
    this.#free.push(number);
    return value;
  }

  /** All values, in no order. */
  all(): readonly V[] {
    return this.#values.filter((value) => value !== undefined);
  }
}
