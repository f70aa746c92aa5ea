/** Telling the engine of a departure until it knows: a heartbeat would keep what was let go. */
import type { CommitmentPlane, Session } from "../../../contract/plane.ts";
import { sleep } from "../../../ports/clock.ts";

/** Delay before the engine is told again, ms; doubles. */
const RETRY_MS = 50;
/**
 * How long an engine may still carry out a request that it gave no answer to, ms. etcd lets go of one after 5 s and two
 * election time-outs: 7 s, unless it is set up for slower elections.
 */
const UNDER_WAY_MS = 10_000;

/** One attempt is awaited; if it fails, others follow for as long as the session lives. Never throws. */
export async function tell(
  plane: CommitmentPlane,
  session: Session,
  attempt: () => Promise<unknown>,
): Promise<void> {
  if (!(await succeeds(attempt))) void keepTelling(plane, session, attempt);
}

/** Telling it of the departure of what may not have come yet: at once, and again when it can come no more. */
export function tellOfLate(
  plane: CommitmentPlane,
  session: Session,
  attempt: () => Promise<unknown>,
): void {
  void tell(plane, session, attempt);
  const again = (): void => {
    session.signal.removeEventListener("abort", cancel);
    void tell(plane, session, attempt);
  };
  const cancel = plane.clock.after(UNDER_WAY_MS, again, { idle: true });
  // With the session goes whatever came of it.
  session.signal.addEventListener("abort", cancel, { once: true });
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
