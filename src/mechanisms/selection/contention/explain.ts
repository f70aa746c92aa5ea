/** Who holds a contended object and who waits, as data. */
import type { Contended } from "./acquire.ts";
import { describe } from "./layout.ts";
import type { ContenderRecord } from "./layout.ts";
import { list } from "./procedures.ts";
import { decide } from "./rules.ts";

export interface Party {
  readonly who: string;
  readonly service: string | undefined;
  readonly host: string | undefined;
  readonly pid: number | undefined;
  readonly label: string | undefined;
  readonly token: number;
  readonly sinceMs: number | undefined;
  /** Of a deadline-held one: when it ends, ms since 1970 by the engine's clock. */
  readonly expiresAtMs: number | undefined;
  readonly mode: ContenderRecord["mode"];
  readonly weight: number | undefined;
  readonly value: string | undefined;
}

export interface Waiter extends Party {
  /** 1 is next. */
  readonly position: number;
  /** Why it is not served yet. */
  readonly why: string;
}

export interface Explanation {
  readonly object: string;
  readonly holders: readonly Party[];
  readonly waiters: readonly Waiter[];
  /** Of a semaphore: how many there are, whatever its users say. */
  readonly permits: number | undefined;
}

/** Reads the state of an object. Cost: one round trip, no flush. */
export async function explain(on: Contended): Promise<Explanation> {
  const { result } = await on.plane.keyspace.run(
    list,
    { prefix: on.prefix, permits: on.rule.kind === "permits" },
    { prefix: on.plane.prefix },
  );
  const rule =
    on.rule.kind === "permits"
      ? { ...on.rule, permits: result.permits ?? on.rule.permits }
      : on.rule;
  const byAge = result.contenders.map(({ key, record }) => ({
    key,
    shared: record.mode === "read",
    weight: record.weight ?? 1,
  }));
  const holders: Party[] = [];
  const waiters: Waiter[] = [];
  for (const [at, { key, created, record }] of result.contenders.entries()) {
    const party = partyOf(key, result.tokenBase + created, record, result.now);
    const decision = decide(rule, byAge, at);
    if (decision.owns) holders.push(party);
    else
      waiters.push({
        ...party,
        position: waiters.length + 1,
        why: `behind ${nameOf(result.contenders, decision.behind.key)}`,
      });
  }
  return {
    object: on.object,
    holders,
    waiters,
    permits: rule.kind === "permits" ? rule.permits : undefined,
  };
}

function nameOf(
  all: readonly { readonly key: string; readonly record: Partial<ContenderRecord> }[],
  key: string,
): string {
  const found = all.find((each) => each.key === key);
  return found === undefined ? key : describe(found.record, key);
}

function partyOf(key: string, token: number, record: Partial<ContenderRecord>, now: number): Party {
  return {
    who: describe(record, key),
    service: record.service,
    host: record.host,
    pid: record.pid,
    label: record.label,
    token,
    sinceMs: record.since === undefined ? undefined : Math.max(0, Math.round(now - record.since)),
    expiresAtMs: record.expiresAt,
    mode: record.mode,
    weight: record.weight,
    value: record.value,
  };
}
