/**
 * Ranges with every option of etcd's Range, over any source of versions.
 *
 * Rules (etcd v3): without a sort, keys ascend; `limit` then stops the scan and `count` goes on counting; with a sort
 * or a filter everything is fetched, filtered, sorted, then cut. `count` ignores limit and filters. A sort by another
 * target than the key without an order ascends.
 */
import type { Bytes } from "../base/bytes.ts";
import { EMPTY } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import { printable } from "../base/bytes.ts";
import { sortWork } from "../base/sort-work.ts";
import type { KeyValue, RangeRequest, RangeResponse } from "../contract/requests.ts";
import { OPEN_END } from "../contract/requests.ts";
import { plain } from "./versions.ts";

/** Results put into shape between two yields. */
const SHAPED_PER_STEP = 1_024;

/** Where a range reads: one pinned revision. */
export interface RangeSource {
  get(key: Bytes): KeyValue | undefined;
  scan(from: Bytes, end: Bytes | undefined, visit: (kv: KeyValue) => boolean): boolean;
  /** As `get` and as a whole `scan`, in steps; absent where reads are small or cannot wait. */
  find?(key: Bytes): Generator<undefined, KeyValue | undefined>;
  walk?(
    from: Bytes,
    end: Bytes | undefined,
    visit: (kv: KeyValue) => number,
  ): Generator<undefined, undefined>;
}

/** The exclusive upper bound that a scan takes for etcd's `end`; undefined: no bound. */
export function scanEnd(end: Bytes): Bytes | undefined {
  return end === OPEN_END ? undefined : end;
}

/** The reason why `revision` cannot be read, if there is one. */
export function unreadable(
  key: Bytes,
  revision: number | undefined,
  now: { readonly revision: number; readonly compactRevision: number },
): Failure | undefined {
  if (revision === undefined || revision <= 0) return undefined;
  if (revision > now.revision) {
    return failure("FUTURE_REVISION", {
      object: `key ${printable(key)}`,
      what: `was asked for at revision ${revision}, the newest is ${now.revision}`,
      remedy: "Ask for a revision that an answer has named.",
      details: { revision: now.revision },
    });
  }
  if (revision >= now.compactRevision) return undefined;
  return failure("COMPACTED", {
    object: `key ${printable(key)}`,
    what: `revision ${revision} has been compacted, the oldest is ${now.compactRevision}`,
    remedy: "Read the present state and go on from its revision.",
    details: { compactRevision: now.compactRevision },
  });
}

/** Answers `request` from `source`; `revision` is the store's present one. */
export function* rangeWork(
  source: RangeSource,
  request: RangeRequest,
  revision: number,
): Generator<undefined, RangeResponse> {
  if (request.end === undefined) {
    const kv =
      source.find === undefined ? source.get(request.key) : yield* source.find(request.key);
    return single(kv, request, revision);
  }
  const wanted = filterOf(request);
  const sorted =
    request.sort !== undefined &&
    (request.sort.order === "descend" || request.sort.target !== "key");
  const limit = request.limit === undefined || request.limit <= 0 ? Infinity : request.limit;
  const stopAt = sorted ? Infinity : limit;
  const found: KeyValue[] = [];
  let count = 0;
  let matching = 0;
  const visit = (kv: KeyValue): number => {
    count++;
    if (request.countOnly === true || !wanted(kv)) return 0;
    matching++;
    if (found.length < stopAt) found.push(sorted ? kv : shape(kv, request));
    return 0;
  };
  const end = scanEnd(request.end);
  if (source.walk === undefined) source.scan(request.key, end, (kv) => visit(kv) === 0);
  else yield* source.walk(request.key, end, visit);
  const kvs = sorted ? yield* arranged(found, request, limit) : found;
  return { revision, kvs, more: matching > kvs.length, count };
}

/** Sorts, cuts, and puts into shape what a sorted range found. */
function* arranged(
  found: KeyValue[],
  request: RangeRequest,
  limit: number,
): Generator<undefined, KeyValue[]> {
  const kvs = yield* sortWork(found, orderOf(request));
  if (kvs.length > limit) kvs.length = limit;
  for (let at = 0; at < kvs.length; at++) {
    kvs[at] = shape(kvs[at] as KeyValue, request);
    if ((at + 1) % SHAPED_PER_STEP === 0) yield;
  }
  return kvs;
}

function single(kv: KeyValue | undefined, request: RangeRequest, revision: number): RangeResponse {
  if (kv === undefined) return { revision, kvs: [], more: false, count: 0 };
  const shown = request.countOnly !== true && filterOf(request)(kv);
  return { revision, kvs: shown ? [shape(kv, request)] : [], more: false, count: 1 };
}

function shape(kv: KeyValue, request: RangeRequest): KeyValue {
  return request.keysOnly === true ? { ...plain(kv), value: EMPTY } : plain(kv);
}

function filterOf(request: RangeRequest): (kv: KeyValue) => boolean {
  const minMod = request.minModRevision ?? 0;
  const maxMod = request.maxModRevision || Infinity;
  const minCreate = request.minCreateRevision ?? 0;
  const maxCreate = request.maxCreateRevision || Infinity;
  if (minMod === 0 && minCreate === 0 && maxMod === Infinity && maxCreate === Infinity)
    return () => true;
  return (kv) =>
    kv.modRevision >= minMod &&
    kv.modRevision <= maxMod &&
    kv.createRevision >= minCreate &&
    kv.createRevision <= maxCreate;
}

function orderOf(request: RangeRequest): (a: KeyValue, b: KeyValue) => number {
  const sign = request.sort?.order === "descend" ? -1 : 1;
  const field = sortField(request);
  return (a, b) => {
    const [left, right] = [field(a), field(b)];
    return left < right ? -sign : left > right ? sign : 0;
  };
}

function sortField(request: RangeRequest): (kv: KeyValue) => string | number {
  switch (request.sort?.target) {
    case "version":
      return (kv) => kv.version;
    case "create":
      return (kv) => kv.createRevision;
    case "mod":
      return (kv) => kv.modRevision;
    case "value":
      return (kv) => kv.value;
    case "key":
    case undefined:
      return (kv) => kv.key;
  }
}

/** Runs a generator to its end at once: for work known to be small. */
export function finish<T>(work: Generator<undefined, T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
