/**
 * The grant: the record that says who owns where age alone does not decide (priorities, barging, lock delay, hand-over).
 *
 * An object is granted while its grant exists, else queued. The grant lies in the range that is read anyway, so a queued
 * object pays nothing for it. It names a contender by key and create revision and is void when that contender is gone.
 * Invariants: I1 a token is the revision at which ownership was granted, unless the grant names it: what was owned by age
 * keeps the token that it had. So tokens grow, though a younger contender may own before an older one. I2 a queued object is
 * converted by naming its present owner: nobody loses anything. I3 a grant is removed only when nobody contends, or
 * when what it says is what age says.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text, utf8 } from "../../../base/bytes.ts";
import type { Tx } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import { fieldsOf, flagIn, integerIn, numberIn, stringIn } from "./fields.ts";
import type { SeenRecord } from "./layout.ts";
import { changedRecord, decodeRecord, newerLayout } from "./layout.ts";

/** What the grant of an object says. */
export interface Grant {
  readonly layout: 1;
  /** The owner; empty: nobody, whoever comes next takes it. */
  readonly key: string;
  /** Create revision of the owner's key; 0: it was created together with this record. */
  readonly created: number;
  /** Keyspace time of the grant, ms. */
  readonly since: number;
  /** The owner's token without the token base; absent: the revision of this record. */
  readonly token?: number | undefined;
  /** If the owner dies: how long nobody is granted after that was noticed. */
  readonly delayMs?: number | undefined;
  /** If the owner dies: whoever comes next takes it. */
  readonly barging?: boolean | undefined;
  /** Nobody is granted before this keyspace time. */
  readonly until?: number | undefined;
}

/** Whose a granted object is. */
export type Ownership =
  | { readonly kind: "owned"; readonly owner: KeyValue; readonly token: number }
  /** Its owner has died, and the delay that it wanted has not begun. */
  | { readonly kind: "dead"; readonly delayMs: number }
  | { readonly kind: "delayed"; readonly until: number }
  /**
   * Nobody's. `free`: whoever comes next takes it, else the best of those who wait. `delayed`: a delay has ended, during which
   * the eldest that waits had no owner to watch.
   */
  | { readonly kind: "open"; readonly free: boolean; readonly delayed: boolean };

/** A further `/`, so it does not contend. */
export function grantKey(prefix: string): Bytes {
  return `${prefix}policy/grant` as Bytes;
}

function decodeGrant(kv: KeyValue): Grant {
  const given = fieldsOf(kv.value);
  const key = stringIn(given, "key");
  const created = integerIn(given, "created");
  const since = numberIn(given, "since");
  const known = given.get("layout") === 1;
  if (!known || key === undefined || created === undefined || since === undefined)
    throw newerLayout(`grant ${text(kv.key)}`);
  return {
    layout: 1,
    key,
    created,
    since,
    token: integerIn(given, "token"),
    delayMs: numberIn(given, "delayMs"),
    barging: flagIn(given, "barging"),
    until: numberIn(given, "until"),
  };
}

/** Whose the object is, by its grant. `present`: contenders that have been read; another owner is looked up. */
export function ownership(
  tx: Pick<Tx, "get" | "now">,
  kv: KeyValue,
  present: readonly KeyValue[],
): Ownership {
  const grant = decodeGrant(kv);
  const created = grant.created === 0 ? kv.modRevision : grant.created;
  if (grant.key !== "") {
    const key = grant.key as Bytes;
    const owner = present.find((each) => each.key === key) ?? tx.get(key);
    if (owner !== undefined && owner.createRevision === created)
      return { kind: "owned", owner, token: grant.token ?? kv.modRevision };
    if ((grant.delayMs ?? 0) > 0) return { kind: "dead", delayMs: grant.delayMs ?? 0 };
  }
  if (grant.until !== undefined && grant.until > tx.now)
    return { kind: "delayed", until: grant.until };
  const delayed = grant.until !== undefined;
  const free = grant.barging === true || (grant.key === "" && !delayed);
  return { kind: "open", free, delayed };
}

/** Whether a claim is served in another order than by age, so that its object must be granted. */
export function needsGrant(record: Pick<SeenRecord, "priority" | "barging" | "delayMs">): boolean {
  return (record.priority ?? 0) !== 0 || record.barging === true || (record.delayMs ?? 0) > 0;
}

/** Contenders in the order in which they are served: by priority, then by age. */
export function byRank(byAge: readonly KeyValue[]): readonly KeyValue[] {
  const rank = (kv: KeyValue): number => decodeRecord(kv).priority ?? 0;
  return byAge.toSorted((one, two) => rank(two) - rank(one));
}

/** Grants to a contender that is there and wakes it. */
export function grantTo(tx: Tx, prefix: string, kv: KeyValue): void {
  writeGrant(tx, prefix, { key: kv.key, created: kv.createRevision, record: decodeRecord(kv) });
  touch(tx, kv);
}

/** Writes the grant; `created` 0 for one that this transaction creates. */
export function writeGrant(
  tx: Tx,
  prefix: string,
  to: {
    readonly key: string;
    readonly created: number;
    readonly record: SeenRecord;
    readonly token?: number | undefined;
  },
): void {
  const { key, created, token, record } = to;
  const { delayMs, barging } = record;
  const grant: Grant = { layout: 1, key, created, since: tx.now, token, delayMs, barging };
  tx.put(grantKey(prefix), utf8(JSON.stringify(grant)));
}

/** Leaves the object to whoever comes next. */
export function leaveFree(tx: Tx, prefix: string): void {
  writeGrant(tx, prefix, { key: "", created: 0, record: {} });
}

/** Begins the time in which nobody is granted; gives its end. */
export function beginDelay(tx: Tx, prefix: string, delayMs: number): number {
  // Whole milliseconds: the due index cuts fractions, and a delay must not end before it has passed.
  const until = Math.ceil(tx.now + delayMs);
  const grant: Grant = { layout: 1, key: "", created: 0, since: tx.now, until };
  tx.put(grantKey(prefix), utf8(JSON.stringify(grant)));
  return until;
}

/** Rewrites a contender's key, which wakes whoever watches it. A foreign value stays as it is. */
export function touch(tx: Tx, kv: KeyValue): void {
  const { layout, bell = 0 } = decodeRecord(kv);
  const value = layout === 1 ? changedRecord(kv, { bell: bell + 1 }) : kv.value;
  tx.put(kv.key, value, { lease: kv.lease });
}
