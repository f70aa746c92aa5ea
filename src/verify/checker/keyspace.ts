/**
 * Linearizability of the keyspace: operations with revisions are replayed in the order of these.
 *
 * A history of writes with revisions is checked in time n log n. Where a revision is nobody's, watches are believed
 * first, and leases to live as long as they must. If that fails, one of both is at fault or the keyspace is: the replay is
 * tried without believing them, and what then holds says who is to blame.
 *
 * Leaves out: whether refusals were right; what a compaction makes unreadable; leases of more keys than one transaction
 * deletes.
 */
import { isKeyspaceCall, type KeyspaceCall } from "../history/calls.ts";
import { refusal } from "../history/fields.ts";
import type { History, Scope } from "../history/history.ts";
import { Evidence } from "./keyspace-evidence.ts";
import { type RevisionOrder, revisionOrder, SINCE } from "./keyspace-order.ts";
import { type Replay, Replayer } from "./keyspace-replay.ts";
import { covers, type KeyRange } from "./keyspace-state.ts";
import type { LeaseTimes } from "./lease-times.ts";
import { Findings, named, type Verdict } from "./verdict.ts";

export interface KeyspaceVerdict {
  readonly verdict: Verdict;
  /** The replay that explains the history, if there is one. */
  readonly replay: Replay | undefined;
  readonly told: RevisionOrder["told"];
}

export function checkKeyspace(
  history: History,
  times: LeaseTimes,
  stepsMax: number,
): KeyspaceVerdict | undefined {
  if (!history.operations.some(({ call }) => isKeyspaceCall(call))) return undefined;
  const { scope } = history.header;
  if (scope !== undefined) checkScope(history, scope);
  const order = revisionOrder(history);
  const findings = new Findings();
  for (const violation of order.violations) findings.add(violation);
  const since = history.header.since ?? SINCE;
  const base = { since, others: scope !== undefined };
  const replayed = (believes: boolean, strict: boolean, steps: number): Replay =>
    new Replayer(history, order, new Evidence(history, order, believes), {
      ...base,
      stepsMax: steps,
      times: strict ? times : undefined,
    }).run();
  const first = replayed(true, true, stepsMax);
  let best: Replay | undefined = first.result === "valid" ? first : undefined;
  let { steps } = first;
  for (const [believes, strict] of [
    [true, false],
    [false, true],
    [false, false],
  ] as const) {
    if (best !== undefined || steps >= stepsMax) break;
    const next = replayed(believes, strict, stepsMax - steps);
    steps += next.steps;
    if (next.result === "valid") best = next;
  }
  const unknown = best === undefined && (first.result === "unknown" || steps >= stepsMax);
  if (best === undefined && !unknown && first.violation !== undefined)
    findings.add(first.violation);
  const counts = {
    operations: order.operations,
    writes: order.writers.size,
    reads: order.reads.length,
    unanswered: order.guesses.length,
    guessed: (best ?? first).guessed,
    steps,
  };
  return { verdict: findings.verdict("keyspace", counts, unknown), replay: best, told: order.told };
}

/** Nothing can be said of keys that others change: operations must keep to the scope. */
function checkScope({ operations }: History, scope: readonly Scope[]): void {
  for (const operation of operations) {
    if (isKeyspaceCall(operation.call) && !isWithin(operation.call, scope))
      throw refusal(named(operation), "names keys outside of the scope that the header declares");
  }
}

/** Whether a call names no key outside of `scope`. */
export function isWithin(call: KeyspaceCall, scope: readonly Scope[]): boolean {
  return rangesOf(call).every((range) => scope.some((each) => within(each, range)));
}

function within(scope: Scope, { key, end }: KeyRange): boolean {
  if (end === undefined) return covers(scope, key);
  if (scope.end === undefined) return false;
  const open = "\0";
  return key >= scope.key && (scope.end === open || (end !== open && end <= scope.end));
}

function rangesOf(call: KeyspaceCall): readonly KeyRange[] {
  switch (call.kind) {
    case "range":
    case "put":
    case "deleteRange":
      return [call];
    case "txn":
      return [...call.compare, ...[...call.success, ...call.failure].flatMap(rangesOf)];
    default:
      return [];
  }
}
