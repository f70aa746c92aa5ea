/**
 * Leases: nobody's lease ends before its time, counted from the moment the last confirmed renewal was sent, unless it was
 * revoked.
 *
 * That all keys of a lease go at one revision, and that none is attached to a lease that has ended, is part of the replay:
 * no other change can explain a revision that deletes some of them.
 * Leaves out: how soon a lease that nobody renews ends.
 */
import type { AnswerOf } from "../history/calls.ts";
import type { History, Operation } from "../history/history.ts";
import { shownValue } from "./difference.ts";
import type { KeyspaceVerdict } from "./keyspace.ts";
import { toldBy, type RevisionOrder } from "./keyspace-order.ts";
import type { LeaseTimes } from "./lease-times.ts";
import { Findings, named, type Verdict, type Violation } from "./verdict.ts";

const GONE = "LEASE_NOT_FOUND";

export function checkLeases(
  history: History,
  times: LeaseTimes,
  keyspace: KeyspaceVerdict | undefined,
): Verdict | undefined {
  if (times.count === 0) return undefined;
  const findings = new Findings();
  for (const operation of history.operations) {
    const found = gone(operation, times);
    if (found !== undefined) findings.add(found);
  }
  const ends = keyspace?.replay?.ends ?? [];
  const told = keyspace?.told;
  if (told !== undefined)
    for (const { lease, revision } of ends) {
      const found = endedEarly(history, times, told, lease, revision);
      if (found !== undefined) findings.add(found);
    }
  const counts = { leases: times.count, renewals: times.renewals, ends: ends.length };
  return findings.verdict("lease", counts);
}

/** Somebody was told that the lease is gone. */
function gone(operation: Operation, times: LeaseTimes): Violation | undefined {
  const { call, outcome, failed } = operation;
  if (call.kind !== "leaseKeepAlive" && call.kind !== "leaseRevoke") return undefined;
  const absent =
    outcome.kind === "answer"
      ? call.kind === "leaseKeepAlive" && (outcome.answer as AnswerOf["leaseKeepAlive"]).ttlMs <= 0
      : outcome.kind === "definite" && outcome.code === GONE;
  if (!absent) return undefined;
  const place = failed ?? operation.returned;
  const renewal = times.forbids(call.id, place, operation.returnedAt);
  if (renewal === undefined) return undefined;
  const what = `${named(operation)} was told that lease ${shownValue(call.id)} had ended, ${sooner(renewal.deadline, operation.returnedAt)} after ${named(renewal.operation)}`;
  const operations = [operation.id, renewal.operation.id];
  return { rule: "HIST-LEASE-EARLY", what, place, operations };
}

function endedEarly(
  history: History,
  times: LeaseTimes,
  told: RevisionOrder["told"],
  lease: bigint,
  revision: number,
): Violation | undefined {
  const place = toldBy(told, revision);
  const at = history.times[place] ?? Number.POSITIVE_INFINITY;
  const renewal = times.forbids(lease, place, at);
  if (renewal === undefined) return undefined;
  const what = `lease ${shownValue(lease)} ended at revision ${revision}, ${sooner(renewal.deadline, at)} after ${named(renewal.operation)}`;
  return { rule: "HIST-LEASE-EARLY", what, place, operations: [renewal.operation.id] };
}

function sooner(deadline: number, at: number): string {
  return `${(deadline - at).toFixed(3)} ms before its time was over`;
}
