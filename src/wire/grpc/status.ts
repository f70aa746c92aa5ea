/**
 * gRPC statuses: the codes, the error that ends a call, and how its text travels in a header.
 *
 * Source: gRPC over HTTP/2, "Status" and "Status-Message" (percent-encoded UTF-8).
 */
import { utf8 } from "../../base/bytes.ts";

export const GRPC = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const;

/** How a call ends: thrown by what serves it, or told to the other side. */
export class RpcStatus extends Error {
  override readonly name = "RpcStatus";
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** `message` as the header `grpc-message` takes it. */
export function encodeStatusMessage(message: string): string {
  let out = "";
  for (const byte of utf8(message)) {
    const code = byte.charCodeAt(0);
    const plain = code >= 0x20 && code <= 0x7e && byte !== "%";
    out += plain ? byte : `%${code.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return out;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1_000,
  m: 1,
  u: 0.001,
  n: 0.000_001,
};

/** The time that a header `grpc-timeout` gives, ms. Throws `RpcStatus` if it is none. */
export function timeoutMs(header: string): number {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(header) ?? [];
  if (digits !== undefined && unit !== undefined) return Number(digits) * (UNIT_MS[unit] as number);
  throw new RpcStatus(GRPC.internal, `malformed grpc-timeout: ${JSON.stringify(header)}`);
}
