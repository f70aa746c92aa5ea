/**
 * The one error class. Every failure says which code it is, whether the operation can have happened, whether to try
 * again, what it concerns and what to do. Answers ("held by another") are values, never errors; bugs are
 * `AssertionFailure`.
 *
 * Invariants: I1 codes are a closed union, each described in `docs/spec/errors.md`. I2 an error of unknown origin is
 * indefinite. I3 the message begins with the code and the outcome.
 * Source: definite and indefinite errors as in Maelstrom's protocol document.
 * Leaves out: the maps to gRPC and HTTP status (floor `wire`).
 */

/** The closed set of codes. */
export type ErrorCode =
  | "ABORTED"
  | "TIMEOUT"
  | "UNAVAILABLE"
  | "CLOSED"
  | "INVALID"
  | "CONFIG"
  | "GUARANTEE"
  | "ENGINE_MISSING"
  | "LOST"
  | "EXPIRED"
  | "CANCELLED"
  | "SHUTDOWN"
  | "STALE_TOKEN"
  | "CONTENTION"
  | "OVERLOADED"
  | "NOT_LEADER"
  | "LEADER_CHANGED"
  | "CALLER_UNKNOWN"
  | "PROCEDURE_UNKNOWN"
  | "QUOTA"
  | "COMPACTED"
  | "FUTURE_REVISION"
  | "TOO_LARGE"
  | "TOO_MANY_OPERATIONS"
  | "DUPLICATE_KEY"
  | "KEY_NOT_FOUND"
  | "LEASE_NOT_FOUND"
  | "LEASE_EXISTS"
  | "LEASE_TTL"
  | "UNAUTHENTICATED"
  | "PERMISSION_DENIED"
  | "AUTH_STALE"
  | "AUTH_REFUSED"
  | "SLOW_CONSUMER"
  | "LAYOUT"
  | "PROTOCOL"
  | "DATA_DIR_IN_USE"
  | "DAMAGED"
  | "DISK"
  | "BUG"
  | "CLOCK_JUMP"
  | "ADDRESS_IN_USE"
  | "DEADLOCK"
  | "REVOKED";
/** What each code means for the caller, unless the site knows better. */
export const ERROR_CODES: Readonly<
  Record<ErrorCode, { readonly outcome: Outcome; readonly retry: Retry }>
> = {
  ABORTED: { outcome: "indefinite", retry: "never" },
  TIMEOUT: { outcome: "indefinite", retry: "backoff" },
  UNAVAILABLE: { outcome: "indefinite", retry: "backoff" },
  CLOSED: { outcome: "definite", retry: "never" },
  INVALID: { outcome: "definite", retry: "never" },
  CONFIG: { outcome: "definite", retry: "never" },
  GUARANTEE: { outcome: "definite", retry: "never" },
  ENGINE_MISSING: { outcome: "definite", retry: "never" },
  LOST: { outcome: "definite", retry: "never" },
  EXPIRED: { outcome: "definite", retry: "never" },
  CANCELLED: { outcome: "definite", retry: "never" },
  SHUTDOWN: { outcome: "definite", retry: "backoff" },
  STALE_TOKEN: { outcome: "definite", retry: "never" },
  CONTENTION: { outcome: "definite", retry: "backoff" },
  OVERLOADED: { outcome: "definite", retry: "backoff" },
  NOT_LEADER: { outcome: "definite", retry: "now" },
  LEADER_CHANGED: { outcome: "indefinite", retry: "now" },
  CALLER_UNKNOWN: { outcome: "indefinite", retry: "never" },
  PROCEDURE_UNKNOWN: { outcome: "definite", retry: "never" },
  QUOTA: { outcome: "definite", retry: "never" },
  COMPACTED: { outcome: "definite", retry: "never" },
  FUTURE_REVISION: { outcome: "definite", retry: "never" },
  TOO_LARGE: { outcome: "definite", retry: "never" },
  TOO_MANY_OPERATIONS: { outcome: "definite", retry: "never" },
  DUPLICATE_KEY: { outcome: "definite", retry: "never" },
  KEY_NOT_FOUND: { outcome: "definite", retry: "never" },
  LEASE_NOT_FOUND: { outcome: "definite", retry: "never" },
  LEASE_EXISTS: { outcome: "definite", retry: "never" },
  LEASE_TTL: { outcome: "definite", retry: "never" },
  UNAUTHENTICATED: { outcome: "definite", retry: "never" },
  PERMISSION_DENIED: { outcome: "definite", retry: "never" },
  AUTH_STALE: { outcome: "definite", retry: "now" },
  AUTH_REFUSED: { outcome: "definite", retry: "never" },
  SLOW_CONSUMER: { outcome: "definite", retry: "now" },
  LAYOUT: { outcome: "definite", retry: "never" },
  PROTOCOL: { outcome: "indefinite", retry: "never" },
  DATA_DIR_IN_USE: { outcome: "definite", retry: "never" },
  DAMAGED: { outcome: "definite", retry: "never" },
  DISK: { outcome: "indefinite", retry: "never" },
  BUG: { outcome: "indefinite", retry: "never" },
  CLOCK_JUMP: { outcome: "definite", retry: "never" },
  ADDRESS_IN_USE: { outcome: "definite", retry: "never" },
  DEADLOCK: { outcome: "definite", retry: "never" },
  REVOKED: { outcome: "definite", retry: "never" },
};

/** Whether the operation certainly did not happen (`definite`) or may have (`indefinite`). */
export type Outcome = "definite" | "indefinite";
/** `now`: the same call can succeed at once; `backoff`: later; `never`: not without a change. */
export type Retry = "never" | "now" | "backoff";

/** A failure as plain data: what crosses the wire and what the synchronous floors return. */
export interface Failure {
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly retry: Retry;
  /** What it concerns: `lock orders/42`, `key a/b`, `data directory ./.quorate`. */
  readonly object: string;
  /** What happened, one sentence without the object and without a full stop. */
  readonly what: string;
  /** Who is in the way, where somebody is. */
  readonly holder?: string | undefined;
  /** What to do about it, one sentence. */
  readonly remedy: string;
  /** Figures that a program needs, such as `compactRevision`. */
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/** What a site says to make a failure; outcome and retry default to those of the code. */
export interface FailureInit {
  readonly object: string;
  readonly what: string;
  readonly remedy: string;
  readonly outcome?: Outcome | undefined;
  readonly retry?: Retry | undefined;
  readonly holder?: string | undefined;
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined;
}

/** Makes a failure of `code`. */
export function failure(code: ErrorCode, init: FailureInit): Failure {
  const usual = ERROR_CODES[code];
  return {
    code,
    outcome: init.outcome ?? usual.outcome,
    retry: init.retry ?? usual.retry,
    object: init.object,
    what: init.what,
    remedy: init.remedy,
    ...(init.holder === undefined ? {} : { holder: init.holder }),
    ...(init.details === undefined ? {} : { details: init.details }),
  };
}

const BRAND: unique symbol = Symbol.for("quorate.error") as never;

/** The error that every public function throws. Narrow with `QuorateError.is(error, "LOST")`. */
export class QuorateError extends Error {
  override readonly name: string;
  readonly code: ErrorCode;
  readonly outcome: Outcome;
  readonly retry: Retry;
  readonly object: string;
  readonly holder: string | undefined;
  readonly help: string;
  readonly details: Readonly<Record<string, string | number | boolean>>;
  readonly failure: Failure;

  constructor(from: Failure, cause?: unknown) {
    super(describe(from), cause === undefined ? undefined : { cause });
    this.name = from.code === "ABORTED" ? "AbortError" : "QuorateError";
    this.code = from.code;
    this.outcome = from.outcome;
    this.retry = from.retry;
    this.object = from.object;
    this.holder = from.holder;
    this.help = from.remedy;
    this.details = from.details ?? {};
    this.failure = from;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** True for a `QuorateError` (of `code`, if given), also one from another copy of the package. */
  static is(error: unknown, code?: ErrorCode): error is QuorateError {
    if (typeof error !== "object" || error === null || !(BRAND in error)) return false;
    return code === undefined || (error as unknown as QuorateError).code === code;
  }
}

function describe(from: Failure): string {
  const holder = from.holder === undefined ? "" : ` Held by ${from.holder}.`;
  return `${from.code} (${from.outcome}) ${from.object}: ${from.what}.${holder} ${from.remedy} quorate help ${from.code}`;
}

/** Shorthand for `throw fail("INVALID", {…})`. */
export function fail(code: ErrorCode, init: FailureInit, cause?: unknown): QuorateError {
  return new QuorateError(failure(code, init), cause);
}

/** The failure in `error`; what is not a `QuorateError` is unknown and therefore indefinite. */
export function asFailure(error: unknown, object: string): Failure {
  if (QuorateError.is(error)) return error.failure;
  return failure("UNAVAILABLE", {
    object,
    what: `failed in a way that is not known: ${error instanceof Error ? error.message : String(error)}`,
    remedy: "Read the state before trying again.",
  });
}
