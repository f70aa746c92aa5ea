/** An engine that has no such lease has ended the session before its next renewal found out. */
import { QuorateError } from "../../../base/errors.ts";
import type { Session } from "../../../contract/plane.ts";

/**
 * What a call under the lease of `session` has failed with, as its caller should know it. LEASE_NOT_FOUND is the end of
 * the session: EXPIRED, or how else it has ended; the next call opens another one.
 */
export function endedBy(session: Session, error: unknown): unknown {
  if (!QuorateError.is(error, "LEASE_NOT_FOUND")) return error;
  session.gone();
  return session.signal.reason;
}
