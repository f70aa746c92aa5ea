/**
 * Locks and elections: one owner at a time, tokens that grow, and, where it is recorded, order of arrival.
 *
 * Ownerships in the order of their tokens must be possible one after another: none may certainly last until after a later one
 * has certainly begun. That is mutual exclusion, growth of tokens and their agreement with real time in one.
 *
 * Invariants: I1 an ownership certainly lasts until its release was invoked, if that was answered `held`; otherwise, after
 * a loss or a crash, no longer than it took to begin. I2 who saw an owner's token saw it own.
 * Source: Burrows, "The Chubby Lock Service" (OSDI 2006), §2.4 for sequencers; docs/spec/selection.md SEL-10, SEL-11.
 */
import type { Acquired, OwnershipCall, Released } from "../history/calls.ts";
import type { History, Observed, Operation, Placed } from "../history/history.ts";
import { Findings, named, type Verdict } from "./verdict.ts";

/** One owner of one name, as far as is certain. */
interface Ownership {
  readonly token: number;
  readonly place: number | undefined;
  readonly operation: Operation | undefined;
  readonly release: Operation | undefined;
  /** Had begun by then. */
  readonly begun: number;
  /** Had not ended by then. */
  readonly lasted: number;
  readonly who: string;
}
interface Named {
  readonly acquired: Operation[];
  readonly refused: Operation[];
  /** Could stand in the way of others, without being an answered owner. */
  readonly waiting: Operation[];
  readonly released: Map<number, Operation>;
  /** Releases that were answered `held`. */
  readonly gaveBack: Operation[];
  readonly observed: Placed<Observed>[];
}

export function checkOwnership(history: History): Verdict | undefined {
  const names = gathered(history);
  if (names.size === 0) return undefined;
  const findings = new Findings();
  let owners = 0;
  for (const [name, all] of names) {
    const ownerships = ownershipsOf(all);
    owners += all.acquired.length;
    checkTokens(name, ownerships, findings);
    checkReleases(name, all, findings);
    checkPlaces(name, ownerships, findings);
    checkRefusals(name, all, findings);
    checkObservations(name, all, findings);
  }
  const counts = {
    names: names.size,
    ownerships: owners,
    observations: history.observations.length,
  };
  return findings.verdict("lock", counts);
}

function gathered(history: History): ReadonlyMap<string, Named> {
  const names = new Map<string, Named>();
  const of = (name: string): Named => {
    let found = names.get(name);
    if (found === undefined) {
      found = {
        acquired: [],
        refused: [],
        waiting: [],
        released: new Map(),
        gaveBack: [],
        observed: [],
      };
      names.set(name, found);
    }
    return found;
  };
  for (const operation of history.operations) {
    const { call, outcome } = operation;
    if (!isOwnershipCall(call)) continue;
    const own = of(nameOf(call));
    if (call.kind === "release" || call.kind === "resign") {
      const held = outcome.kind === "answer" && (outcome.answer as Released).held;
      if (held) own.gaveBack.push(operation);
      // One that gave it back says more than one that came too late.
      if (held || !own.released.has(call.token)) own.released.set(call.token, operation);
    } else if (outcome.kind !== "answer") own.waiting.push(operation);
    else if ((outcome.answer as Acquired).token === null) {
      own.refused.push(operation);
      own.waiting.push(operation);
    } else own.acquired.push(operation);
  }
  for (const seen of history.observations) of(`election ${seen.name}`).observed.push(seen);
  return names;
}

function isOwnershipCall(call: { readonly kind: string }): call is OwnershipCall {
  return ["acquire", "release", "campaign", "resign"].includes(call.kind);
}

/** A lock and an election of one name are two things. */
function nameOf(call: OwnershipCall): string {
  const noun = call.kind === "acquire" || call.kind === "release" ? "lock" : "election";
  return `${noun} ${call.name}`;
}

function ownershipsOf({ acquired, released, observed }: Named): readonly Ownership[] {
  const own = acquired.map((operation) => {
    const { token, place } = (operation.outcome as { readonly answer: Acquired }).answer;
    const release = released.get(token as number);
    const held =
      release?.outcome.kind === "answer" && (release.outcome.answer as Released).held
        ? release.invoked
        : operation.invoked;
    return {
      token: token as number,
      place,
      operation,
      release,
      begun: operation.returned,
      lasted: Math.max(operation.invoked, held),
      who: named(operation),
    };
  });
  const seen = observed.flatMap(({ token, place, process }): Ownership[] =>
    token === null
      ? []
      : [
          {
            token,
            place: undefined,
            operation: undefined,
            release: undefined,
            begun: place,
            lasted: Number.NEGATIVE_INFINITY,
            who: `what ${process} observed`,
          },
        ],
  );
  return [...own, ...seen].sort((a, b) => a.token - b.token);
}

function checkTokens(name: string, ownerships: readonly Ownership[], findings: Findings): void {
  let longest: Ownership | undefined;
  let last: Ownership | undefined;
  for (const each of ownerships) {
    if (each.operation !== undefined && each.token === last?.token)
      findings.add({
        rule: "HIST-LOCK-TOKEN",
        what: `${name}: ${last.who} and ${each.who} both got token ${each.token}`,
        place: Math.max(each.begun, last.begun),
        operations: idsOf(each, last),
      });
    if (longest !== undefined && longest.token < each.token && longest.lasted > each.begun)
      findings.add({
        rule: "HIST-LOCK-EXCLUSION",
        what: `${name}: ${longest.who} still owned it with token ${longest.token} when ${each.who} had got token ${each.token}`,
        place: longest.lasted,
        operations: [
          ...idsOf(longest, each),
          ...(longest.release === undefined ? [] : [longest.release.id]),
        ],
      });
    if (each.operation !== undefined) last = each;
    if (longest === undefined || each.lasted > longest.lasted) longest = each;
  }
}

function idsOf(...ownerships: readonly Ownership[]): readonly number[] {
  return ownerships.flatMap(({ operation }) => operation?.id ?? []);
}

/** What is given back was owned by then, and is given back once. */
function checkReleases(
  name: string,
  { acquired, gaveBack, released }: Named,
  findings: Findings,
): void {
  const owned = new Map(
    acquired.map((each) => [(each.outcome as { readonly answer: Acquired }).answer.token, each]),
  );
  for (const release of gaveBack) {
    const { token } = release.call as { readonly token: number };
    const owner = owned.get(token);
    const other = released.get(token);
    const twice = other !== undefined && other !== release;
    if (owner !== undefined && owner.invoked < release.returned && !twice) continue;
    const why = twice ? `as ${named(other)} had` : "which nobody can have had by then";
    findings.add({
      rule: "HIST-LOCK-TOKEN",
      what: `${name}: ${named(release)} gave back token ${token}, ${why}`,
      place: release.returned,
      operations: [release.id, ...(twice ? [other.id] : owner === undefined ? [] : [owner.id])],
    });
  }
}

/** Who came first owns first, where the create revisions of contenders are recorded. */
function checkPlaces(name: string, ownerships: readonly Ownership[], findings: Findings): void {
  let last: Ownership | undefined;
  for (const each of ownerships) {
    if (each.place === undefined) continue;
    if (last?.place !== undefined && last.place > each.place)
      findings.add({
        rule: "HIST-LOCK-FIFO",
        what: `${name}: ${last.who}, in line since revision ${last.place}, owned before ${each.who}, in line since ${each.place}`,
        place: each.begun,
        operations: idsOf(each, last),
      });
    last = each;
  }
}

/** Nobody is refused what nobody can have owned or waited for. */
function checkRefusals(
  name: string,
  { acquired, waiting, refused, released }: Named,
  findings: Findings,
): void {
  if (refused.length === 0) return;
  const end = (operation: Operation): number => {
    const { outcome } = operation;
    if (outcome.kind !== "answer") return operation.failed ?? Number.POSITIVE_INFINITY;
    const { token } = outcome.answer as Acquired;
    if (token === null) return operation.returned;
    const release = released.get(token);
    return release?.outcome.kind === "answer" ? release.returned : Number.POSITIVE_INFINITY;
  };
  const ends = [...acquired, ...waiting].map((operation) => ({
    operation,
    from: operation.invoked,
    to: operation.outcome.kind === "indefinite" ? Number.POSITIVE_INFINITY : end(operation),
  }));
  const spans = ends.sort((a, b) => a.from - b.from);
  // The two that last longest of those before: one may be the refused operation itself.
  let at = 0;
  let best: (typeof spans)[number][] = [];
  for (const each of refused.toSorted((a, b) => a.returned - b.returned)) {
    for (; at < spans.length && (spans[at] as (typeof spans)[number]).from < each.returned; at++)
      best = [...best, spans[at] as (typeof spans)[number]].sort((a, b) => b.to - a.to).slice(0, 2);
    const other = best.find(({ operation }) => operation !== each);
    if (other !== undefined && other.to > each.invoked) continue;
    findings.add({
      rule: "HIST-LOCK-FREE",
      what: `${name}: ${named(each)} was refused, though nobody can have owned it or waited for it`,
      place: each.returned,
      operations: [each.id],
    });
  }
}

function checkObservations(
  name: string,
  { acquired, waiting, observed }: Named,
  findings: Findings,
): void {
  const newest = new Map<string, number>();
  const begun = new Map<number, Operation>();
  for (const operation of acquired)
    begun.set(
      (operation.outcome as { readonly answer: Acquired }).answer.token as number,
      operation,
    );
  const first = Math.min(
    ...waiting.flatMap(({ outcome, invoked }) => (outcome.kind === "indefinite" ? invoked : [])),
  );
  for (const { stream, token, place, process } of observed) {
    if (token === null) continue;
    const before = newest.get(stream) ?? token;
    newest.set(stream, token);
    const operation = begun.get(token);
    const seen = `${name}: ${process} observed token ${token}`;
    const operations = operation === undefined ? [] : [operation.id];
    if (token < before)
      findings.add({
        rule: "HIST-LOCK-OBSERVED",
        what: `${seen} after ${before}`,
        place,
        operations,
      });
    else if (acquired.length + waiting.length === 0) continue;
    else if (operation === undefined ? place < first : place < operation.invoked)
      findings.add({
        rule: "HIST-LOCK-OBSERVED",
        what: `${seen}, which nobody can have had by then`,
        place,
        operations,
      });
  }
}
