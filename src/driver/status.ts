/** What a driver says of itself: to clients, and to whoever connects members. */
import type { AlarmKind, StatusResponse } from "../contract/requests.ts";
import type { Replica } from "../replica/replica.ts";
import type { MemberStanding } from "./face.ts";
import { VERSION } from "./version.ts";

/** `nowMs`: keyspace time as this member would tell it. */
export function statusOf(
  replica: Replica,
  of: {
    readonly ids: Pick<StatusResponse, "clusterId" | "memberId">;
    readonly quotaBytes: number;
    readonly watchers: number;
  },
  nowMs: number,
): StatusResponse {
  const { base, raft } = replica;
  return {
    revision: base.revision,
    compactRevision: base.compactRevision,
    ...of.ids,
    leader: BigInt(replica.leader.id),
    term: raft.term,
    commitIndex: base.appliedIndex,
    version: VERSION,
    keys: base.versions.liveKeys,
    bytes: base.bytes,
    quotaBytes: of.quotaBytes,
    leases: base.leases.count,
    watchers: of.watchers,
    alarms: alarmsOf(replica),
    time: Math.max(base.time, nowMs),
    procedures: replica.procedureNames,
  };
}

/** Those of the cluster, and this member's own: what it holds is not whole. */
function alarmsOf({ base, raft }: Replica): readonly AlarmKind[] {
  return [...new Set([...base.alarms, ...(raft.isRepairing ? (["CORRUPT"] as const) : [])])];
}

/** `identity`: of its data directory. */
export function standingOf({ base, raft }: Replica, identity: string): MemberStanding {
  const { id, role, term, leader, isRepairing } = raft;
  return { id, role, term, leader, identity, isRepairing, format: base.members.format };
}
