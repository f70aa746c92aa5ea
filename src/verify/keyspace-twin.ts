/**
 * The slow twin: a keyspace that is obviously right, for comparison with the fast one in property tests.
 *
 * Written from the rules of etcd v3 and not from `keyspace/`: arrays, linear search, a full copy of the state for every
 * revision. Invariants: I1 `states[n]` is the whole state at its revision and never changes. I2 a refused command
 * changes nothing. Leaves out: time, quotas, callers, procedures, limits on size.
 */
import type { Bytes } from "../base/bytes.ts";
import type { ErrorCode } from "../base/errors.ts";
import type { WatchEvent, WatchRequest } from "../contract/keyspace.ts";
import type {
  Command,
  Compare,
  DeleteRangeResponse,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  Response,
  TxnOperation,
  TxnOperationResponse,
  TxnRequest,
  TxnResponse,
} from "../contract/requests.ts";

/** What a command comes to; a refusal names every reason there is, since which is named first is nobody's rule. */
export type TwinReply =
  | { readonly ok: true; readonly response: Response }
  | { readonly ok: false; readonly codes: readonly ErrorCode[] };

interface State {
  readonly revision: number;
  /** Live keys in key order. */
  readonly kvs: readonly KeyValue[];
}

/** The work of one transaction on a copy of the newest state. */
interface Draft {
  kvs: KeyValue[];
  readonly revision: number;
  events: WatchEvent[];
}

const OPERATIONS = 128;

export class KeyspaceTwin {
  states: readonly State[] = [{ revision: 1, kvs: [] }];
  /** Every change ever, in order, with the state before it. */
  events: readonly WatchEvent[] = [];
  leases: readonly { readonly id: bigint; readonly ttlMs: number }[] = [];
  compactRevision = 0;
  readonly #minTtlMs: number;

  constructor(minTtlMs: number) {
    this.#minTtlMs = minTtlMs;
  }

  get revision(): number {
    return this.#newest().revision;
  }

  /** An independent copy. */
  clone(): KeyspaceTwin {
    const copy = new KeyspaceTwin(this.#minTtlMs);
    copy.states = this.states;
    copy.events = this.events;
    copy.leases = this.leases;
    copy.compactRevision = this.compactRevision;
    return copy;
  }

  /** Carries out a command; a lease grant must name its id. */
  call(command: Command): TwinReply {
    const codes = this.#reasons(command);
    if (codes.length > 0) return { ok: false, codes };
    return { ok: true, response: this.#carryOut(command) };
  }

  range(request: RangeRequest): TwinReply {
    const codes = this.#unreadable(request.revision);
    if (codes.length > 0) return { ok: false, codes };
    const kvs = this.#at(request.revision);
    return { ok: true, response: answerRange(kvs, request, this.revision) };
  }

  /** What a watch that starts at `from` has to deliver up to now, given what has been compacted. */
  watched(request: WatchRequest, from: number): readonly WatchEvent[] {
    const wanted = this.events.filter(
      ({ kind, kv }) =>
        kv.modRevision >= from && inRange(request, kv.key) && request.without !== kind,
    );
    return wanted.map(({ kind, kv, prevKv }) => {
      const shown =
        request.prevKv === true && prevKv !== undefined && kv.modRevision > this.compactRevision;
      return shown ? { kind, kv, prevKv } : { kind, kv };
    });
  }

  leaseKeys(id: bigint): readonly Bytes[] {
    return this.#newest()
      .kvs.filter((kv) => kv.lease === id)
      .map((kv) => kv.key);
  }

  #newest(): State {
    return this.states.at(-1) as State;
  }

  #at(revision: number | undefined): readonly KeyValue[] {
    if (revision === undefined || revision <= 0) return this.#newest().kvs;
    return this.states.findLast((state) => state.revision <= revision)?.kvs ?? [];
  }

  #leaseGranted(id: bigint): boolean {
    return this.leases.some((lease) => lease.id === id);
  }

  #unreadable(revision: number | undefined): ErrorCode[] {
    if (revision === undefined || revision <= 0) return [];
    if (revision > this.revision) return ["FUTURE_REVISION"];
    return revision < this.compactRevision ? ["COMPACTED"] : [];
  }

  /** Every reason to refuse the command. */
  #reasons(command: Command): ErrorCode[] {
    switch (command.kind) {
      case "put":
        return [...putShape(command), ...this.#putReasons(command)];
      case "deleteRange":
        return command.key === "" ? ["INVALID"] : [];
      case "txn": {
        const codes = txnShape(command, OPERATIONS);
        if (changedTwice(command)) codes.push("DUPLICATE_KEY");
        return codes.length > 0 ? codes : this.#txnReasons(command);
      }
      case "leaseGrant":
        if (command.ttlMs > 9_000_000_000_000) return ["LEASE_TTL"];
        return this.#leaseGranted(command.id) ? ["LEASE_EXISTS"] : [];
      case "leaseRevoke":
        return this.#leaseGranted(command.id) ? [] : ["LEASE_NOT_FOUND"];
      case "compact":
        if (command.revision > this.revision) return ["FUTURE_REVISION"];
        return command.revision <= this.compactRevision ? ["COMPACTED"] : [];
      default:
        throw new Error(`the twin does not know ${command.kind}`);
    }
  }

  #putReasons(put: PutRequest): ErrorCode[] {
    const codes: ErrorCode[] = [];
    const keeps = put.ignoreValue === true || put.ignoreLease === true;
    if (keeps && find(this.#newest().kvs, put.key) === undefined) codes.push("KEY_NOT_FOUND");
    const lease = put.lease ?? 0n;
    if (lease !== 0n && !this.#leaseGranted(lease)) codes.push("LEASE_NOT_FOUND");
    return codes;
  }

  /** Checks of the branches that will be taken. */
  #txnReasons(txn: TxnRequest): ErrorCode[] {
    const codes: ErrorCode[] = [];
    for (const operation of this.#branch(txn)) {
      if (operation.kind === "put") codes.push(...this.#putReasons(operation));
      else if (operation.kind === "range") codes.push(...this.#unreadable(operation.revision));
      else if (operation.kind === "txn") codes.push(...this.#txnReasons(operation));
    }
    return codes;
  }

  /** Compares look at the state before the outermost transaction, which is still the newest one here. */
  #branch(txn: TxnRequest): readonly TxnOperation[] {
    return this.#holds(txn) ? txn.success : txn.failure;
  }
  #holds(txn: TxnRequest): boolean {
    return txn.compare.every((compare) => compareHolds(this.#newest().kvs, compare));
  }

  #carryOut(command: Command): Response {
    switch (command.kind) {
      case "put":
      case "deleteRange":
      case "txn":
        return this.#transact((draft) => this.#operate(draft, command));
      case "leaseGrant": {
        const ttlMs = Math.max(command.ttlMs, this.#minTtlMs);
        this.leases = [...this.leases, { id: command.id, ttlMs }];
        return { revision: this.revision, id: command.id, ttlMs };
      }
      case "leaseRevoke": {
        const keys = this.leaseKeys(command.id);
        this.leases = this.leases.filter((lease) => lease.id !== command.id);
        return this.#transact((draft) => {
          for (const key of keys) remove(draft, key);
          return { revision: draftRevision(draft) };
        });
      }
      case "compact":
        this.compactRevision = command.revision;
        return { revision: this.revision };
      default:
        throw new Error(`the twin does not know ${command.kind}`);
    }
  }

  /** Runs `work` on a copy; the copy becomes the next state if it was changed. */
  #transact(work: (draft: Draft) => Response): Response {
    const draft: Draft = { kvs: [...this.#newest().kvs], revision: this.revision + 1, events: [] };
    const answer = work(draft);
    if (draft.events.length === 0) return answer;
    this.states = [...this.states, { revision: draft.revision, kvs: draft.kvs }];
    this.events = [...this.events, ...draft.events];
    return answer;
  }

  #operate(draft: Draft, operation: TxnOperation): Response {
    switch (operation.kind) {
      case "range": {
        const past = (operation.revision ?? 0) > 0;
        const kvs = past ? this.#at(operation.revision) : draft.kvs;
        return answerRange(kvs, operation, draftRevision(draft));
      }
      case "put":
        return put(draft, operation);
      case "deleteRange":
        return removeRange(draft, operation);
      case "txn":
        return this.#txn(draft, operation);
    }
  }

  #txn(draft: Draft, txn: TxnRequest): TxnResponse {
    const responses = this.#branch(txn).map(
      (operation) =>
        ({ kind: operation.kind, ...this.#operate(draft, operation) }) as TxnOperationResponse,
    );
    return { revision: draftRevision(draft), succeeded: this.#holds(txn), responses };
  }
}

function draftRevision(draft: Draft): number {
  return draft.events.length > 0 ? draft.revision : draft.revision - 1;
}

function find(kvs: readonly KeyValue[], key: Bytes): KeyValue | undefined {
  return kvs.find((kv) => kv.key === key);
}

function inRange(
  bounds: { readonly key: Bytes; readonly end?: Bytes | undefined },
  key: Bytes,
): boolean {
  if (bounds.end === undefined) return key === bounds.key;
  return key >= bounds.key && (bounds.end === "\0" || key < bounds.end);
}

function put(draft: Draft, request: PutRequest): PutResponse {
  const before = find(draft.kvs, request.key);
  const kv: KeyValue = {
    key: request.key,
    value: request.ignoreValue === true ? (before as KeyValue).value : request.value,
    createRevision: before === undefined ? draft.revision : before.createRevision,
    modRevision: draft.revision,
    version: before === undefined ? 1 : before.version + 1,
    lease: request.ignoreLease === true ? (before as KeyValue).lease : (request.lease ?? 0n),
  };
  draft.kvs = [...draft.kvs.filter((each) => each.key !== kv.key), kv].sort(byKey);
  draft.events.push(
    before === undefined ? { kind: "put", kv } : { kind: "put", kv, prevKv: before },
  );
  const shown = request.prevKv === true && before !== undefined;
  return shown ? { revision: draft.revision, prevKv: before } : { revision: draft.revision };
}

function remove(draft: Draft, key: Bytes): void {
  const before = find(draft.kvs, key) as KeyValue;
  const none = { value: "" as Bytes, createRevision: 0, version: 0, lease: 0n };
  draft.kvs = draft.kvs.filter((kv) => kv.key !== key);
  draft.events.push({
    kind: "delete",
    kv: { key, ...none, modRevision: draft.revision },
    prevKv: before,
  });
}

function removeRange(
  draft: Draft,
  request: TxnOperation & { readonly kind: "deleteRange" },
): DeleteRangeResponse {
  const gone = draft.kvs.filter((kv) => inRange(request, kv.key));
  for (const kv of gone) remove(draft, kv.key);
  return {
    revision: draftRevision(draft),
    deleted: gone.length,
    prevKvs: request.prevKv === true ? gone : [],
  };
}

function byKey(a: KeyValue, b: KeyValue): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

function answerRange(
  kvs: readonly KeyValue[],
  request: RangeRequest,
  revision: number,
): RangeResponse {
  const all = kvs.filter((kv) => inRange(request, kv.key));
  if (request.countOnly === true) return { revision, kvs: [], more: false, count: all.length };
  const kept = all.filter(
    (kv) =>
      (!request.minModRevision || kv.modRevision >= request.minModRevision) &&
      (!request.maxModRevision || kv.modRevision <= request.maxModRevision) &&
      (!request.minCreateRevision || kv.createRevision >= request.minCreateRevision) &&
      (!request.maxCreateRevision || kv.createRevision <= request.maxCreateRevision),
  );
  const sorted = sortedBy(kept, request);
  const cut = request.limit ? sorted.slice(0, request.limit) : sorted;
  return {
    revision,
    kvs: request.keysOnly === true ? cut.map((kv) => ({ ...kv, value: "" as Bytes })) : cut,
    more: cut.length < sorted.length,
    count: all.length,
  };
}

/** Equal keys of the sort stay in key order. */
function sortedBy(kvs: readonly KeyValue[], request: RangeRequest): readonly KeyValue[] {
  const { sort } = request;
  if (sort === undefined) return kvs;
  const field = (kv: KeyValue): string | number => {
    const { key, value, version, createRevision: create, modRevision: mod } = kv;
    return { key, value, version, create, mod }[sort.target];
  };
  const up = (a: KeyValue, b: KeyValue): number =>
    field(a) < field(b) ? -1 : field(a) > field(b) ? 1 : 0;
  return [...kvs].sort((a, b) => (sort.order === "descend" ? up(b, a) : up(a, b)));
}

const ZEROS: KeyValue = {
  key: "" as Bytes,
  value: "" as Bytes,
  createRevision: 0,
  modRevision: 0,
  version: 0,
  lease: 0n,
};

function compareHolds(kvs: readonly KeyValue[], compare: Compare): boolean {
  const found = kvs.filter((kv) => inRange(compare, kv.key));
  if (found.length > 0) return found.every((kv) => relation(compare, kv));
  return compare.target.kind !== "value" && relation(compare, ZEROS);
}

function relation(compare: Compare, kv: KeyValue): boolean {
  const { target, result } = compare;
  const { value, version, lease, createRevision: create, modRevision: mod } = kv;
  const left = { value, version, lease, create, mod }[target.kind];
  const right = target.value;
  if (result === "equal") return left === right;
  if (result === "notEqual") return left !== right;
  return result === "greater" ? left > right : left < right;
}

function putShape(request: PutRequest): ErrorCode[] {
  const bad =
    request.key === "" ||
    (request.ignoreValue === true && request.value !== "") ||
    (request.ignoreLease === true && (request.lease ?? 0n) !== 0n);
  return bad ? ["INVALID"] : [];
}

function txnShape(txn: TxnRequest, budget: number): ErrorCode[] {
  const codes: ErrorCode[] = [];
  const most = Math.max(txn.compare.length, txn.success.length, txn.failure.length);
  if (most > budget) codes.push("TOO_MANY_OPERATIONS");
  if (txn.compare.some((compare) => compare.key === "")) codes.push("INVALID");
  for (const operation of [...txn.success, ...txn.failure]) {
    if (operation.kind === "txn") codes.push(...txnShape(operation, budget - most));
    else if (operation.kind === "put") codes.push(...putShape(operation));
    else if (operation.key === "") codes.push("INVALID");
  }
  return codes;
}

/** Every way to walk the tree, one branch per transaction, as the changes it would make. */
function walks(operations: readonly TxnOperation[]): readonly (readonly TxnOperation[])[] {
  let all: (readonly TxnOperation[])[] = [[]];
  for (const operation of operations) {
    const ways = operation.kind === "txn" ? branchWalks(operation) : [[operation]];
    all = all.flatMap((before) => ways.map((way) => [...before, ...way]));
  }
  return all;
}

function branchWalks(txn: TxnRequest): readonly (readonly TxnOperation[])[] {
  return [...walks(txn.success), ...walks(txn.failure)];
}

function changedTwice(txn: TxnRequest): boolean {
  return branchWalks(txn).some((walk) =>
    walk.some(
      (one, at) =>
        one.kind === "put" &&
        walk.some(
          (other, beside) =>
            beside !== at &&
            ((other.kind === "put" && other.key === one.key) ||
              (other.kind === "deleteRange" && inRange(other, one.key))),
        ),
    ),
  );
}
