/**
 * What an attempt has read: answers at one pinned revision, and what must hold at commit for them to be true still.
 *
 * Invariants: I1 all answers of one cache are of one revision. I2 the conditions of an answer hold at commit iff reading
 * again would give the same keys, values and revisions. A range compare alone would miss deletions, so every key that was
 * returned is compared as well.
 * Source: Kung and Robinson, On Optimistic Methods for Concurrency Control (TODS 1981), backward validation.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Compare, KeyValue, RangeRequest } from "../../contract/requests.ts";
import type { Write } from "../../keyspace/procedure-tx.ts";

/** One read as a procedure asks for it. `age`: by create revision, oldest first. */
export interface Read {
  readonly order: "key" | "reverse" | "age";
  readonly key: Bytes;
  /** Absent: the single key. */
  readonly end?: Bytes | undefined;
  readonly limit?: number | undefined;
}

export interface Answer {
  readonly read: Read;
  readonly kvs: readonly KeyValue[];
}

/** Equal reads have equal names. */
export function readName({ order, key, end, limit }: Read): string {
  return `${order} ${limit ?? ""} ${end === undefined ? "" : end.length + 1} ${end ?? ""}${key}`;
}

/** The request that answers `read`, at `revision` or now. */
export function rangeFor(read: Read, revision?: number): RangeRequest {
  const { key, end, limit, order } = read;
  const sorted = {
    key: undefined,
    reverse: { target: "key", order: "descend" },
    age: { target: "create", order: "ascend" },
  } as const;
  return { kind: "range", key, end, limit, revision, sort: sorted[order] };
}

/** Whether there may be more in the range than its limit let through. */
export function isCut({ read, kvs }: Answer): boolean {
  return read.limit !== undefined && kvs.length >= read.limit;
}

/** Conditions under which `answer`, true at `revision`, is true still. */
export function conditions({ read, kvs }: Answer, revision: number): readonly Compare[] {
  const { key, end, limit, order } = read;
  if (end === undefined) return [unchanged(key, kvs[0]?.modRevision ?? 0)];
  const full = isCut({ read, kvs });
  // Those who come later are younger: they cannot come before the oldest that were read.
  if (full && order === "age") return kvs.map((kv) => unchanged(kv.key, kv.modRevision));
  const last = kvs.at(-1)?.key ?? key;
  const from = full && order === "reverse" ? last : key;
  const to = full && order === "key" ? ((last + "\0") as Bytes) : end;
  if (full && limit === 0) return [];
  const nothingNewer: Compare = {
    key: from,
    end: to,
    result: "less",
    target: { kind: "mod", value: revision + 1 },
  };
  return [nothingNewer, ...kvs.map(stillThere)];
}

function unchanged(key: Bytes, modRevision: number): Compare {
  return { key, result: "equal", target: { kind: "mod", value: modRevision } };
}

function stillThere(kv: KeyValue): Compare {
  return {
    key: kv.key,
    result: "equal",
    target: { kind: "create", value: kv.createRevision },
  };
}

/** What `answer` is after `writes` have been committed at `revision`; nothing if that cannot be told from here. */
export function after(
  answer: Answer,
  writes: ReadonlyMap<Bytes, Write>,
  revision: number,
): Answer | undefined {
  const { read, kvs } = answer;
  const hit = [...writes.values()].filter((write) => covers(read, write.key));
  if (hit.length === 0) return answer;
  const byKey = new Map(kvs.map((kv) => [kv.key, kv]));
  const cut = isCut(answer);
  // What is new is the youngest: it changes nothing before the limit. In another order, or when one goes, it may.
  if (cut && read.order !== "age") return undefined;
  for (const write of hit) {
    if (cut && !byKey.has(write.key)) continue;
    if (cut && write.kind === "delete") return undefined;
    if (write.kind === "delete") byKey.delete(write.key);
    else byKey.set(write.key, written(write, byKey.get(write.key), revision));
  }
  return { read, kvs: ordered(read, [...byKey.values()]) };
}

/** The key as `write` leaves it at `revision`; 0 stands for a commit that is not made yet. */
export function written(
  write: Write & { readonly kind: "put" },
  before: KeyValue | undefined,
  revision: number,
): KeyValue {
  const { key, value, lease } = write;
  const createRevision = before?.createRevision ?? revision;
  const version = (before?.version ?? 0) + 1;
  return { key, value, lease, createRevision, modRevision: revision, version };
}

export function covers(read: Read, key: Bytes): boolean {
  return read.end === undefined ? key === read.key : key >= read.key && key < read.end;
}

/** `kvs` in the order of `read`, cut to its limit. */
export function ordered(read: Read, kvs: KeyValue[]): readonly KeyValue[] {
  if (read.order === "age") kvs.sort((a, b) => a.createRevision - b.createRevision);
  else kvs.sort((a, b) => (a.key < b.key ? -1 : 1));
  if (read.order === "reverse") kvs.reverse();
  return read.limit === undefined ? kvs : kvs.slice(0, read.limit);
}
