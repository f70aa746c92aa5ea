/** Who holds a contended object and who waits, as data. */
import type { CallOptions } from "../../../contract/keyspace.ts";
import type { Contended } from "./contended.ts";
import { ask } from "./contended.ts";
import { describe } from "./layout.ts";
import type { ContenderRecord, SeenRecord } from "./layout.ts";
import type { ListedGrant, Listing } from "./procedures.ts";
import { list } from "./procedures.ts";
import type { Contender } from "./rules.ts";
import { obstacle } from "./rules.ts";

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
  /** `lock`, `rwlock`, `semaphore`, `election`. */
  readonly noun: string;
  readonly name: string;
  /** Both, as messages say it: `lock orders/42`. */
  readonly object: string;
  readonly holders: readonly Party[];
  readonly waiters: readonly Waiter[];
  /** Of a semaphore: how many there are, whatever its users say. */
  readonly permits: number | undefined;
}

/** Reads the state of an object. Cost: one round trip, no flush. */
export async function explain(on: Contended, options?: CallOptions): Promise<Explanation> {
  const args = { prefix: on.prefix, permits: on.rule.kind === "permits" };
  const { result } = await ask(on, list, args, options);
  const rule = on.rule.kind === "permits" ? (result.permits ?? on.rule) : on.rule;
  const byAge = result.contenders.map(({ key, created, record }) => ({
    key,
    created,
    shared: record.mode === "read",
    weight: record.weight ?? 1,
  }));
  const { granted } = result;
  const behindWhom = (at: number): string | undefined =>
    granted === undefined ? obstacle(rule, byAge, at)?.key : behindGranted(granted, byAge, at);
  const holders: Party[] = [];
  const waiters: Waiter[] = [];
  for (const [at, { key, created, record }] of result.contenders.entries()) {
    const owned = granted?.key === key ? (granted.token ?? created) : created;
    const party = partyOf(key, result.tokenBase + owned, record, result.now);
    const behind = behindWhom(at);
    if (behind === undefined) holders.push(party);
    else
      waiters.push({
        ...party,
        position: waiters.length + 1,
        why: whyWaits(result, behind),
      });
  }
  return {
    noun: on.noun,
    name: on.name,
    object: on.object,
    holders,
    waiters,
    permits: rule.kind === "permits" ? rule.permits : undefined,
  };
}

/** In front of one who waits for a grant: who is served before it; "": nobody, but it is not granted yet. */
function behindGranted(
  { key }: ListedGrant,
  ranked: readonly Contender[],
  at: number,
): string | undefined {
  if (ranked[at]?.key === key) return undefined;
  const better = ranked.slice(0, at).findLast((each) => each.key !== key);
  return better?.key ?? key ?? "";
}

function whyWaits({ contenders, granted, now }: Listing, behind: string): string {
  if (behind !== "") return `behind ${nameOf(contenders, behind)}`;
  const { until } = granted ?? {};
  return until === undefined
    ? "is about to be granted"
    : `the lock delay of an owner that died ends in ${Math.max(0, Math.ceil(until - now))} ms`;
}

function nameOf(
  all: readonly { readonly key: string; readonly record: SeenRecord }[],
  key: string,
): string {
  const found = all.find((each) => each.key === key);
  return found === undefined ? key : describe(found.record, key);
}

function partyOf(key: string, token: number, record: SeenRecord, now: number): Party {
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
