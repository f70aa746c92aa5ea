/**
 * What an operation on the keyspace answers and changes, given the state: etcd's rules, for a state that a replay made.
 *
 * Invariants: I1 compares and branches look at the state before the outermost transaction. I2 what a transaction reads
 * after its own changes includes them. I3 nothing here changes the state.
 * Leaves out: refusals; a definite failure says nothing about the state here.
 */
import type { Bytes } from "../../base/bytes.ts";
import type {
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnOperation,
  TxnOperationResponse,
  TxnRequest,
  TxnResponse,
} from "../../contract/requests.ts";
import { type Change, covers, type KeyRange, type KeyspaceState } from "./keyspace-state.ts";

export interface Evaluation {
  readonly response: TxnOperationResponse;
  readonly changes: readonly Change[];
}

/** Evaluates on the newest state; a change gets `revision`. */
export function evaluate(
  state: KeyspaceState,
  operation: TxnOperation,
  revision: number,
): Evaluation {
  const draft = new Draft(state, revision, Number.POSITIVE_INFINITY);
  const response = draft.operate(operation);
  return { response, changes: draft.changes() };
}

/** Evaluates what changes nothing on the state at `revision`. */
export function evaluateAt(
  state: KeyspaceState,
  operation: TxnOperation,
  revision: number,
): Evaluation {
  const draft = new Draft(state, revision + 1, revision);
  const response = draft.operate(operation);
  return { response, changes: draft.changes() };
}

class Draft {
  readonly #state: KeyspaceState;
  readonly #revision: number;
  readonly #base: number;
  readonly #changed = new Map<Bytes, KeyValue | undefined>();

  constructor(state: KeyspaceState, revision: number, base: number) {
    this.#state = state;
    this.#revision = revision;
    this.#base = base;
  }

  changes(): readonly Change[] {
    return [...this.#changed].map(([key, kv]) => ({ key, kv }));
  }

  operate(operation: TxnOperation): TxnOperationResponse {
    switch (operation.kind) {
      case "range":
        return { kind: "range", ...this.#range(operation) };
      case "put":
        return { kind: "put", ...this.#put(operation) };
      case "deleteRange":
        return { kind: "deleteRange", ...this.#delete(operation) };
      case "txn":
        return { kind: "txn", ...this.#txn(operation) };
    }
  }

  get #shown(): number {
    return this.#changed.size > 0 ? this.#revision : this.#revision - 1;
  }

  #get(key: Bytes): KeyValue | undefined {
    return this.#changed.has(key) ? this.#changed.get(key) : this.#state.get(key, this.#base);
  }

  #live(range: KeyRange): readonly KeyValue[] {
    const before = this.#state.range(range, this.#base);
    if (this.#changed.size === 0) return before;
    const kept = before.filter(({ key }) => !this.#changed.has(key));
    const own = [...this.#changed].flatMap(([key, kv]) =>
      kv !== undefined && covers(range, key) ? [kv] : [],
    );
    return [...kept, ...own].sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  #range(request: RangeRequest): RangeResponse {
    const past = request.revision ?? 0;
    const kvs = past > 0 ? this.#state.range(request, past) : this.#live(request);
    return answerRange(kvs, request, this.#shown);
  }

  #put(request: PutRequest): PutResponse {
    const before = this.#get(request.key);
    const { key } = request;
    this.#changed.set(key, {
      key,
      value: request.ignoreValue === true ? (before?.value ?? ("" as Bytes)) : request.value,
      createRevision: before?.createRevision ?? this.#revision,
      modRevision: this.#revision,
      version: (before?.version ?? 0) + 1,
      lease: request.ignoreLease === true ? (before?.lease ?? 0n) : (request.lease ?? 0n),
    });
    const shown = request.prevKv === true && before !== undefined;
    return shown ? { revision: this.#revision, prevKv: before } : { revision: this.#revision };
  }

  #delete(request: DeleteRangeRequest): DeleteRangeResponse {
    const gone = this.#live(request);
    for (const { key } of gone) this.#changed.set(key, undefined);
    const prevKvs = request.prevKv === true ? gone : [];
    return { revision: this.#shown, deleted: gone.length, prevKvs };
  }

  #txn(request: TxnRequest): TxnResponse {
    const succeeded = request.compare.every((each) => this.#holds(each));
    const taken = succeeded ? request.success : request.failure;
    const responses = taken.map((operation) => this.operate(operation));
    return { revision: this.#shown, succeeded, responses };
  }

  #holds(compare: Compare): boolean {
    const found = this.#state.range(compare, this.#base);
    if (found.length > 0) return found.every((kv) => relation(compare, kv));
    return compare.target.kind !== "value" && relation(compare, undefined);
  }
}

function relation({ target, result }: Compare, kv: KeyValue | undefined): boolean {
  const left = fieldOf(target.kind, kv);
  const right = target.value;
  if (result === "equal") return left === right;
  if (result === "notEqual") return left !== right;
  return result === "greater" ? left > right : left < right;
}

function fieldOf(
  kind: Compare["target"]["kind"],
  kv: KeyValue | undefined,
): number | bigint | string {
  switch (kind) {
    case "version":
      return kv?.version ?? 0;
    case "create":
      return kv?.createRevision ?? 0;
    case "mod":
      return kv?.modRevision ?? 0;
    case "lease":
      return kv?.lease ?? 0n;
    case "value":
      return kv?.value ?? "";
  }
}

function answerRange(
  kvs: readonly KeyValue[],
  request: RangeRequest,
  revision: number,
): RangeResponse {
  const count = kvs.length;
  if (request.countOnly === true) return { revision, kvs: [], more: false, count };
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  const within = (value: number, min: number | undefined, max: number | undefined): boolean =>
    (!min || value >= min) && (!max || value <= max);
  const kept = kvs.filter(
    (kv) =>
      within(kv.modRevision, minModRevision, maxModRevision) &&
      within(kv.createRevision, minCreateRevision, maxCreateRevision),
  );
  const sorted = request.sort === undefined ? kept : kept.toSorted(order(request.sort));
  const cut = request.limit ? sorted.slice(0, request.limit) : sorted;
  const shown = request.keysOnly === true ? cut.map((kv) => ({ ...kv, value: "" as Bytes })) : cut;
  return { revision, kvs: shown, more: cut.length < sorted.length, count };
}

/** Equal ones stay in key order. */
function order(sort: NonNullable<RangeRequest["sort"]>): (a: KeyValue, b: KeyValue) => number {
  const field = (kv: KeyValue): string | number => {
    const { key, value, version, createRevision: create, modRevision: mod } = kv;
    return { key, value, version, create, mod }[sort.target];
  };
  const up = (a: KeyValue, b: KeyValue): number =>
    field(a) < field(b) ? -1 : field(a) > field(b) ? 1 : 0;
  return sort.order === "descend" ? (a, b) => up(b, a) : up;
}
