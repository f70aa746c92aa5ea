/**
 * Reading a queue of contenders inside a procedure.
 *
 * Invariants: I1 who joins to wait reads at most `CROWD` contenders and one more, so that joining fits in one transaction
 * of a foreign engine however long the queue is; who finds a longer queue joins it blindly, and learns by `look`, which
 * writes nothing and needs no transaction, where it stands.
 */
import type { Bytes } from "../../../base/bytes.ts";
import type { CommitRevision, Tx } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import { grantKey } from "./grant.ts";
import type { SeenRecord } from "./layout.ts";
import {
  decodeRecord,
  isContender,
  isNewer,
  newerLayout,
  prefixEnd,
  TOKEN_BASE_KEY,
} from "./layout.ts";
import type { Contender, Rule } from "./rules.ts";

/** Where a contender stands. */
export interface Standing {
  /** "absent": its key is not there. */
  readonly state: "owns" | "waits" | "refused" | "absent";
  /** Revision at which its key was created. */
  readonly created: number | CommitRevision;
  /** The revision that makes its token, where that is not `created`: of an owner by grant. */
  readonly owned?: number | CommitRevision | undefined;
  /** The object is owned by grant: a waiter is told by its own key, too. */
  readonly granted?: boolean | undefined;
  /** The object is nobody's: who waits has it granted. */
  readonly promote?: boolean | undefined;
  readonly tokenBase: number;
  /** The key whose deletion to await; of one who waits, absent: look to learn it. */
  readonly behind?: string | undefined;
  /** The owner in the way, as far as it says who it is. */
  readonly holder?: Holder | undefined;
  readonly waiting: number;
  readonly expiresAt?: number | undefined;
  /** Of a semaphore: the stored number of permits, which counts. */
  readonly permits?: number | undefined;
}

export interface Holder {
  readonly key: string;
  readonly token: number;
  readonly record: SeenRecord;
  /** Keyspace time at which this was read, ms. */
  readonly now: number;
}

/** A transaction of etcd holds 128 conditions, one of them for each contender that was read. */
export const CROWD = 64;

/** Contenders, oldest first, and the grant that lies among them. */
export interface Queue {
  readonly present: readonly KeyValue[];
  readonly grant: KeyValue | undefined;
  /** Whether all have been read. */
  readonly all: boolean;
}

function sorted(prefix: Bytes, kvs: readonly KeyValue[], all: boolean): Queue {
  const present = kvs.filter((kv) => isContender(prefix, kv.key));
  return { present, grant: kvs.find((kv) => kv.key === grantKey(prefix)), all };
}

/** All contenders. */
export function wholeQueue(tx: Tx, prefix: Bytes): Queue {
  return sorted(prefix, tx.byAge(prefix, prefixEnd(prefix)), true);
}

/** All contenders, oldest first. */
export function contenders(tx: Tx, prefix: Bytes): readonly KeyValue[] {
  return wholeQueue(tx, prefix).present;
}

/** Those in front of one who joins to wait; not `all` if they are more than `crowd` and it is to be their youngest. */
export function inFront(tx: Tx, prefix: Bytes, key: Bytes, crowd: number = CROWD): Queue {
  const kvs = tx.byAge(prefix, prefixEnd(prefix), { limit: crowd + 1 });
  const all = kvs.length <= crowd;
  if (all || tx.get(key) === undefined) return sorted(prefix, kvs, all);
  return wholeQueue(tx, prefix);
}

export function tokenBase(tx: Tx): number {
  const kv = tx.get(TOKEN_BASE_KEY);
  const base = kv === undefined ? 0 : Number(kv.value);
  return Number.isSafeInteger(base) ? base : 0;
}

export function contenderOf(kv: KeyValue): Contender {
  const { mode, weight = 1 } = decodeRecord(kv);
  return { key: kv.key, shared: mode === "read", weight, created: kv.createRevision };
}

/** By age. Throws LAYOUT if what one of them takes of the permits is known to a later version only. */
export function contendersOf(rule: Rule, present: readonly KeyValue[]): Contender[] {
  const newer = rule.kind === "permits" ? present.find((kv) => isNewer(kv)) : undefined;
  if (newer !== undefined) throw newerLayout(`hold ${newer.key}`);
  return present.map(contenderOf);
}

export function holderOf(
  tx: Tx,
  kv: KeyValue | undefined,
  base: number,
  token: number = kv?.createRevision ?? 0,
): Holder | undefined {
  if (kv === undefined) return undefined;
  return { key: kv.key, token: base + token, record: decodeRecord(kv), now: tx.now };
}
