/**
 * What each error code means and what to do about it: `quorate help CODE` and `docs/spec/errors.md`
 * read this table.
 *
 * Invariants: I1 every code of `base/errors.ts` has exactly one row (the type says so). I2 outcome
 * and retry are not repeated here: they are `ERROR_CODES`.
 */
import { ERROR_CODES, type ErrorCode } from "../base/errors.ts";

/** The person's side of a code. */
export interface ErrorHelp {
  /** When it comes. */
  readonly cause: string;
  /** What is certain about the operation. */
  readonly effect: string;
  /** What to do. */
  readonly remedy: string;
}

const NONE = "Nothing was changed.";
const OPEN = "It may or may not have happened.";

/** One row per code. */
export const ERROR_HELP: Readonly<Record<ErrorCode, ErrorHelp>> = {
  ABORTED: {
    cause: "The caller's signal was aborted while the call waited.",
    effect:
      "Aborted before it was sent, nothing happened; afterwards it may have. The error's outcome says which.",
    remedy:
      "If it was indefinite, read the state before repeating anything that is not idempotent.",
  },
  TIMEOUT: {
    cause: "The engine did not answer within timeoutMs.",
    effect: `${OPEN} Only a request that was never sent is definite.`,
    remedy:
      "Check that the server is up and not overloaded (quorate status, quorate doctor); raise --timeout-ms.",
  },
  UNAVAILABLE: {
    cause: "The engine cannot be reached, or the connection broke during the call.",
    effect: `${OPEN} If the request was never sent, the error says definite.`,
    remedy: "Check the url and that the server runs (quorate status); try again with backoff.",
  },
  CLOSED: {
    cause: "The connection, handle or watch was closed earlier in this program.",
    effect: NONE,
    remedy:
      "Keep the connection open for as long as it is used; the message names what was closed.",
  },
  INVALID: {
    cause: "An argument can never be right: an empty key, a negative limit, an unknown option.",
    effect: NONE,
    remedy: "Correct the argument that the message names.",
  },
  CONFIG: {
    cause:
      "A setting, flag, environment variable or key of the configuration file cannot be meant.",
    effect: "Nothing was started.",
    remedy: "Correct the place that the message names; quorate serve --help lists all settings.",
  },
  GUARANTEE: {
    cause: "The engine gives less than the mechanism needs, or than the program asked for.",
    effect: NONE,
    remedy: "Use an engine that gives it, or accept the weaker level by name.",
  },
  ENGINE_MISSING: {
    cause: "The url names an engine whose client package is not installed.",
    effect: NONE,
    remedy: "Install the package with the command in the message.",
  },
  LOST: {
    cause:
      "The session could not be renewed in time: network, a stopped process or a blocked event loop.",
    effect:
      "What was held is no longer yours, and another may hold it. Guarded writes with the old token are refused.",
    remedy:
      "Stop the work when held.signal aborts; move long work off the event loop; raise sessionTtlMs.",
  },
  EXPIRED: {
    cause: "The lease behind what was held ran out at the engine.",
    effect: "What was held is no longer yours.",
    remedy: "Acquire again; if it happens under load, raise the TTL.",
  },
  CANCELLED: {
    cause: "The work was cancelled by name, from this process or another.",
    effect: "The work was asked to stop; what it had done by then stays done.",
    remedy: "None is needed: somebody wanted this.",
  },
  REVOKED: {
    cause: "Somebody asked for what is held and was acquired as revocable (lock.revoke).",
    effect: "It is still held; it was asked for, not taken.",
    remedy: "Finish the work in hand and release it.",
  },
  SHUTDOWN: {
    cause: "The server, or this process, is shutting down and admits nothing new.",
    effect: NONE,
    remedy: "Try again with backoff: at another server, or when this one is back.",
  },
  DEADLOCK: {
    cause:
      "Those in front wait, directly or through others, for what this caller holds and said it keeps meanwhile (within).",
    effect: "Nothing was acquired, and the queue was left; what was held before is still held.",
    remedy:
      "Release what is held and begin again after a random moment, so that the others go on first; or acquire all of it at once (q.locks).",
  },
  STALE_TOKEN: {
    cause: "A guarded write came with a lower fencing token than the resource has seen.",
    effect: "The write was refused: a later holder exists.",
    remedy: "Stop this work and acquire again; never retry with the same token.",
  },
  CONTENTION: {
    cause: "An optimistic transaction lost to others more often than its budget allows.",
    effect: NONE,
    remedy:
      "Retry with backoff; touch fewer keys, or a native engine, which runs procedures at the leader.",
  },
  OVERLOADED: {
    cause: "A limit on requests in flight or on queued bytes is reached.",
    effect: NONE,
    remedy: "Retry with backoff; send less at once; look at quorate doctor for a slow disk.",
  },
  NOT_LEADER: {
    cause: "The member asked does not lead, or stopped leading before it evaluated the request.",
    effect: NONE,
    remedy: "Ask again: the client finds the leader.",
  },
  LEADER_CHANGED: {
    cause: "The leader changed after the request was written and before it was committed.",
    effect: OPEN,
    remedy: "Ask again with the same caller (the SDK does so by itself), or read the state first.",
  },
  CALLER_UNKNOWN: {
    cause:
      "The server no longer remembers the client's deduplication identity: it was away for too long.",
    effect: `${OPEN} The stored reply is gone.`,
    remedy: "Read the state, then decide whether to repeat the command.",
  },
  PROCEDURE_UNKNOWN: {
    cause: "The server does not know a procedure of that name and version.",
    effect: NONE,
    remedy: "Upgrade the server, or let the client evaluate the procedure.",
  },
  QUOTA: {
    cause: "The store is full, or the write would fill it beyond --quota-bytes.",
    effect: "The write was refused; reads, deletes and compaction still work.",
    remedy:
      "Delete what is not needed, quorate compact, quorate alarm clear NOSPACE; or raise --quota-bytes.",
  },
  COMPACTED: {
    cause: "The revision asked for is older than the history that is kept.",
    effect: NONE,
    remedy: "Read the present state, then watch from its revision plus one; see --history-keep.",
  },
  FUTURE_REVISION: {
    cause: "The revision asked for has not happened yet.",
    effect: NONE,
    remedy: "Read without a revision; a store that went back was restored without its bump.",
  },
  TOO_LARGE: {
    cause: "A request, key or value is larger than the limit that the message names.",
    effect: NONE,
    remedy: "Split it, or keep the data elsewhere and coordinate by reference.",
  },
  TOO_MANY_OPERATIONS: {
    cause: "A transaction has more operations than are allowed in one.",
    effect: NONE,
    remedy: "Split it into several transactions.",
  },
  DUPLICATE_KEY: {
    cause: "One transaction writes the same key twice.",
    effect: NONE,
    remedy: "Write each key once per transaction.",
  },
  KEY_NOT_FOUND: {
    cause: "A write that keeps the present value or lease found no such key.",
    effect: NONE,
    remedy: "Create the key first, or give value and lease.",
  },
  LEASE_NOT_FOUND: {
    cause: "The lease does not exist: it ran out, was revoked, or never was.",
    effect: NONE,
    remedy: "Grant a new lease (quorate lease grant).",
  },
  LEASE_EXISTS: {
    cause: "A lease was asked for by an id that is taken.",
    effect: NONE,
    remedy: "Leave the id out, and the server chooses.",
  },
  LEASE_TTL: {
    cause: "The TTL of a lease is outside what is allowed.",
    effect: NONE,
    remedy: "Give a TTL above zero and below the limit in the message.",
  },
  UNAUTHENTICATED: {
    cause:
      "Users are enabled, and the client names none, or its password or token is not the right one.",
    effect: NONE,
    remedy: "Give --user NAME:PASSWORD, or credentials in the url; look at auth status.",
  },
  PERMISSION_DENIED: {
    cause: "The user's roles do not cover all keys that the request would read or write.",
    effect: NONE,
    remedy: "Let root grant the missing permission to one of the user's roles.",
  },
  AUTH_STALE: {
    cause: "Users or roles changed between the look at the credentials and the request.",
    effect: NONE,
    remedy: "Ask again; a client with a signed token authenticates again first.",
  },
  AUTH_REFUSED: {
    cause: "An order about users or roles contradicts what there is, or would leave no root.",
    effect: NONE,
    remedy: "Look at auth user list and auth role list; correct the name that the message gives.",
  },
  SLOW_CONSUMER: {
    cause: "A watch fell too far behind what the server keeps.",
    effect: "No event was skipped before the end; the error says the revision to go on from.",
    remedy: "Read faster, and watch again from resumeRevision.",
  },
  LAYOUT: {
    cause: "A stored record has a layout that this version cannot read: newer, or not ours.",
    effect: NONE,
    remedy: "Upgrade this program, or find who wrote under that prefix.",
  },
  PROTOCOL: {
    cause: "The other side sent bytes that are not the protocol.",
    effect: OPEN,
    remedy:
      "Check that the url names a Quorate server of a compatible version and not another service.",
  },
  DATA_DIR_IN_USE: {
    cause:
      "Another live process has the data directory, and this one cannot attach to it: it is a server that was to be started, or that process is of another user, speaks another protocol or does not answer.",
    effect: "Nothing was opened.",
    remedy:
      "Connect to that process (its url is in the message), stop it, or use another directory.",
  },
  DAMAGED: {
    cause: "A file of the data directory fails its checksums somewhere that no crash explains.",
    effect: "Nothing was opened or cut: the directory is as it was.",
    remedy:
      "Copy the directory, run quorate log inspect DIR, check the disk, restore a snapshot into a new directory.",
  },
  DISK: {
    cause: "A write or a flush to the data directory failed, or the disk is full.",
    effect: `The server stopped before acknowledging. ${OPEN}`,
    remedy: "Free space or replace the disk, run quorate doctor, and start again.",
  },
  CLOCK_JUMP: {
    cause: "The wall clock is more than 24 h from the time stored in the data directory.",
    effect: "Nothing was started.",
    remedy:
      "Correct the machine's clock; if the clock is right, start once with --accept-clock-jump.",
  },
  ADDRESS_IN_USE: {
    cause: "Another process listens on the address.",
    effect: "Nothing was started.",
    remedy:
      "Stop that process, or give another --listen; quorate doctor says who it is where it can tell.",
  },
  BUG: {
    cause: "The program broke an assumption of its own and stopped before doing harm.",
    effect: OPEN,
    remedy:
      "Restart it, keep its last log lines and a copy of the data directory, and report them.",
  },
};

/** The text of `quorate help CODE`. */
export function errorHelp(code: ErrorCode): string {
  const { outcome, retry } = ERROR_CODES[code];
  const { cause, effect, remedy } = ERROR_HELP[code];
  const again = {
    never: "not without a change",
    now: "at once",
    backoff: "later, waiting longer each time",
  }[retry];
  return [
    `${code} (usually ${outcome})`,
    "",
    `Cause    ${cause}`,
    `Effect   ${effect}`,
    `Remedy   ${remedy}`,
    `Retry    ${again}`,
  ].join("\n");
}

/** The text of `docs/spec/errors.md`. */
export function errorReference(): string {
  const codes = Object.keys(ERROR_HELP) as ErrorCode[];
  const sections = codes.map((code) => {
    const { outcome, retry } = ERROR_CODES[code];
    const { cause, effect, remedy } = ERROR_HELP[code];
    return `## ${code}\n\nUsually ${outcome}; retry: ${retry}.\n\n- **Cause.** ${cause}\n- **Effect.** ${effect}\n- **Remedy.** ${remedy}\n`;
  });
  return `# Error codes\n\n${INTRODUCTION}\n\n${sections.join("\n")}`;
}

const INTRODUCTION = `Every failure has a code of this list and says whether the operation certainly did
not happen (*definite*) or may have (*indefinite*). The outcome here is the usual
one: a place that knows better says so in the error. \`quorate help CODE\` prints
the same text.`;
