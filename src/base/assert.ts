/**
 * Assertions: on in production, because a component that others trust must stop rather than continue on a broken
 * invariant. A failed assertion is a bug of ours, never an answer to the caller; whoever owns the process decides to
 * stop the node. Leaves out: validation of input (that is a `QuorateError` with code INVALID).
 */

/** Thrown when an invariant of the code itself does not hold. Not a `QuorateError`: nobody can handle it. */
export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/** Throws `AssertionFailure` unless `condition` holds. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionFailure(message);
}

/** Returns `value`, which the caller knows to be present; `why` says how it knows. */
export function must<T>(value: T | undefined | null, why: string): T {
  if (value === undefined || value === null) throw new AssertionFailure(`expected a value: ${why}`);
  return value;
}

/** Closes an exhaustive switch: a new case that nobody handles fails to compile. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable: ${JSON.stringify(value)}`);
}
