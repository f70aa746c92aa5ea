/**
 * A set of keys as disjoint intervals in order: what a user's permissions cover together. Intervals that overlap or
 * touch are one, so a range may be covered by several permissions.
 */
import type { Bytes } from "../../base/bytes.ts";
import { after } from "../../base/bytes.ts";
import type { KeyRange } from "../../contract/auth.ts";
import { scanEnd } from "../range.ts";

/** [from, to); `to` undefined: no bound. */
interface Interval {
  readonly from: Bytes;
  readonly to: Bytes | undefined;
}

/** The interval of etcd's range: one key, from a key on, or [key, end). */
function intervalOf({ key, end }: KeyRange): Interval {
  if (end === undefined) return { from: key, to: after(key) };
  return { from: key, to: scanEnd(end) };
}

/** Whether `to` lies at or beyond `other`. */
function reaches(to: Bytes | undefined, other: Bytes | undefined): boolean {
  return to === undefined || (other !== undefined && to >= other);
}

export class Intervals {
  readonly #all: readonly Interval[];

  constructor(ranges: readonly KeyRange[]) {
    const sorted = ranges
      .map(intervalOf)
      // What ends before it begins covers nothing.
      .filter(({ from, to }) => to === undefined || from < to)
      .sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
    const merged: Interval[] = [];
    for (const next of sorted) {
      const last = merged.at(-1);
      if (last === undefined || !reaches(last.to, next.from)) merged.push(next);
      else if (!reaches(last.to, next.to)) merged[merged.length - 1] = { ...last, to: next.to };
    }
    this.#all = merged;
  }

  /** Whether every key of the range is in the set; of a range without keys, its first bound must be. */
  covers(range: KeyRange): boolean {
    const asked = intervalOf(range);
    const empty = asked.to !== undefined && asked.to <= asked.from;
    const to = empty ? after(asked.from) : asked.to;
    const found = this.#last(asked.from);
    return found !== undefined && reaches(found.to, to);
  }

  /** The last interval that begins at or before `key`. */
  #last(key: Bytes): Interval | undefined {
    let low = 0;
    let high = this.#all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#all[middle] as Interval).from <= key) low = middle + 1;
      else high = middle;
    }
    return this.#all[low - 1];
  }
}
