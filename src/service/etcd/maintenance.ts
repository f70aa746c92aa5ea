/**
 * `etcdserverpb.Maintenance`: the state of the member, its alarms, hashes of what it holds.
 *
 * Deviations: an alarm is always this member's; hashes are comparable between servers of ours only. Nothing needs
 * defragmentation: what compaction frees is free. There is no lower version that could serve the data, so no version is
 * a target of a downgrade, where etcd takes the one before its own.
 */
import { fail } from "../../base/errors.ts";
import type { AlarmKind } from "../../contract/requests.ts";
import type { DowngradeRequest } from "../../wire/etcd/cluster.ts";
import { CARE } from "../../wire/etcd/cluster.ts";
import type { AlarmMember, AlarmRequest, Header } from "../../wire/etcd/messages.ts";
import { METHODS } from "../../wire/etcd/messages.ts";
import type { Word } from "../../wire/etcd/statuses.ts";
import { said } from "../../wire/etcd/statuses.ts";
import type { UnaryMethod } from "../grpc/method.ts";
import { unary } from "../grpc/method.ts";
import { moveLeader } from "./cluster.ts";
import type { EtcdContext } from "./context.ts";

const NO_ALARM = 0;
const ACTIONS = ["get", "activate", "deactivate"] as const;
const DOWNGRADES = ["validate", "enable", "cancel"] as const;
/** By etcd's number; it knows none of our others. */
const ALARMS: readonly (AlarmKind | undefined)[] = [undefined, "NOSPACE", "CORRUPT"];
/** What etcd says of a store that has never been compacted. */
const NEVER_COMPACTED = -1;

export function maintenanceMethods(
  context: EtcdContext,
): readonly (readonly [string, UnaryMethod])[] {
  return [
    unary(METHODS.status, () => {
      context.demand({ kind: "status" });
      const status = context.driver.status();
      const { bytes, leader, term, commitIndex, alarms, revision } = status;
      return {
        header: context.header(revision),
        version: context.presented.version,
        dbSize: bytes,
        dbSizeInUse: bytes,
        leader,
        raftIndex: commitIndex,
        raftAppliedIndex: commitIndex,
        raftTerm: term,
        errors: [
          ...(leader === 0n ? ["etcdserver: no leader"] : []),
          ...shown(context, alarms).map(
            ({ memberId, alarm }) => `memberID:${memberId} alarm:${ALARMS[alarm]} `,
          ),
        ],
        isLearner: context.cluster.isLearner,
      };
    }),
    unary(METHODS.alarm, (message) => alarmed(context, message)),
    unary(METHODS.hashKv, async ({ revision: at }) => {
      context.demand({ kind: "hash" });
      refuseCompacted(at, context.driver.status().compactRevision);
      const found = await context.submit({ kind: "hash", revision: at });
      const { revision, hash, compactRevision } = found;
      const compacted = compactRevision > 0 ? compactRevision : NEVER_COMPACTED;
      return { header: context.header(revision), hash, compactRevision: compacted };
    }),
    unary(CARE.hash, async () => {
      const { revision, hash } = await context.submit({ kind: "hash", withAuth: true });
      return { header: context.header(revision), hash };
    }),
    unary(CARE.defragment, () => {
      context.demand({ kind: "maintain" });
      return {};
    }),
    unary(CARE.moveLeader, async ({ targetId }) => {
      context.demand({ kind: "maintain" });
      await moveLeader(context, targetId);
      return {};
    }),
    unary(CARE.downgrade, (message) => {
      context.demand({ kind: "maintain" });
      throw said(downgradeRefusal(message));
    }),
  ];
}

/** What etcd takes for a version: all of it, or without its patch. */
const VERSION = /^\d{1,18}\.\d{1,18}(\.\d{1,18}(-[0-9A-Za-z.-]*)?(\+[0-9A-Za-z.-]*)?)?$/;

/** Nothing can be enabled, so there is nothing to cancel. */
function downgradeRefusal({ action, version }: DowngradeRequest): Word {
  switch (DOWNGRADES[action]) {
    case "validate":
    case "enable":
      return VERSION.test(version) ? "badTarget" : "wrongVersion";
    case "cancel":
      return "noDowngrade";
    default:
      return "unknownMethod";
  }
}

/** A hash covers the changes up to a revision; those up to the compacted one are gone. */
function refuseCompacted(revision: number, compactRevision: number): void {
  if (revision <= 0 || revision > compactRevision) return;
  throw fail("COMPACTED", {
    object: `hash at revision ${revision}`,
    what: `is not possible: revisions up to ${compactRevision} have been compacted`,
    remedy: "Ask for a newer revision.",
  });
}

/** The alarms that etcd knows, as this member's. */
function shown(context: EtcdContext, kinds: readonly AlarmKind[]): readonly AlarmMember[] {
  const { memberId } = context.ids();
  return ALARMS.flatMap((kind, alarm) =>
    kind !== undefined && kinds.includes(kind) ? [{ memberId, alarm }] : [],
  );
}

/** Etcd answers a question with what is raised, an order with what it concerned. */
async function alarmed(
  context: EtcdContext,
  { action, alarm, memberId }: AlarmRequest,
): Promise<{ readonly header: Header; readonly alarms: readonly AlarmMember[] }> {
  const about = (each: AlarmMember): boolean => alarm === NO_ALARM || each.alarm === alarm;
  const order = ACTIONS[action] ?? "get";
  if (order !== "get") context.demand({ kind: "alarm", action: order });
  const kind = ALARMS[alarm];
  const before = await context.submit({ kind: "alarm", action: "get" });
  const raised = shown(context, before.alarms).filter(about);
  if (order === "get") return { header: context.header(before.revision), alarms: raised };
  const ours = order === "activate" || memberId === context.ids().memberId;
  if (kind === undefined || !ours) return { header: context.header(before.revision), alarms: [] };
  const after = await context.submit({ kind: "alarm", action: order, alarm: kind });
  const alarms = order === "activate" ? shown(context, after.alarms).filter(about) : raised;
  return { header: context.header(after.revision), alarms };
}
