/**
 * Evaluation of etcd transactions against the head.
 *
 * Rules (etcd v3): all compares, nested ones included, are evaluated against the state before the transaction; leases,
 * revisions and ignored fields are checked before the first write; ranges see the transaction's earlier writes; all
 * changes have one revision; a transaction that changes nothing has none.
 */
import type { Bytes } from "../base/bytes.ts";
import { printable } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import { failure, QuorateError } from "../base/errors.ts";
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
} from "../contract/requests.ts";
import type { RangeSource } from "./range.ts";
import { finish, rangeWork, scanEnd, unreadable } from "./range.ts";
import type { Scratch } from "./scratch.ts";
import { CHANGES_MAX } from "./scratch.ts";
import { plain } from "./versions.ts";

/** What evaluation needs to know of the head beside its keys. */
export interface TransactionScope {
  /** State before the transaction. */
  readonly before: RangeSource;
  readonly scratch: Scratch;
  readonly revision: number;
  readonly compactRevision: number;
  leaseAccepts(id: bigint): boolean;
  /** Committed state at a past revision. */
  at(revision: number): RangeSource;
}

/** A branch chosen for each transaction of a tree: decided before anything is written. */
interface Plan {
  readonly succeeded: boolean;
  readonly operations: readonly TxnOperation[];
  readonly nested: ReadonlyMap<TxnRequest, Plan>;
}

/** Evaluates; throws what its checks find, before any write. */
export function evaluateTxn(scope: TransactionScope, txn: TxnRequest): TxnResponse {
  const plan = planOf(scope, txn);
  check(scope, plan);
  return carryOut(scope, plan);
}

export function evaluatePut(scope: TransactionScope, put: PutRequest): PutResponse {
  checkPut(scope, put);
  return applyPut(scope, put);
}

export function evaluateDelete(
  scope: TransactionScope,
  request: DeleteRangeRequest,
): DeleteRangeResponse {
  const found: KeyValue[] = [];
  if (request.end === undefined) {
    const kv = scope.scratch.get(request.key);
    if (kv !== undefined) found.push(kv);
  } else {
    scope.scratch.scan(request.key, scanEnd(request.end), (kv) => {
      found.push(kv);
      return found.length <= CHANGES_MAX;
    });
  }
  if (found.length > CHANGES_MAX) raise(tooManyToDelete(request));
  for (const kv of found) scope.scratch.delete(kv.key);
  return {
    revision: revisionOf(scope),
    deleted: found.length,
    prevKvs: request.prevKv === true ? found.map(plain) : [],
  };
}

function tooManyToDelete({ key }: DeleteRangeRequest): Failure {
  return failure("TOO_LARGE", {
    object: `range from key ${printable(key)}`,
    what: `holds more than ${CHANGES_MAX} keys, the most that one transaction may change; none was deleted`,
    remedy: `Go page by page: read ${CHANGES_MAX} keys (keys only, with that limit), delete from the first up to just behind the last, until none is left.`,
  });
}

function planOf(scope: TransactionScope, txn: TxnRequest): Plan {
  const succeeded = txn.compare.every((compare) => holds(scope.before, compare));
  const operations = succeeded ? txn.success : txn.failure;
  const nested = new Map<TxnRequest, Plan>();
  for (const operation of operations) {
    if (operation.kind === "txn") nested.set(operation, planOf(scope, operation));
  }
  return { succeeded, operations, nested };
}

function check(scope: TransactionScope, plan: Plan): void {
  for (const operation of plan.operations) {
    if (operation.kind === "txn") check(scope, plan.nested.get(operation) as Plan);
    else if (operation.kind === "put") checkPut(scope, operation);
    else if (operation.kind === "range")
      raise(unreadable(operation.key, operation.revision, scope));
  }
}

function checkPut(scope: TransactionScope, put: PutRequest): void {
  if (
    (put.ignoreValue === true || put.ignoreLease === true) &&
    scope.before.get(put.key) === undefined
  ) {
    raise(
      failure("KEY_NOT_FOUND", {
        object: `key ${printable(put.key)}`,
        what: "does not exist, so there is no value or lease to keep",
        remedy: "Create it with a value and a lease first.",
      }),
    );
  }
  const lease = put.lease ?? 0n;
  if (lease !== 0n && !scope.leaseAccepts(lease)) raise(leaseNotFound(lease));
}

export function leaseNotFound(id: bigint): Failure {
  return failure("LEASE_NOT_FOUND", {
    object: `lease ${id.toString(16)}`,
    what: "does not exist: it has expired, was revoked or was never granted",
    remedy: "Grant a new lease and attach the keys again.",
  });
}

function raise(refused: Failure | undefined): void {
  if (refused !== undefined) throw new QuorateError(refused);
}

function carryOut(scope: TransactionScope, plan: Plan): TxnResponse {
  const responses = plan.operations.map((operation) => carryOutOne(scope, plan, operation));
  return { revision: revisionOf(scope), succeeded: plan.succeeded, responses };
}

function carryOutOne(
  scope: TransactionScope,
  plan: Plan,
  operation: TxnOperation,
): TxnOperationResponse {
  switch (operation.kind) {
    case "range":
      return { kind: "range", ...rangeWithin(scope, operation) };
    case "put":
      return { kind: "put", ...applyPut(scope, operation) };
    case "deleteRange":
      return { kind: "deleteRange", ...evaluateDelete(scope, operation) };
    case "txn":
      return { kind: "txn", ...carryOut(scope, plan.nested.get(operation) as Plan) };
  }
}

function rangeWithin(scope: TransactionScope, request: RangeRequest): RangeResponse {
  const past = request.revision !== undefined && request.revision > 0;
  const source = past ? scope.at(request.revision) : scope.scratch;
  return finish(rangeWork(source, request, revisionOf(scope)));
}

function applyPut(scope: TransactionScope, put: PutRequest): PutResponse {
  const present =
    put.ignoreValue === true || put.ignoreLease === true ? scope.scratch.get(put.key) : undefined;
  const value = put.ignoreValue === true ? (present?.value ?? ("" as Bytes)) : put.value;
  const lease = put.ignoreLease === true ? (present?.lease ?? 0n) : (put.lease ?? 0n);
  const before = scope.scratch.put(put.key, value, lease);
  const revision = revisionOf(scope);
  return put.prevKv === true && before !== undefined
    ? { revision, prevKv: plain(before) }
    : { revision };
}

/** The revision that answers carry: the transaction's own once it has changed something. */
function revisionOf(scope: TransactionScope): number {
  return scope.scratch.changes.length > 0 ? scope.scratch.revision : scope.revision;
}

const ABSENT: KeyValue = {
  key: "" as Bytes,
  value: "" as Bytes,
  createRevision: 0,
  modRevision: 0,
  version: 0,
  lease: 0n,
};

function holds(source: RangeSource, compare: Compare): boolean {
  if (compare.end === undefined) return holdsFor(source.get(compare.key) ?? ABSENT, compare);
  let any = false;
  const all = source.scan(compare.key, scanEnd(compare.end), (kv) => {
    any = true;
    return holdsFor(kv, compare);
  });
  return any ? all : holdsFor(ABSENT, compare);
}

function holdsFor(kv: KeyValue, compare: Compare): boolean {
  const { target, result } = compare;
  // A value compare on a missing key is false whatever it asks.
  if (target.kind === "value") return kv.version !== 0 && ordered(kv.value, target.value, result);
  if (target.kind === "lease") return ordered(kv.lease, target.value, result);
  const number =
    target.kind === "version"
      ? kv.version
      : target.kind === "create"
        ? kv.createRevision
        : kv.modRevision;
  return ordered(number, target.value, result);
}

function ordered<T extends string | number | bigint>(
  left: T,
  right: T,
  result: Compare["result"],
): boolean {
  switch (result) {
    case "equal":
      return left === right;
    case "notEqual":
      return left !== right;
    case "greater":
      return left > right;
    case "less":
      return left < right;
  }
}
