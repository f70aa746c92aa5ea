/**
 * What a request must satisfy before anything is evaluated: etcd's checks on shape, so that a transaction either
 * happens whole or not at all. Sources: etcd v3 `api/v3rpc/key.go` for the rules on operations and duplicates.
 */
import type { Bytes } from "../base/bytes.ts";
import { printable } from "../base/bytes.ts";
import type { Failure } from "../base/errors.ts";
import { failure } from "../base/errors.ts";
import type { AuthOrder, KeyRange } from "../contract/auth.ts";
import type {
  Command,
  PutRequest,
  RangeRequest,
  TxnOperation,
  TxnRequest,
} from "../contract/requests.ts";
import { scanEnd } from "./range.ts";

/** Operations that a transaction may hold in its compares and in each branch; nesting shares the budget. */
export const OPERATIONS_MAX = 128;
/** Bytes of keys and values that one request may hold. */
export const REQUEST_BYTES_MAX: number = 1.5 * (1 << 20);
/** Longest time to live, ms (9,000,000,000 s as in etcd). */
export const LEASE_TTL_MS_MAX = 9e12;

/** The first reason to refuse `command`, or undefined. */
export function invalid(command: Command | RangeRequest): Failure | undefined {
  if (requestBytes(command) > REQUEST_BYTES_MAX) {
    return failure("TOO_LARGE", {
      object: "request",
      what: `holds more than ${REQUEST_BYTES_MAX} bytes of keys and values`,
      remedy: "Store large values elsewhere and keep a reference here, or split the request.",
    });
  }
  switch (command.kind) {
    case "put":
      return invalidPut(command);
    case "deleteRange":
    case "range":
      return command.key === "" ? noKey() : undefined;
    case "txn":
      return invalidTxn(command, OPERATIONS_MAX) ?? duplicateKey(command);
    case "leaseGrant":
      return invalidTtl(command.id, command.ttlMs);
    default:
      return undefined;
  }
}

const NUMBER_BYTES = 8;

function orderBytes(order: AuthOrder): number {
  let bytes = 0;
  for (const value of Object.values(order) as readonly (string | number | KeyRange)[]) {
    if (typeof value === "number") bytes += NUMBER_BYTES;
    else if (typeof value === "string") bytes += value.length;
    else bytes += value.key.length + (value.end?.length ?? 0);
  }
  return bytes;
}

function noKey(): Failure {
  return failure("INVALID", {
    object: "key",
    what: "is empty",
    remedy: 'Name a key; for all keys use key "\\0" with end "\\0".',
  });
}

function invalidPut(put: PutRequest): Failure | undefined {
  if (put.key === "") return noKey();
  const given =
    put.ignoreValue === true && put.value !== ""
      ? "a value is given together with ignoreValue"
      : "";
  const leased =
    put.ignoreLease === true && (put.lease ?? 0n) !== 0n
      ? "a lease is given together with ignoreLease"
      : "";
  if (given === "" && leased === "") return undefined;
  return failure("INVALID", {
    object: `key ${printable(put.key)}`,
    what: given || leased,
    remedy: "Give one of the two.",
  });
}

function invalidTtl(id: bigint, ttlMs: number): Failure | undefined {
  if (ttlMs <= LEASE_TTL_MS_MAX && !Number.isNaN(ttlMs)) return undefined;
  return failure("LEASE_TTL", {
    object: `lease ${id.toString(16)}`,
    what: `a time to live of ${ttlMs} ms is too large, at most ${LEASE_TTL_MS_MAX} ms can be granted`,
    remedy: "Ask for less and keep the lease alive.",
  });
}

function invalidTxn(txn: TxnRequest, budget: number): Failure | undefined {
  const widest = Math.max(txn.compare.length, txn.success.length, txn.failure.length);
  if (widest > budget) {
    return failure("TOO_MANY_OPERATIONS", {
      object: "transaction",
      what: `holds more than ${OPERATIONS_MAX} operations in one branch, nested ones included`,
      remedy: "Split the transaction.",
    });
  }
  if (txn.compare.some((compare) => compare.key === "")) return noKey();
  for (const operation of [...txn.success, ...txn.failure]) {
    const refused =
      operation.kind === "txn"
        ? invalidTxn(operation, budget - widest)
        : operation.kind === "put"
          ? invalidPut(operation)
          : operation.key === ""
            ? noKey()
            : undefined;
    if (refused !== undefined) return refused;
  }
  return undefined;
}

interface Touched {
  readonly puts: Set<Bytes>;
  readonly deletes: { readonly key: Bytes; readonly end: Bytes | undefined }[];
}

/** A key put twice, or put and covered by a delete, on one path through the transaction. */
function duplicateKey(txn: TxnRequest): Failure | undefined {
  const found = conflict(txn.success) ?? conflict(txn.failure);
  if (typeof found !== "string") return undefined;
  return failure("DUPLICATE_KEY", {
    object: `key ${printable(found)}`,
    what: "is changed twice in one transaction",
    remedy: "Change each key once.",
  });
}

/** The key changed twice among `operations`, if there is one. */
function conflict(operations: readonly TxnOperation[]): Bytes | undefined {
  const seen: Touched = { puts: new Set(), deletes: [] };
  return touch(operations, seen);
}

function touch(operations: readonly TxnOperation[], seen: Touched): Bytes | undefined {
  for (const operation of operations) {
    if (operation.kind === "deleteRange") {
      for (const put of seen.puts) if (covers(operation, put)) return put;
      seen.deletes.push({ key: operation.key, end: operation.end });
    } else if (operation.kind === "put") {
      const again =
        seen.puts.has(operation.key) || seen.deletes.some((range) => covers(range, operation.key));
      if (again) return operation.key;
      seen.puts.add(operation.key);
    } else if (operation.kind === "txn") {
      const found = touchBranches(operation, seen);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** Only one branch of a nested transaction happens: each is held against what surrounds it, not against the other. */
function touchBranches(txn: TxnRequest, seen: Touched): Bytes | undefined {
  const fork = (): Touched => ({ puts: new Set(seen.puts), deletes: [...seen.deletes] });
  const [onSuccess, onFailure] = [fork(), fork()];
  const found = touch(txn.success, onSuccess) ?? touch(txn.failure, onFailure);
  for (const branch of [onSuccess, onFailure]) {
    for (const key of branch.puts) seen.puts.add(key);
    for (const range of branch.deletes) if (!seen.deletes.includes(range)) seen.deletes.push(range);
  }
  return found;
}

function covers(
  range: { readonly key: Bytes; readonly end?: Bytes | undefined },
  key: Bytes,
): boolean {
  if (range.end === undefined) return key === range.key;
  const end = scanEnd(range.end);
  return key >= range.key && (end === undefined || key < end);
}

function requestBytes(request: Command | RangeRequest): number {
  switch (request.kind) {
    case "put":
      return request.key.length + request.value.length;
    case "txn":
      return txnBytes(request);
    case "deleteRange":
    case "range":
      return request.key.length + (request.end?.length ?? 0);
    case "auth":
      return orderBytes(request.order);
    default:
      return 0;
  }
}

function txnBytes(txn: TxnRequest): number {
  let bytes = 0;
  for (const compare of txn.compare) {
    bytes +=
      compare.key.length + (compare.target.kind === "value" ? compare.target.value.length : 0);
  }
  for (const operation of txn.success) bytes += requestBytes(operation);
  for (const operation of txn.failure) bytes += requestBytes(operation);
  return bytes;
}
