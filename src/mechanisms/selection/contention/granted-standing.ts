/**
 * Where a contender of a granted object stands, and how one joins it.
 *
 * A waiter is told by its own key that it has been granted; the one that has waited longest watches the owner, each other one
 * its elder, so that a dead owner is noticed by one of them, who has the object granted anew.
 */
import type { Bytes } from "../../../base/bytes.ts";
import type { Tx } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import { byRank, grantTo, ownership, writeGrant } from "./grant.ts";
import { delayPromotion, refuseSeveral, ringEldest } from "./granted.ts";
import type { ContenderRecord } from "./layout.ts";
import { decodeRecord } from "./layout.ts";
import type { Queue, Standing } from "./queue.ts";
import { holderOf } from "./queue.ts";

export interface Entering {
  readonly prefix: Bytes;
  readonly key: string;
  readonly record: Omit<ContenderRecord, "since">;
  /** False: join only if that means owning at once. */
  readonly queue: boolean;
  /** Stores the contender; when it ends, if it does by itself. */
  readonly join: () => number | undefined;
}

type Seen = Pick<Standing, "tokenBase" | "granted" | "holder" | "waiting">;

function seen(tx: Tx, present: readonly KeyValue[], base: number, of?: Owner): Seen {
  const holder = holderOf(tx, of?.owner, base, of?.token);
  const waiting = Math.max(0, present.length - (of === undefined ? 0 : 1));
  return { tokenBase: base, granted: true, holder, waiting };
}

interface Owner {
  readonly owner: KeyValue;
  readonly token: number;
}

/** Joins a granted object, or one that this claim makes one. */
export function enterGranted(tx: Tx, queue: Queue, base: number, entering: Entering): Standing {
  const { prefix, key, record, join } = entering;
  const { present, grant } = queue;
  if (grant === undefined) return convert(tx, queue, base, entering);
  const whose = ownership(tx, grant, present);
  if (whose.kind === "open") {
    const best = byRank(present)[0];
    const highest = best === undefined ? -Infinity : (decodeRecord(best).priority ?? 0);
    if (best === undefined || whose.free || (record.priority ?? 0) > highest) {
      writeGrant(tx, prefix, { key, created: 0, record });
      if (whose.delayed) ringEldest(tx, present, undefined);
      return owns(tx, { ...seen(tx, present, base), expiresAt: join() });
    }
    if (entering.queue) grantTo(tx, prefix, best);
    if (entering.queue && whose.delayed) ringEldest(tx, present, best);
    const now = { owner: best, token: best.createRevision };
    return joins(tx, present, now, seen(tx, present, base), entering);
  }
  if (whose.kind === "dead") delayPromotion(tx, prefix, whose.delayMs);
  const owner = whose.kind === "owned" ? whose : undefined;
  return joins(tx, present, owner, seen(tx, present, base, owner), entering);
}

/** The first that needs a grant makes the object a granted one: its present owner is named, and keeps its token. */
function convert(tx: Tx, { present }: Queue, base: number, entering: Entering): Standing {
  const { prefix, key, record, join } = entering;
  const first = present[0];
  if (first === undefined) {
    writeGrant(tx, prefix, { key, created: 0, record });
    return owns(tx, { ...seen(tx, present, base), expiresAt: join() });
  }
  const token = first.createRevision;
  if (entering.queue) {
    refuseSeveral(prefix, present);
    writeGrant(tx, prefix, { key: first.key, created: token, token, record: {} });
  }
  const owner = { owner: first, token };
  return joins(tx, present, owner, seen(tx, present, base, owner), entering);
}

function owns(tx: Tx, standing: Seen & Pick<Standing, "expiresAt">): Standing {
  return { ...standing, state: "owns", created: tx.commitRevision, owned: tx.commitRevision };
}

function joins(
  tx: Tx,
  present: readonly KeyValue[],
  owner: Owner | undefined,
  known: Seen,
  { queue, join }: Entering,
): Standing {
  if (!queue) return { ...known, state: "refused", created: 0 };
  const others = present.filter((kv) => kv.key !== owner?.owner.key);
  const behind = others.at(-1)?.key ?? owner?.owner.key;
  return { ...known, state: "waits", created: tx.commitRevision, expiresAt: join(), behind };
}

/** Where a contender stands that is there. */
export function standingGranted(
  tx: Tx,
  present: readonly KeyValue[],
  grant: KeyValue,
  mine: KeyValue,
  base: number,
): Standing {
  const whose = ownership(tx, grant, present);
  const owner = whose.kind === "owned" ? whose : undefined;
  const { expiresAt } = decodeRecord(mine);
  const created = mine.createRevision;
  const known = { ...seen(tx, present, base, owner), created, expiresAt };
  if (owner?.owner.key === mine.key) return { ...known, state: "owns", owned: owner.token };
  const others = present.filter((kv) => kv.key !== owner?.owner.key);
  const elder = others[others.indexOf(mine) - 1];
  return {
    ...known,
    state: "waits",
    behind: elder?.key ?? owner?.owner.key,
    promote: whose.kind === "open" || whose.kind === "dead",
  };
}
