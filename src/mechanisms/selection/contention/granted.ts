/**
 * Procedures of granted objects: who owns next, and how ownership passes on.
 *
 * Invariants: I1 nobody takes from an owner: a grant is rewritten only by its owner's leaving, or when it is void. I2 each
 * change of ownership wakes the new owner by touching its key. I3 the next owner is chosen among the owner and the 64 that have
 * waited longest, so that the choice fits in one transaction of any engine.
 * I4 none of them shares a commit with a look: what it changes, a waiter that looked before must see as a change.
 * Cost: one range, the grant and one key read; the grant and one or two keys written.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Procedure, Tx } from "../../../contract/procedure.ts";
import { procedure } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import {
  beginDelay,
  byRank,
  grantKey,
  grantTo,
  leaveFree,
  needsGrant,
  ownership,
  touch,
} from "./grant.ts";
import { changedRecord, decodeRecord, describe, isContender, prefixEnd } from "./layout.ts";
import { CROWD } from "./queue.ts";

/** Those who have waited longest. */
function longest(tx: Tx, prefix: Bytes): readonly KeyValue[] {
  const kvs = tx.byAge(prefix, prefixEnd(prefix), { limit: CROWD + 2 });
  return kvs.filter((kv) => isContender(prefix, kv.key));
}

export interface PromoteArgs {
  readonly prefix: string;
  /** Who asks: takes an object that is free. */
  readonly taker?: string | undefined;
}

/** Grants an object that is nobody's, or begins the delay after a dead owner. Run by who waits, and at a delay's end. */
export const promote: Procedure<PromoteArgs, { readonly granted: boolean }> = procedure(
  "selection/contention/promote@1",
  (tx, { prefix, taker }) => {
    const kv = tx.get(grantKey(prefix));
    if (kv === undefined) return { granted: false };
    const present = longest(tx, prefix as Bytes);
    const whose = ownership(tx, kv, present);
    if (whose.kind === "owned" || whose.kind === "delayed") return { granted: false };
    if (whose.kind === "dead") {
      delayPromotion(tx, prefix, whose.delayMs);
      return { granted: false };
    }
    const asking = whose.free ? present.find((each) => each.key === taker) : undefined;
    const next = asking ?? byRank(present)[0];
    if (next === undefined) tx.delete(kv.key);
    else grantTo(tx, prefix, next);
    if (whose.delayed) ringEldest(tx, present, next);
    return { granted: next !== undefined };
  },
  ({ prefix }) => `${prefix}promote`,
);

/** Tells the eldest that waits that there is an owner again, whom it has to watch. */
export function ringEldest(
  tx: Tx,
  present: readonly KeyValue[],
  granted: KeyValue | undefined,
): void {
  const eldest = present[0];
  if (eldest !== undefined && eldest.key !== granted?.key) touch(tx, eldest);
}

/** Begins the delay; at its end the best of those who wait is granted, though nobody asks. */
export function delayPromotion(tx: Tx, prefix: string, delayMs: number): void {
  const until = beginDelay(tx, prefix, delayMs);
  tx.due(until, grantKey(prefix), promote, { prefix });
}

export interface ReleaseArgs {
  readonly prefix: string;
  readonly key: string;
  /** Leaves only the contender created then; 0: whatever is there. */
  readonly created: number;
  readonly waits?: readonly string[] | undefined;
}

/** Leaves a granted object; an owner hands on to the best of those who wait, or leaves it free if it barged. */
export const release: Procedure<ReleaseArgs, { readonly left: boolean }> = procedure(
  "selection/contention/release@1",
  (tx, { prefix, key, created, waits }) => {
    for (const each of waits ?? []) tx.delete(each as Bytes);
    const own = tx.get(key as Bytes);
    if (own === undefined || (created !== 0 && own.createRevision !== created))
      return { left: false };
    const kv = tx.get(grantKey(prefix));
    const present = longest(tx, prefix as Bytes);
    const rest = present.filter((each) => each.key !== key);
    const whose = kv === undefined ? undefined : ownership(tx, kv, present);
    tx.delete(own.key);
    if (kv === undefined || whose === undefined) return { left: true };
    if (whose.kind === "owned" && whose.owner.key === key) handOn(tx, prefix, own, rest);
    else if (whose.kind === "owned" && agesAgain(whose, rest)) tx.delete(kv.key);
    else if (whose.kind === "open" && rest.length === 0) tx.delete(kv.key);
    return { left: true };
  },
  ({ key }) => key,
);

function handOn(tx: Tx, prefix: string, owner: KeyValue, rest: readonly KeyValue[]): void {
  const next = byRank(rest)[0];
  if (next === undefined) tx.delete(grantKey(prefix));
  else if (decodeRecord(owner).barging === true) leaveFree(tx, prefix);
  else grantTo(tx, prefix, next);
}

/** Whether age says what the grant says: then the object can be queued again. */
function agesAgain(
  whose: { readonly owner: KeyValue; readonly token: number },
  rest: readonly KeyValue[],
): boolean {
  const [first, ...others] = rest;
  if (first?.key !== whose.owner.key || first.createRevision !== whose.token) return false;
  // Of a crowd not all have been read.
  if (rest.length >= CROWD) return false;
  return ![first, ...others].some((each) => needsGrant(decodeRecord(each)));
}

export interface HandOverArgs {
  readonly prefix: string;
  readonly key: string;
  readonly created: number;
  /** Which hand-over of this hold it is, from 1. */
  readonly number: number;
  /** A waiter's key, `service@host` or label; absent: the best. */
  readonly to?: string | undefined;
}

export type HandOverResult =
  | { readonly state: "done"; readonly to: string }
  | { readonly state: "nobody" | "absent" };

/** Gives ownership to one who waits, whatever the class of the object. */
export const handOver: Procedure<HandOverArgs, HandOverResult> = procedure(
  "selection/contention/hand-over@2",
  (tx, { prefix, key, created, number, to }) => {
    const present = longest(tx, prefix as Bytes);
    const own = present.find((each) => each.key === key) ?? tx.get(key as Bytes);
    if (own === undefined || own.createRevision !== created) return { state: "absent" };
    // It comes too late: its owner has gone on owning.
    if (number <= (decodeRecord(own).stays ?? 0)) return { state: "nobody" };
    const kv = tx.get(grantKey(prefix));
    const whose = kv === undefined ? undefined : ownership(tx, kv, present);
    const owner =
      whose === undefined ? present[0] : whose.kind === "owned" ? whose.owner : undefined;
    if (owner?.key !== key) return { state: "absent" };
    if (kv === undefined) refuseSeveral(prefix, present);
    const rest = present.filter((each) => each.key !== key);
    const next = byRank(rest).find((each) => to === undefined || isCalled(each, to));
    if (next === undefined) return { state: "nobody" };
    tx.delete(own.key);
    grantTo(tx, prefix, next);
    // One who joined while the object was queued watches only whoever is in front of it.
    const elder = rest[rest.indexOf(next) - 1];
    if (elder !== undefined) touch(tx, elder);
    return { state: "done", to: describe(decodeRecord(next), next.key) };
  },
  ({ key }) => key,
);

export interface StayArgs {
  readonly key: string;
  readonly created: number;
  /** The last hand-over that may still come. */
  readonly number: number;
}

/** Whether an owner still owns; if so, no hand-over up to `number` is carried out any more, however late it comes. */
export const stay: Procedure<StayArgs, { readonly owns: boolean }> = procedure(
  "selection/contention/stay@1",
  (tx, { key, created, number }) => {
    const own = tx.get(key as Bytes);
    // Nobody takes from an owner: it owns as long as it is there.
    if (own === undefined || own.createRevision !== created) return { owns: false };
    const stays = Math.max(number, decodeRecord(own).stays ?? 0);
    tx.put(own.key, changedRecord(own, { stays }), { lease: own.lease });
    return { owns: true };
  },
  ({ key }) => key,
);

function isCalled(kv: KeyValue, to: string): boolean {
  const { service, host, label } = decodeRecord(kv);
  return kv.key === to || `${service}@${host}` === to || label === to;
}

/** A claim on several names has its place by age in every queue: it cannot be in one that is granted. */
export function refuseSeveral(prefix: string, present: readonly KeyValue[]): void {
  const several = present.find((each) => decodeRecord(each).with !== undefined);
  if (several === undefined) return;
  throw fail("INVALID", {
    object: text(prefix as Bytes),
    what: "a claim on several names stands in its queue, which is served by age alone",
    holder: describe(decodeRecord(several), several.key),
    remedy: "Use no priority, barging, lock delay or hand-over on names that q.locks takes.",
  });
}

export interface RevokeArgs {
  readonly prefix: string;
  readonly reason: string;
  /** Who asks, as people call it. */
  readonly by: string;
}

export interface RevokeResult {
  readonly state: "asked" | "free" | "not-revocable";
  readonly holder?: string | undefined;
}

/** Asks the owner to let go, if it said that it would listen. */
export const revoke: Procedure<RevokeArgs, RevokeResult> = procedure(
  "selection/contention/revoke@1",
  (tx, { prefix, reason, by }) => {
    const present = longest(tx, prefix as Bytes);
    const kv = tx.get(grantKey(prefix));
    const whose = kv === undefined ? undefined : ownership(tx, kv, present);
    const owner =
      whose === undefined ? present[0] : whose.kind === "owned" ? whose.owner : undefined;
    if (owner === undefined) return { state: "free" };
    const record = decodeRecord(owner);
    const holder = describe(record, owner.key);
    if (record.revocable !== true) return { state: "not-revocable", holder };
    tx.put(owner.key, changedRecord(owner, { revoked: { reason, by } }), { lease: owner.lease });
    return { state: "asked", holder };
  },
  ({ prefix }) => `${prefix}revoke`,
);
