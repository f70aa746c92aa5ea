/**
 * How an attempt at a procedure stops at a read that is not at hand. The procedure may swallow the exception; the
 * transaction is poisoned all the same, and its owner discards whatever the attempt returned or wrote.
 */

/** Thrown out of a read whose answer must be fetched first. Not an error: nobody outside the evaluator sees it. */
export class Suspension extends Error {
  override readonly name = "Suspension";
  constructor() {
    super("a read is being fetched: let this exception pass");
  }
}
