/**
 * What a gRPC status of etcd means: by its message, as etcd's own clients tell them apart, else by its code.
 * Source: etcd `api/v3rpc/rpctypes/error.go`.
 */
import type { ErrorCode, Failure } from "../../base/errors.ts";
import { fail, failure } from "../../base/errors.ts";
import type { GrpcStatus } from "../../ports/grpc.ts";

const BY_MESSAGE: readonly (readonly [RegExp, ErrorCode, string])[] = [
  [/has been compacted/, "COMPACTED", "Read at a newer revision."],
  [/future revision/, "FUTURE_REVISION", "Read at a revision that exists."],
  [/requested lease not found/, "LEASE_NOT_FOUND", "Grant a lease and use its id."],
  [/lease already exists/, "LEASE_EXISTS", "Use another id, or 0 to have one chosen."],
  [/too large lease TTL/, "LEASE_TTL", "Ask for less."],
  [
    /database space exceeded/,
    "QUOTA",
    "Compact, defragment and disarm the alarm, or raise etcd's quota.",
  ],
  [/too many requests/, "OVERLOADED", "Send less at once."],
  [/request is too large|larger than max/, "TOO_LARGE", "Send less at once."],
  [
    /too many operations/,
    "TOO_MANY_OPERATIONS",
    "Split the transaction, or raise etcd's --max-txn-ops.",
  ],
  [/duplicate key given/, "DUPLICATE_KEY", "Change each key once in a transaction."],
  [/etcdserver: key not found/, "KEY_NOT_FOUND", "Put the key before changing a part of it."],
];

const BY_CODE: Readonly<Record<number, ErrorCode>> = {
  1: "UNAVAILABLE",
  3: "INVALID",
  4: "TIMEOUT",
  5: "INVALID",
  7: "CONFIG",
  8: "OVERLOADED",
  9: "INVALID",
  11: "INVALID",
  12: "GUARANTEE",
  14: "UNAVAILABLE",
  16: "CONFIG",
};

/** Statuses of a stream that was reset, too: nothing is known then of what was asked. */
const RESET: ReadonlySet<number> = new Set([1, 8]);

const REMEDY: Partial<Record<ErrorCode, string>> = {
  UNAVAILABLE: "Check that etcd runs there and has a leader.",
  CONFIG: "Give etcd's user name and password, and its permission.",
  TIMEOUT: "Read the state before repeating it.",
};

/** The failure of a call about `object`. A call that never left is definite. */
export function failureOf(status: GrpcStatus, object: string): Failure {
  const named = BY_MESSAGE.find(([pattern]) => pattern.test(status.message));
  const code = named?.[1] ?? BY_CODE[status.code] ?? "UNAVAILABLE";
  const remedy = named?.[2] ?? REMEDY[code] ?? "Correct the request.";
  const isLost = named === undefined && RESET.has(status.code);
  const outcome = status.unsent ? "definite" : isLost ? "indefinite" : undefined;
  return failure(code, { object, what: `failed: ${status.message}`, remedy, outcome });
}

/** What `read` makes of bytes about `object`; throws PROTOCOL for what is no message of etcd's. */
export function understood<T>(object: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const what = `was answered with what is no message of etcd's (${(error as Error).message})`;
    const remedy = "Check that an etcd is at that address, and nothing else in between.";
    throw fail("PROTOCOL", { object, what, remedy }, error);
  }
}
