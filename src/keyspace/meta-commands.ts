/**
 * Commands about what stands beside the keys: leases, compaction, alarms. Each reads the head and says what is to be
 * changed; nothing is changed here.
 */
import { fail, QuorateError } from "../base/errors.ts";
import type { AlarmRequest, CompactRequest, LeaseGrantRequest } from "../contract/requests.ts";
import { ALARM_KINDS } from "../contract/requests.ts";
import type { Outcome } from "./effects.ts";
import type { Overlay } from "./overlay.ts";
import type { Scratch } from "./scratch.ts";
import { leaseNotFound } from "./transaction.ts";

/** Keys that one revoke deletes, if the transaction takes as many; a lease with more goes in pages. */
const REVOKE_PAGE = 5_000;

export interface GrantOptions {
  readonly minLeaseTtlMs: number;
  /** Chooses an id for a lease that asks for one. */
  readonly leaseId: () => bigint;
}

export function grantLease(
  overlay: Overlay,
  request: LeaseGrantRequest,
  { minLeaseTtlMs, leaseId }: GrantOptions,
): Outcome {
  const id = request.id === 0n ? freshId(overlay, leaseId) : request.id;
  if (overlay.lease(id) !== undefined) {
    throw fail("LEASE_EXISTS", {
      object: `lease ${id.toString(16)}`,
      what: "is granted already",
      remedy: "Ask for id 0 to get one that is free, or revoke it first.",
    });
  }
  const ttlMs = Math.floor(Math.max(request.ttlMs, minLeaseTtlMs));
  return {
    response: { revision: overlay.revision, id, ttlMs },
    meta: [{ kind: "leaseGranted", id, ttlMs }],
  };
}

function freshId(overlay: Overlay, leaseId: () => bigint): bigint {
  for (;;) {
    const id = leaseId();
    if (id !== 0n && overlay.lease(id) === undefined) return id;
  }
}

/** Deletes the lease's keys; all in this transaction if they fit, else a first page with a fence. */
export function revokeLease(overlay: Overlay, id: bigint, scratch: Scratch): Outcome {
  if (overlay.lease(id) === undefined) throw new QuorateError(leaseNotFound(id));
  const keys = overlay.leaseKeys(id);
  let deleted = 0;
  for (const key of keys) {
    if (deleted === REVOKE_PAGE || !scratch.takes({ kind: "delete", key })) break;
    scratch.delete(key);
    deleted++;
  }
  const over = deleted < keys.length;
  return {
    response: { revision: scratch.changes.length > 0 ? scratch.revision : overlay.revision },
    meta: [{ kind: over ? "leaseFenced" : "leaseRevoked", id }],
  };
}

export function compact(overlay: Overlay, request: CompactRequest): Outcome {
  const { revision, compactRevision } = overlay;
  if (request.revision > revision) {
    throw fail("FUTURE_REVISION", {
      object: "compaction",
      what: `revision ${request.revision} does not exist yet, the newest is ${revision}`,
      remedy: "Compact to a revision that an answer has named.",
      details: { revision },
    });
  }
  if (request.revision <= compactRevision) {
    throw fail("COMPACTED", {
      object: "compaction",
      what: `revision ${request.revision} has been compacted already`,
      remedy: "Nothing needs to be done.",
      details: { compactRevision },
    });
  }
  return { response: { revision }, meta: [{ kind: "compacted", revision: request.revision }] };
}

export function switchAlarm(overlay: Overlay, { action, alarm }: AlarmRequest): Outcome {
  const { revision } = overlay;
  const raised = ALARM_KINDS.filter((kind) => overlay.alarm(kind));
  const on = action === "activate";
  if (action === "get" || alarm === undefined || on === raised.includes(alarm))
    return { response: { revision, alarms: raised } };
  const alarms = on ? [...raised, alarm] : raised.filter((kind) => kind !== alarm);
  return { response: { revision, alarms }, meta: [{ kind: "alarmed", alarm, on }] };
}
