/** A stable sort as long work: merge sort that yields about every two thousand comparisons. */

/** Items that are sorted at once. */
const RUN = 256;
/** Items that are merged between two yields. */
const MERGED_PER_STEP = 1_024;

/** The items in order; `items` is used up. */
export function* sortWork<T>(
  items: T[],
  compare: (a: T, b: T) => number,
): Generator<undefined, T[]> {
  if (items.length <= RUN) return items.sort(compare);
  let [source, target] = [items, new Array<T>(items.length)];
  for (let at = 0; at < source.length; at += RUN) {
    const run = source.slice(at, at + RUN).sort(compare);
    for (let next = 0; next < run.length; next++) source[at + next] = run[next] as T;
    yield;
  }
  for (let width = RUN; width < source.length; width *= 2) {
    for (let at = 0; at < source.length; at += 2 * width)
      yield* merge(source, target, [at, at + width, at + 2 * width], compare);
    [source, target] = [target, source];
  }
  return source;
}

/** Merges `source[from, middle)` and `source[middle, end)` into the same places of `target`. */
function* merge<T>(
  source: readonly T[],
  target: T[],
  [from, middle, end]: readonly [number, number, number],
  compare: (a: T, b: T) => number,
): Generator<undefined, undefined> {
  const [leftEnd, rightEnd] = [Math.min(middle, source.length), Math.min(end, source.length)];
  let [left, right] = [from, leftEnd];
  for (let at = from; at < rightEnd; at++) {
    const takesLeft =
      right >= rightEnd || (left < leftEnd && compare(source[left] as T, source[right] as T) <= 0);
    target[at] = source[takesLeft ? left++ : right++] as T;
    if ((at + 1) % MERGED_PER_STEP === 0) yield;
  }
  return undefined;
}
