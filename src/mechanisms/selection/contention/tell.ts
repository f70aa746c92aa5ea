/** Telling the engine of a departure until it knows: a heartbeat would keep what was let go. */
import type { CommitmentPlane, Session } from "../../../contract/plane.ts";
import type { Clock } from "../../../ports/clock.ts";
import { idle, sleep } from "../../../ports/clock.ts";

/** Delay before the engine is told again, ms; doubles. */
const RETRY_MS = 50;
/**
 * How long an engine may still carry out a request that it gave no answer to, ms. etcd lets go of one after 5 s and two
 * election time-outs: 7 s, unless it is set up for slower elections.
 */
const UNDER_WAY_MS = 10_000;

/** What tells: its time, and until when there is something to tell. */
export interface Teller {
  readonly clock: Clock;
  /** Aborts when what is told of has ended by itself. */
  readonly signal: AbortSignal;
  /** The longest time between two attempts, ms. */
  readonly delayMsMax: number;
}

function tellerOf({ clock }: CommitmentPlane, { signal, ttlMs }: Session): Teller {
  return { clock, signal, delayMsMax: ttlMs / 3 };
}

/** One attempt is awaited; if it fails, others follow for as long as the session lives. Never throws. */
export async function tell(
  plane: CommitmentPlane,
  session: Session,
  attempt: () => Promise<unknown>,
): Promise<void> {
  if (!(await succeeds(attempt))) void keepTelling(tellerOf(plane, session), attempt);
}

/** Telling it of the departure of what may not have come yet: at once, and again when it can come no more. */
export function tellOfLate(
  plane: CommitmentPlane,
  session: Session,
  attempt: () => Promise<unknown>,
): void {
  // With the session goes whatever came of it.
  void tellLate(tellerOf(plane, session), attempt);
}

/** Resolves when it has been told both times, or there is nothing to tell any more. Never rejects. */
export async function tellLate(teller: Teller, attempt: () => Promise<unknown>): Promise<void> {
  const { clock, signal } = teller;
  const told = untilTold(teller, attempt);
  await sleep(idle(clock), UNDER_WAY_MS, signal);
  if (!signal.aborted) await untilTold(teller, attempt);
  await told;
}

async function untilTold(teller: Teller, attempt: () => Promise<unknown>): Promise<void> {
  if (!(await succeeds(attempt))) await keepTelling(teller, attempt);
}

async function keepTelling(
  { clock, signal, delayMsMax }: Teller,
  attempt: () => Promise<unknown>,
): Promise<void> {
  let delayMs = RETRY_MS;
  do {
    await sleep(clock, delayMs, signal);
    delayMs = Math.min(2 * delayMs, delayMsMax);
  } while (!signal.aborted && !(await succeeds(attempt)));
}

async function succeeds(attempt: () => Promise<unknown>): Promise<boolean> {
  return await attempt().then(
    () => true,
    () => false,
  );
}
