/** What a driver says when it cannot go on. */
import { AssertionFailure } from "../base/assert.ts";
import type { Failure } from "../base/errors.ts";
import { fail, failure, QuorateError } from "../base/errors.ts";
import type { Disk } from "../ports/disk.ts";

/** What to do about a damaged directory of which nobody else has what it held. */
export const RESTORE: string =
  "Restore a snapshot that verifies into an empty directory; nothing here was changed.";

export function closing(label: string): Failure {
  return failure("SHUTDOWN", {
    object: label,
    what: "is closing and takes no more requests",
    remedy: "Connect to another one, or wait until it is back.",
  });
}

export function diskFailed(label: string, error: unknown): Failure {
  if (error instanceof AssertionFailure) return bug(label, error);
  if (QuorateError.is(error)) return error.failure;
  return failure("DISK", {
    object: label,
    what: `a write failed (${error instanceof Error ? error.message : String(error)}), and a failed flush must not be tried again`,
    remedy: "Look at the data directory: is it there, its space, quota, disk; then start again.",
  });
}

/** Of a watch whose history was replaced: it can be read on from where it was, by asking again. */
export function replaced(label: string): Failure {
  return failure("LEADER_CHANGED", {
    object: label,
    what: "was so far behind that its state was replaced by a newer one",
    remedy: "Watch again from the revision after the last one seen.",
    outcome: "definite",
  });
}

export function bug(label: string, error: unknown): Failure {
  return failure("BUG", {
    object: label,
    what: `stopped on a broken invariant: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    remedy: "Keep the data directory and report this; starting again replays the log.",
  });
}

/** The other members write what this version does not read. */
export function outgrown(label: string, format: number, newest: number): Failure {
  return failure("LAYOUT", {
    object: label,
    what: `reads formats up to ${newest}, and its cluster writes format ${format} by now`,
    remedy: "Run the version that the other members run.",
    outcome: "definite",
    details: { found: format, newest },
  });
}

/** What the operating system says of a directory while it is opened; nothing has been promised by then. */
export function unusable(disk: Disk, error: unknown): unknown {
  if (QuorateError.is(error) || error instanceof AssertionFailure) return error;
  return fail(
    "DISK",
    {
      object: `data directory ${disk.label}`,
      what: `cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      remedy: "Look at its permissions, space and limits; quorate doctor checks them.",
      outcome: "definite",
    },
    error,
  );
}
