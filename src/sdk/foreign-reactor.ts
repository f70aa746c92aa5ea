/**
 * Acts on deadlines where the engine does not run our code: one of the connected sessions does it for all.
 *
 * Invariants: I1 whoever holds the lock `quorate/reactor` fires what is due; two would do no harm, because each record
 * is fired by the transaction that removes it. I2 nothing here keeps the process alive: it looks again from time to
 * time and holds no watch. Cost: one look at the lock in each half of a session's time; of its holder one range a second.
 */
import { fireDue, prefixed } from "../contract/due.ts";
import type { CommitmentPlane, Session } from "../contract/plane.ts";
import { procedureSet } from "../contract/procedure.ts";
import { idleClock } from "../host/clock.ts";
import { allProcedures } from "../mechanisms/procedures.ts";
import { lock } from "../mechanisms/selection/lock/lock.ts";
import { sleep } from "../ports/clock.ts";
import { react } from "../service/reactor.ts";

const LOCK = "quorate/reactor";

/** Takes part in it until `session` ends. */
export async function reactWhileHeld(plane: CommitmentPlane, session: Session): Promise<void> {
  const quiet: CommitmentPlane = { ...plane, clock: idleClock, busy: () => () => {} };
  const reactor = lock({ commitment: quiet }, LOCK, { label: "acts on deadlines" });
  const fire = fireDue(procedureSet(allProcedures), prefixed);
  const pause = (ms: number): Promise<void> => sleep(idleClock, ms, session.signal);
  while (!session.signal.aborted) {
    const held = await reactor.tryAcquire({ signal: session.signal }).catch(() => undefined);
    if (held?.ok === true) {
      await react(plane.keyspace, idleClock, fire, held.signal, (waitMs) => pause(waitMs));
    }
    await pause(session.ttlMs / 2);
  }
}
