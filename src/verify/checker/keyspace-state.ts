/**
 * The keyspace as a replay sees it: every version of every key by revision, so that any revision can be read and the
 * newest ones taken back.
 *
 * Invariants: I1 revisions are applied in ascending order. I2 taking back what was applied leaves no trace.
 */
import { must } from "../../base/assert.ts";
import type { Bytes } from "../../base/bytes.ts";
import { OrderedMap } from "../../base/ordered-map.ts";
import { type KeyValue, OPEN_END } from "../../contract/requests.ts";

/** A key after a revision; `kv` is absent where it was deleted. */
export interface Change {
  readonly key: Bytes;
  readonly kv: KeyValue | undefined;
}
interface Version {
  readonly revision: number;
  readonly kv: KeyValue | undefined;
}
export interface Applied {
  readonly revision: number;
  readonly changes: readonly Change[];
}

export interface KeyRange {
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
}

export function covers({ key, end }: KeyRange, wanted: Bytes): boolean {
  if (end === undefined) return wanted === key;
  return wanted >= key && (end === OPEN_END || wanted < end);
}

export class KeyspaceState {
  readonly #keys = new OrderedMap<Version[]>();
  readonly #byLease = new Map<bigint, Set<Bytes>>();
  /** What was applied, in order. */
  readonly log: Applied[] = [];

  /** The key at `revision`, by default as it is now. */
  get(key: Bytes, revision: number = Number.POSITIVE_INFINITY): KeyValue | undefined {
    return versionAt(this.#keys.get(key), revision);
  }

  /** Live keys of a range at `revision`, in key order. */
  range({ key, end }: KeyRange, revision: number = Number.POSITIVE_INFINITY): readonly KeyValue[] {
    if (end === undefined) {
      const kv = this.get(key, revision);
      return kv === undefined ? [] : [kv];
    }
    const found: KeyValue[] = [];
    this.#keys.scan(key, end === OPEN_END ? undefined : end, (_, versions) => {
      const kv = versionAt(versions, revision);
      if (kv !== undefined) found.push(kv);
      return true;
    });
    return found;
  }

  /** Keys that are attached to the lease now. */
  attached(lease: bigint): readonly Bytes[] {
    return [...(this.#byLease.get(lease) ?? [])].sort();
  }

  /** Leases that have keys now. */
  leases(): readonly bigint[] {
    return [...this.#byLease.keys()];
  }

  apply(revision: number, changes: readonly Change[]): void {
    for (const { key, kv } of changes) {
      let versions = this.#keys.get(key);
      if (versions === undefined) this.#keys.set(key, (versions = []));
      this.#move(key, versions.at(-1)?.kv, kv);
      versions.push({ revision, kv });
    }
    this.log.push({ revision, changes });
  }

  /** Takes back all that was applied at `revision` or later. */
  takeBack(revision: number): void {
    for (let last = this.log.at(-1); last !== undefined && last.revision >= revision;) {
      for (const { key } of last.changes) {
        const versions = must(this.#keys.get(key), "a key that was changed");
        const gone = versions.pop();
        this.#move(key, gone?.kv, versions.at(-1)?.kv);
      }
      this.log.pop();
      last = this.log.at(-1);
    }
  }

  #move(key: Bytes, from: KeyValue | undefined, to: KeyValue | undefined): void {
    const before = from?.lease ?? 0n;
    const after = to?.lease ?? 0n;
    if (before === after) return;
    if (before !== 0n) {
      const keys = this.#byLease.get(before);
      keys?.delete(key);
      if (keys?.size === 0) this.#byLease.delete(before);
    }
    if (after === 0n) return;
    const keys = this.#byLease.get(after);
    if (keys === undefined) this.#byLease.set(after, new Set([key]));
    else keys.add(key);
  }
}

function versionAt(
  versions: readonly Version[] | undefined,
  revision: number,
): KeyValue | undefined {
  if (versions === undefined) return undefined;
  // Most questions are about the newest.
  let at = versions.length - 1;
  if (at >= 0 && (versions[at] as Version).revision <= revision) return versions[at]?.kv;
  let low = 0;
  while (low < at) {
    const middle = (low + at) >> 1;
    if ((versions[middle] as Version).revision <= revision) low = middle + 1;
    else at = middle;
  }
  return low === 0 ? undefined : versions[low - 1]?.kv;
}
