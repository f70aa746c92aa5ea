/**
 * Checks a recorded history: linearizability of keyspace and registers, ownership, resources, watches, leases, states.
 *
 * Invariants: I1 the result is that of the worst check, and `unknown` is not `valid`. I2 only what the history has
 * something of is checked; a history with nothing to check is INVALID.
 * Source and rules: docs/spec/history.md.
 */
import { refusal } from "../history/fields.ts";
import type { History } from "../history/history.ts";
import { checkKeyspace } from "./keyspace.ts";
import { checkLeases } from "./lease.ts";
import { LeaseTimes } from "./lease-times.ts";
import { checkOwnership } from "./ownership.ts";
import { checkRegisters } from "./register.ts";
import { checkResources } from "./resource.ts";
import { checkStates } from "./state-hashes.ts";
import type { CheckName, Result, Verdict } from "./verdict.ts";
import { checkWatches } from "./watch.ts";

export interface CheckOptions {
  /** Steps of search that each check may take before its verdict is unknown. */
  readonly stepsMax?: number | undefined;
  /** Checks to make; absent: all that apply. */
  readonly only?: readonly CheckName[] | undefined;
}
export interface Report {
  readonly result: Result;
  readonly verdicts: readonly Verdict[];
}

/** Beyond what an operation costs at least, this much is for search. */
const STEPS = 5_000_000;

/** Errors: INVALID if there is nothing to check, or an operation outside of a declared scope. */
export function check(history: History, options: CheckOptions = {}): Report {
  const stepsMax = options.stepsMax ?? STEPS + 8 * history.events;
  const times = new LeaseTimes(history);
  const wants = (name: CheckName): boolean => options.only?.includes(name) ?? true;
  const needsReplay = wants("keyspace") || wants("watch") || wants("lease");
  const keyspace = needsReplay ? checkKeyspace(history, times, stepsMax) : undefined;
  const found: (Verdict | undefined)[] = [
    keyspace?.verdict,
    checkRegisters(history, stepsMax),
    checkOwnership(history),
    checkResources(history),
    wants("watch") ? checkWatches(history, keyspace) : undefined,
    wants("lease") ? checkLeases(history, times, keyspace) : undefined,
    checkStates(history),
  ];
  const verdicts = found.filter((each) => each !== undefined).filter((each) => wants(each.check));
  if (verdicts.length === 0) throw refusal("history", "has nothing that could be checked");
  return { result: worst(verdicts), verdicts };
}

function worst(verdicts: readonly Verdict[]): Result {
  const results = new Set(verdicts.map(({ result }) => result));
  return results.has("invalid") ? "invalid" : results.has("unknown") ? "unknown" : "valid";
}
