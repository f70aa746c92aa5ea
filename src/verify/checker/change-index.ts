/**
 * Every change of every key that is known: of the replay, and of all watches together.
 *
 * Invariants: I1 what the replay says wins; a change that only watches told counts as long as no replay denies it. I2 the
 * changes of a key are in ascending order of revision.
 */
import type { Bytes } from "../../base/bytes.ts";
import { OrderedMap } from "../../base/ordered-map.ts";
import { type KeyValue, OPEN_END } from "../../contract/requests.ts";
import type { WatchStream } from "../history/history.ts";
import type { KeyRange, KeyspaceState } from "./keyspace-state.ts";

/** A key after `revision`; `kv` is absent where it was deleted. */
export interface KnownChange {
  readonly revision: number;
  readonly kv: KeyValue | undefined;
}
type Without = "put" | "delete" | undefined;

export class ChangeIndex {
  readonly #keys = new OrderedMap<KnownChange[]>();

  constructor(state: KeyspaceState | undefined, watches: readonly WatchStream[]) {
    for (const { revision, changes } of state?.log ?? [])
      for (const { key, kv } of changes) this.#of(key).push({ revision, kv });
    for (const { batches } of watches)
      for (const { events } of batches)
        for (const { kind, kv } of events)
          this.#insert(kv.key, { revision: kv.modRevision, kv: kind === "put" ? kv : undefined });
  }

  #of(key: Bytes): KnownChange[] {
    let changes = this.#keys.get(key);
    if (changes === undefined) this.#keys.set(key, (changes = []));
    return changes;
  }

  #insert(key: Bytes, change: KnownChange): void {
    const changes = this.#of(key);
    const at = firstAt(changes, change.revision);
    if (changes[at]?.revision !== change.revision) changes.splice(at, 0, change);
  }

  /** The change of a key at exactly this revision. */
  at(key: Bytes, revision: number): KnownChange | undefined {
    const changes = this.#keys.get(key) ?? [];
    const found = changes[firstAt(changes, revision)];
    return found?.revision === revision ? found : undefined;
  }

  /** The key in front of `revision`. */
  before(key: Bytes, revision: number): KeyValue | undefined {
    const changes = this.#keys.get(key) ?? [];
    return changes[firstAt(changes, revision) - 1]?.kv;
  }

  /** Changes of a range at revisions from `from` to `to`. */
  count(range: KeyRange, from: number, to: number, without: Without): number {
    let count = 0;
    this.#visit(range, (_, changes) => {
      const first = firstAt(changes, from);
      const last = firstAt(changes, to + 1);
      if (without === undefined) count += last - first;
      else for (let at = first; at < last; at++) count += kindOf(changes[at]) === without ? 0 : 1;
    });
    return count;
  }

  /** The first of them that `delivered` denies. */
  missing(
    range: KeyRange,
    from: number,
    to: number,
    without: Without,
    delivered: (key: Bytes, revision: number) => boolean,
  ): { readonly key: Bytes; readonly revision: number } | undefined {
    let least: { readonly key: Bytes; readonly revision: number } | undefined;
    this.#visit(range, (key, changes) => {
      const last = firstAt(changes, to + 1);
      for (let at = firstAt(changes, from); at < last; at++) {
        const { revision } = changes[at] as KnownChange;
        if (kindOf(changes[at]) === without || delivered(key, revision)) continue;
        if (least === undefined || revision < least.revision) least = { key, revision };
      }
    });
    return least;
  }

  #visit(
    { key, end }: KeyRange,
    visit: (key: Bytes, changes: readonly KnownChange[]) => void,
  ): void {
    if (end === undefined) {
      visit(key, this.#keys.get(key) ?? []);
      return;
    }
    this.#keys.scan(key, end === OPEN_END ? undefined : end, (each, changes) => {
      visit(each as Bytes, changes);
      return true;
    });
  }
}

function kindOf(change: KnownChange | undefined): "put" | "delete" {
  return change?.kv === undefined ? "delete" : "put";
}

/** Index of the first change at `revision` or later. */
function firstAt(changes: readonly KnownChange[], revision: number): number {
  let low = 0;
  let high = changes.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((changes[middle] as KnownChange).revision < revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
