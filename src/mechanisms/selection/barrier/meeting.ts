/**
 * Arriving and waiting for the others: what barrier and double barrier have in common.
 *
 * Invariants: I1 whoever stops waiting is taken out of the generation, unless it was completed first: then it has met.
 * I2 all who wait watch one key, so the last arrival wakes everybody by one change.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { Card } from "../../../contract/card.ts";
import type { CommitmentPlane, OnCommitment, Session } from "../../../contract/plane.ts";
import { endedBy } from "../../membership/session/ended-by.ts";
import type { StandOptions } from "../contention/line.ts";
import type { Ran, WatchEvent } from "../../../contract/keyspace.ts";
import { strongEnough } from "../contention/arguments.ts";
import { attended } from "../contention/attended.ts";
import { abortedWait, untilSays } from "../contention/await-key.ts";
import { about, ask, told } from "../contention/contended.ts";
import {
  contenderKey,
  contenderPrefix,
  decodeRecord,
  describe,
  prefixEnd,
} from "../contention/layout.ts";
import { nameText } from "../contention/layout.ts";
import type { Name } from "../contention/layout.ts";
import { tell, tellOfLate } from "../contention/tell.ts";
import type { Arrived, Departed, Present } from "./procedures.ts";
import {
  arrive,
  decodeState,
  depart,
  hasMet,
  PARTIES_MAX,
  stateKey,
  survey,
} from "./procedures.ts";

export interface BarrierOptions {
  /** How many must arrive, 1 to 90. The first arrival stores it, and what is stored counts. */
  readonly parties: number;
  readonly label?: string | undefined;
}

/** Not enough came in time. */
export interface NotMet {
  readonly ok: false;
  readonly reason: "timeout";
  /** One line for a log. */
  readonly why: string;
  /** Who had arrived, this one included. */
  readonly arrived: number;
  readonly parties: number;
}

/** A party as it says it is. */
export interface MeetingParty {
  readonly who: string;
  readonly service: string | undefined;
  readonly host: string | undefined;
  readonly pid: number | undefined;
  readonly label: string | undefined;
  readonly sinceMs: number | undefined;
}

/** A barrier as data. */
export interface MeetingExplanation {
  readonly object: string;
  readonly parties: number;
  /** The last generation that is complete; 0: none yet. */
  readonly generation: number;
  /** Who waits for the others. */
  readonly arrived: readonly MeetingParty[];
  /** Of a double barrier: who of that generation has not left. */
  readonly inside: readonly MeetingParty[];
}

export interface MeetingChange {
  readonly kind: "arrived" | "gone" | "complete";
  readonly revision: number;
  /** Of a completed one. */
  readonly generation: number | undefined;
  /** Of who arrived or went. */
  readonly who: string | undefined;
}

export interface Meeting {
  readonly plane: CommitmentPlane;
  readonly object: string;
  readonly prefix: Bytes;
  readonly parties: number;
  readonly label: string | undefined;
  readonly stays: boolean;
}

/** One that has met. */
export interface Met {
  readonly ok: true;
  readonly generation: number;
  readonly id: string;
  readonly session: Session;
}

export function meeting(
  on: OnCommitment,
  card: Card,
  name: Name,
  { parties, label }: BarrierOptions,
): Meeting & { readonly name: string } {
  const { noun } = card;
  const called = nameText(name, noun);
  const object = `${noun} ${called}`;
  if (!Number.isSafeInteger(parties) || parties < 1 || parties > PARTIES_MAX) {
    throw fail("INVALID", {
      object,
      what: `parties is ${parties}`,
      remedy: `Give a whole number from 1 to ${PARTIES_MAX}.`,
    });
  }
  const prefix = contenderPrefix(noun, called);
  const stays = noun === "double-barrier";
  const plane = strongEnough(on.commitment, card, object);
  return { plane, object, prefix, parties, label, stays, name: called };
}

/** Arrives and waits for the others. */
export async function meet(on: Meeting, options: StandOptions = {}): Promise<Met | NotMet> {
  const { plane, prefix } = on;
  const { signal, timeoutMs } = options;
  const done = plane.busy();
  try {
    const session = await told(on, plane.session(signal, timeoutMs));
    const id = contenderKey("" as Bytes, session.lease, session.nextHold());
    const record = { layout: 1 as const, ...plane.identity, label: on.label };
    const { parties, stays } = on;
    const args = { prefix, id, lease: session.lease.toString(), record, parties, stays };
    const { result, revision } = await plane.keyspace
      .run(arrive, args, { signal, timeoutMs, prefix: plane.prefix })
      .catch((error: unknown) => {
        if (QuorateError.is(error) && error.outcome === "indefinite")
          tellOfLate(plane, session, () => takeOut(on, session, { prefix, id, generation: 0 }));
        throw about(on, endedBy(session, error));
      });
    const met: Met = { ok: true, generation: result.generation, id, session };
    if (result.complete) return met;
    return await others(on, met, { ...result, revision }, options);
  } finally {
    done();
  }
}

async function others(
  on: Meeting,
  met: Met,
  first: Arrived & { readonly revision: number },
  options: StandOptions,
): Promise<Met | NotMet> {
  const { plane, prefix } = on;
  const { generation, id, session } = met;
  const following = plane.follow([options.signal, session.signal, plane.closing]);
  try {
    const says = (value: Bytes | undefined): boolean | undefined =>
      value === undefined ? undefined : hasMet(decodeState(prefix, value), generation, id);
    const { waitMs = Infinity, timeoutMs } = options;
    const awaited = { key: stateKey(prefix), from: first.revision, says, timeoutMs };
    const counted = await told(on, untilSays(plane, awaited, waitMs, following.signal));
    if (counted === true) return met;
    // What a lost session had goes with its lease; nobody need be told.
    if (session.signal.aborted) throw session.signal.reason;
    if (counted === false) throw lostArrival(on.object);
    const { passed, absent, arrived } = await giveUp(on, met);
    if (passed) return met;
    if (following.signal.aborted) throw abortedWait(on.object, following.signal.reason);
    if (absent) throw lostArrival(on.object);
    const { parties } = first;
    const why = `${arrived} of ${parties} had arrived`;
    return { ok: false, reason: "timeout", why, arrived, parties };
  } finally {
    following.stop();
  }
}

async function giveUp(on: Meeting, { generation, id, session }: Met): Promise<Departed> {
  const leave = (): Promise<Ran<Departed>> =>
    takeOut(on, session, { prefix: on.prefix, id, generation });
  try {
    return (await leave()).result;
  } catch (error) {
    void tell(on.plane, session, leave);
    throw about(on, error);
  }
}

function lostArrival(object: string): QuorateError {
  return fail("LOST", {
    object,
    what: "the arrival was taken away while it waited",
    remedy: "Arrive again; somebody deleted its key or revoked the lease.",
  });
}

/** Takes the arrival `id` out of a generation; 0: whatever there is of it. */
function takeOut(
  { plane }: Meeting,
  session: Session,
  args: { readonly prefix: string; readonly id: string; readonly generation: number },
): Promise<Ran<Departed>> {
  return plane.keyspace.run(depart, args, { prefix: plane.prefix, timeoutMs: session.ttlMs });
}

/** Reads who is there. Cost: one round trip, no flush. */
export async function explainMeeting(on: Meeting): Promise<MeetingExplanation> {
  const { result } = await ask(on, survey, { prefix: on.prefix });
  const parties = (all: readonly Present[]): MeetingParty[] =>
    all.map(({ key, record }) => ({
      who: describe(record, key),
      service: record.service,
      host: record.host,
      pid: record.pid,
      label: record.label,
      sinceMs:
        record.since === undefined ? undefined : Math.max(0, Math.round(result.now - record.since)),
    }));
  return {
    object: on.object,
    parties: result.parties ?? on.parties,
    generation: result.generation,
    arrived: parties(result.arrived),
    inside: parties(result.inside),
  };
}

/** Who arrives, who goes, what is completed, in commit order. Bound: as `Keyspace.watch`. */
export function meetingChanges(
  on: Meeting,
  signal: AbortSignal | undefined,
): AsyncGenerator<MeetingChange, void> {
  return attended(on.plane, follow(on, signal));
}

async function* follow(
  on: Meeting,
  signal: AbortSignal | undefined,
): AsyncGenerator<MeetingChange, void> {
  const { keyspace, prefix } = on.plane;
  const from = (prefix + on.prefix) as Bytes;
  const watch = keyspace.watch({ key: from, end: prefixEnd(from), prevKv: true }, { signal });
  for await (const { events } of watch) {
    const isState = ({ kv }: WatchEvent): boolean =>
      kv.key.slice(prefix.length) === stateKey(on.prefix);
    const completed = new Set(events.filter(isState).map(({ kv }) => kv.modRevision));
    for (const event of events) {
      const { kind, kv, prevKv } = event;
      const revision = kv.modRevision;
      if (isState(event)) {
        const generation = kind === "put" ? decodeState(on.prefix, kv.value).generation : 0;
        // The first arrival stores the number of parties, which completes nothing.
        if (generation > 0) yield { kind: "complete", revision, generation, who: undefined };
      } else if (kind === "put" || !completed.has(revision)) {
        const who = describe(decodeRecord(prevKv ?? kv), kv.key.slice(prefix.length));
        yield { kind: kind === "put" ? "arrived" : "gone", revision, generation: undefined, who };
      }
    }
  }
}
