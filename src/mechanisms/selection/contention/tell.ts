/** Telling the engine of a departure until it knows: a heartbeat would keep what was let go. */
import type { CommitmentPlane, Session } from "../../../contract/plane.ts";
import { sleep } from "../../../ports/clock.ts";

/** Delay before the engine is told again, ms; doubles. */
const RETRY_MS = 50;

/** One attempt is awaited; if it fails, others follow for as long as the session lives. Never throws. */
export async function tell(
  plane: CommitmentPlane,
  session: Session,
  attempt: () => Promise<unknown>,
): Promise<void> {
  if (!(await succeeds(attempt))) void keepTelling(plane, session, attempt);
}

async function keepTelling(
  plane: CommitmentPlane,
  session: Session,
  attempt: () => Promise<unknown>,
): Promise<void> {
  let delayMs = RETRY_MS;
  do {
    await sleep(plane.clock, delayMs, session.signal);
    delayMs = Math.min(2 * delayMs, session.ttlMs / 3);
  } while (!session.signal.aborted && !(await succeeds(attempt)));
}

async function succeeds(attempt: () => Promise<unknown>): Promise<boolean> {
  return await attempt().then(
    () => true,
    () => false,
  );
}
