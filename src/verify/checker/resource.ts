/**
 * Lock safety at the resource: of the writes that it accepts, tokens never go back, and one token is one holder's.
 *
 * A resource that checks tokens is an object whose state is the last token with its holder. Accepted writes can be put in an
 * order if and only if none was over before one with a lower token began: by token, then by time.
 *
 * Invariants: I1 a refusal needs a write with a higher token, or the same of another holder, that was accepted or may have
 * been. I2 after a refusal nothing below the least
 * token that can have caused it is accepted.
 * Source: Kleppmann, "How to do distributed locking" (2016), for fencing; docs/spec/selection.md GRD-1 to GRD-3.
 */
import type { GuardedCall } from "../history/calls.ts";
import type { History, Operation } from "../history/history.ts";
import { Findings, named, type Verdict } from "./verdict.ts";

interface Write {
  readonly call: GuardedCall;
  readonly operation: Operation;
  readonly came: "accepted" | "refused" | "unknown";
}

export function checkResources(history: History): Verdict | undefined {
  const resources = new Map<string, Write[]>();
  let writes = 0;
  for (const operation of history.operations) {
    const { call, outcome } = operation;
    if (call.kind !== "guarded" || outcome.kind === "definite") continue;
    writes++;
    const answer =
      outcome.kind === "answer" ? (outcome.answer as { accepted: boolean }) : undefined;
    const came = answer === undefined ? "unknown" : answer.accepted ? "accepted" : "refused";
    const own = resources.get(call.resource);
    if (own === undefined) resources.set(call.resource, [{ call, operation, came }]);
    else own.push({ call, operation, came });
  }
  if (writes === 0) return undefined;
  const findings = new Findings();
  for (const own of resources.values()) checkResource(own, findings);
  return findings.verdict("resource", { resources: resources.size, writes });
}

function checkResource(writes: readonly Write[], findings: Findings): void {
  checkHolders(writes, findings);
  const causes = checkRefusals(writes, findings);
  const returns = writes
    .filter(({ came }) => came !== "unknown")
    .toSorted((a, b) => a.operation.returned - b.operation.returned);
  // The write by whose return the resource had seen the highest token, and that token.
  let highest: { readonly write: Write; readonly token: number } | undefined;
  let at = 0;
  for (const each of writes.toSorted((a, b) => a.operation.invoked - b.operation.invoked)) {
    for (; (returns[at]?.operation.returned ?? Infinity) < each.operation.invoked; at++) {
      const write = returns[at] as Write;
      const token = write.came === "accepted" ? write.call.token : (causes.get(write) ?? -Infinity);
      if (highest === undefined || token > highest.token) highest = { write, token };
    }
    if (each.came !== "accepted" || highest === undefined || each.call.token >= highest.token)
      continue;
    const { call, operation, came } = highest.write;
    findings.add({
      rule: "HIST-RESOURCE-TOKEN",
      what: `${call.resource} accepted token ${each.call.token} (${named(each.operation)}) after it had ${came} ${call.token} (${named(operation)})`,
      place: each.operation.returned,
      operations: [each.operation.id, operation.id],
    });
  }
}

function checkHolders(writes: readonly Write[], findings: Findings): void {
  const accepted = new Map<number, Write>();
  for (const each of writes) {
    if (each.came !== "accepted") continue;
    const other = accepted.get(each.call.token);
    if (other === undefined) accepted.set(each.call.token, each);
    else if (other.call.holder !== each.call.holder)
      findings.add({
        rule: "HIST-RESOURCE-HOLDER",
        what: `${each.call.resource} accepted token ${each.call.token} from ${other.call.holder} and from ${each.call.holder}`,
        place: each.operation.returned,
        operations: [each.operation.id, other.operation.id],
      });
  }
}

/** A refusal needs somebody who can have been in front: gives the least token that can have caused it. */
function checkRefusals(writes: readonly Write[], findings: Findings): ReadonlyMap<Write, number> {
  const causes = new Map<Write, number>();
  const able = writes
    .filter(({ came }) => came !== "refused")
    .toSorted((a, b) => a.operation.invoked - b.operation.invoked);
  const tokens: number[] = [];
  const holders = new Map<number, Set<string>>();
  let at = 0;
  for (const each of writes
    .filter(({ came }) => came === "refused")
    .toSorted((a, b) => a.operation.returned - b.operation.returned)) {
    for (; (able[at]?.operation.invoked ?? Infinity) < each.operation.returned; at++) {
      const { token, holder } = (able[at] as Write).call;
      const known = holders.get(token);
      if (known !== undefined) known.add(holder);
      else {
        holders.set(token, new Set([holder]));
        tokens.splice(firstAbove(tokens, token), 0, token);
      }
    }
    const { token, holder, resource } = each.call;
    const others = [...(holders.get(token) ?? [])].some((other) => other !== holder);
    const cause = others ? token : tokens[firstAbove(tokens, token)];
    if (cause !== undefined) causes.set(each, cause);
    else
      findings.add({
        rule: "HIST-RESOURCE-REFUSAL",
        what: `${resource} refused token ${token} (${named(each.operation)}), though it can have seen none above it`,
        place: each.operation.returned,
        operations: [each.operation.id],
      });
  }
  return causes;
}

/** Index of the first of these ascending numbers that is above `least`. */
function firstAbove(numbers: readonly number[], least: number): number {
  let low = 0;
  let high = numbers.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((numbers[middle] as number) <= least) low = middle + 1;
    else high = middle;
  }
  return low;
}
