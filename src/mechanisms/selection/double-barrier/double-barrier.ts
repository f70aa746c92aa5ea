/**
 * The double barrier: parties begin together and end together. `enter` waits until all have come, the membership's
 * `leave` until all have left.
 *
 * Guarantee: as the engine's consistency. A party whose session ends counts as gone, before and after. Generations may
 * overlap: who comes while others are inside gathers for the next one.
 * Source: the double barrier recipe of ZooKeeper.
 */
import type { Bytes } from "../../../base/bytes.ts";
import type { Ran } from "../../../contract/keyspace.ts";
import type { OnCommitment } from "../../../contract/plane.ts";
import type {
  BarrierOptions,
  Meeting,
  MeetingChange,
  MeetingExplanation,
  Met,
  NotMet,
} from "../barrier/meeting.ts";
import { explainMeeting, meet, meeting, meetingChanges } from "../barrier/meeting.ts";
import type { Inside } from "../barrier/procedures.ts";
import { leaveMeeting } from "../barrier/procedures.ts";
import type { StandOptions } from "../contention/line.ts";
import { abortedWait, untilSays } from "../contention/await-key.ts";
import { about } from "../contention/contended.ts";
import { doubleBarrierCard } from "./card.ts";
import type { Name } from "../contention/layout.ts";
import { tell } from "../contention/tell.ts";

export type AllLeft =
  | { readonly ok: true }
  | {
      readonly ok: false;
      readonly reason: "timeout";
      readonly why: string;
      /** How many are still inside; this one is not. */
      readonly inside: number;
    };

/** Being inside, together with the others of a generation. Disposal leaves without waiting for them. */
export interface Membership extends AsyncDisposable {
  readonly ok: true;
  readonly generation: number;
  /** Aborts when the session is lost: the others may take this party for gone. */
  readonly signal: AbortSignal;
  /** Leaves and waits for the others, at most `waitMs` (default: for ever). Aborting rejects with ABORTED (definite). */
  leave(options?: Omit<StandOptions, "timeoutMs">): Promise<AllLeft>;
}

export interface DoubleBarrierHandle {
  readonly name: string;
  /** Comes and waits for the others, at most `waitMs` (default: for ever). Aborting rejects with ABORTED (definite). */
  enter(options?: StandOptions): Promise<Membership | NotMet>;
  /** Follows who comes and goes, and each completed generation. */
  watch(options?: {
    readonly signal?: AbortSignal | undefined;
  }): AsyncGenerator<MeetingChange, void>;
  explain(): Promise<MeetingExplanation>;
}

/** The double barrier called `name`. No I/O. Throws INVALID for an empty name or parties out of range. */
export function doubleBarrier(
  on: OnCommitment,
  name: Name,
  options: BarrierOptions,
): DoubleBarrierHandle {
  const it = meeting(on, doubleBarrierCard, name, options);
  return {
    name: it.name,
    enter: async (given) => {
      const met = await meet(it, given);
      return met.ok ? membership(it, met) : met;
    },
    watch: (given) => meetingChanges(it, given?.signal),
    explain: () => explainMeeting(it),
  };
}

function membership(on: Meeting, met: Met): Membership {
  const { session, generation } = met;
  let done: (() => void) | undefined = on.plane.busy();
  const left = (): void => {
    done?.();
    done = undefined;
  };
  return {
    ok: true,
    generation,
    get signal() {
      return session.signal;
    },
    leave: (given = {}) => leave(on, met, given).finally(left),
    [Symbol.asyncDispose]: () => depart(on, met).finally(left),
  };
}

/** One step out; told until the engine knows. */
async function depart(on: Meeting, met: Met): Promise<void> {
  await tell(on.plane, met.session, () => goneFrom(on, met));
}

function goneFrom(
  { plane, prefix }: Meeting,
  { generation, id, session }: Met,
): Promise<Ran<Inside>> {
  const args = { prefix, id, generation };
  const how = { prefix: plane.prefix, timeoutMs: session.ttlMs };
  return plane.keyspace.run(leaveMeeting, args, how);
}

async function leave(
  on: Meeting,
  met: Met,
  { waitMs = Infinity, signal }: Omit<StandOptions, "timeoutMs">,
): Promise<AllLeft> {
  const { plane } = on;
  const until = plane.clock.monotonicMs() + waitMs;
  const following = plane.follow([signal, plane.closing]);
  try {
    for (;;) {
      const { result, revision } = await goneFrom(on, met);
      const { inside, oldest } = result;
      if (oldest === undefined) return { ok: true };
      if (following.signal.aborted) throw abortedWait(on.object, following.signal.reason);
      const leftMs = until - plane.clock.monotonicMs();
      if (leftMs <= 0)
        return { ok: false, reason: "timeout", why: `${inside} still inside`, inside };
      const says = (value: Bytes | undefined): true | undefined => value === undefined || undefined;
      const awaited = { key: oldest as Bytes, from: revision, says };
      await untilSays(plane, awaited, leftMs, following.signal);
    }
  } catch (error) {
    void depart(on, met);
    throw about(on, error);
  } finally {
    following.stop();
  }
}
