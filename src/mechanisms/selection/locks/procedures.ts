/**
 * Joining, looking and leaving several queues in one step.
 *
 * Invariants: I1 all or nothing: what is to be written is decided for all names before anything is written. I2 all keys of
 * a claim have one create revision, so two claims stand in the same order in every queue that they share: whoever waits
 * waits for older ones only, and claims on several names cannot wait for each other in a circle.
 * Cost: one range for each name to enter and to look, one key written for each name; `CROWD` is shared by the names, so that
 * joining fits in one transaction of any engine.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Procedure, Tx } from "../../../contract/procedure.ts";
import { procedure } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import { grantKey } from "../contention/grant.ts";
import type { ContenderRecord } from "../contention/layout.ts";
import { encodeRecord } from "../contention/layout.ts";
import type { Standing } from "../contention/queue.ts";
import { refuseCircle } from "../contention/circle.ts";
import type { Within } from "../contention/waits.ts";
import { noteWaits } from "../contention/waits.ts";
import { CROWD, holderOf, inFront, tokenBase, wholeQueue } from "../contention/queue.ts";

/** How many names one claim may have: what a transaction of any engine can look at and write. */
export const NAMES_MAX = 16;

/** Where a claim on several names stands: as in the first queue in which it waits. */
export interface StandingInAll extends Standing {
  /** Which of the names that is. */
  readonly at?: number | undefined;
}

export interface EnterAllArgs {
  readonly prefixes: readonly string[];
  /** The contender's key without the prefix. */
  readonly suffix: string;
  readonly lease: string;
  readonly record: Omit<ContenderRecord, "since">;
  readonly queue: boolean;
  /** What is held meanwhile and not released before this is served. */
  readonly within?: Within | undefined;
}

interface Queue {
  readonly present: readonly KeyValue[];
  /** Where the claim stands in it; -1: it has not joined. */
  readonly own: number;
  readonly all: boolean;
}

export const enterAll: Procedure<EnterAllArgs, StandingInAll> = procedure(
  "selection/locks/enter@1",
  (tx, { prefixes, suffix, lease, record, queue, within }) => {
    const crowd = Math.floor(CROWD / prefixes.length);
    const queues = prefixes.map((each): Queue => {
      const key = (each + suffix) as Bytes;
      const { present, all, grant } = queue
        ? inFront(tx, each as Bytes, key, crowd)
        : wholeQueue(tx, each as Bytes);
      if (grant !== undefined || (!all && tx.get(grantKey(each)) !== undefined))
        throw granted(each);
      return { present, all, own: present.findIndex((kv) => kv.key === key) };
    });
    // A repeated request must not create the contenders anew: their age is their place.
    if (queues.every(({ own }) => own >= 0)) return standingInAll(tx, queues);
    const at = queues.findIndex(({ present }) => present.length > 0);
    const owns = at < 0;
    const crowded = queues.some(({ all }) => !all);
    const seen = seenAt(tx, queues, at);
    if (!owns && !queue) return { ...seen, state: "refused", created: 0 };
    const value = encodeRecord({ ...record, layout: 1, since: tx.now });
    for (const each of prefixes) tx.put((each + suffix) as Bytes, value, { lease: BigInt(lease) });
    if (within !== undefined) noteWaits(tx, within, suffix, BigInt(lease));
    const behind = crowded || within !== undefined ? undefined : queues[at]?.present.at(-1)?.key;
    return { ...seen, state: owns ? "owns" : "waits", created: tx.commitRevision, behind };
  },
  ({ prefixes }) => prefixes.join("\n"),
);

/** By age alone claims on several names stand in one order everywhere. */
function granted(prefix: string): Error {
  return fail("INVALID", {
    object: text(prefix as Bytes),
    what: "is in use with a priority, barging, a lock delay or a hand-over",
    remedy: "Take it by itself, or use none of these on names that q.locks takes.",
  });
}

/** What there is to say of the queue in which a claim waits. */
function seenAt(
  tx: Tx,
  queues: readonly Queue[],
  at: number,
): Pick<StandingInAll, "tokenBase" | "holder" | "waiting" | "at"> {
  const base = tokenBase(tx);
  if (at < 0) return { tokenBase: base, waiting: 0 };
  const present = queues[at]?.present ?? [];
  const waiting = Math.max(0, present.length - 1);
  return { tokenBase: base, holder: holderOf(tx, present[0], base), waiting, at };
}

function standingInAll(tx: Tx, queues: readonly Queue[]): StandingInAll {
  const at = queues.findIndex(({ own }) => own > 0);
  const behind = at < 0 ? undefined : queues[at]?.present[(queues[at]?.own ?? 0) - 1]?.key;
  const first = queues[0];
  const created = first?.present[first.own]?.createRevision ?? 0;
  return { ...seenAt(tx, queues, at), state: at < 0 ? "owns" : "waits", created, behind };
}

export interface LookAllArgs {
  readonly prefixes: readonly string[];
  readonly suffix: string;
  readonly created: number;
  /** Keys that it holds meanwhile; a circle of waiting is DEADLOCK. */
  readonly held?: readonly string[] | undefined;
}

export const lookAll: Procedure<LookAllArgs, StandingInAll> = procedure(
  "selection/locks/look@2",
  (tx, { prefixes, suffix, created, held }) => {
    const queues = prefixes.map((each): Queue => {
      const { present, grant } = wholeQueue(tx, each as Bytes);
      // Among many this claim was not seen when the object became a granted one.
      if (grant !== undefined) throw granted(each);
      const own = present.findIndex(
        (kv) => kv.key === each + suffix && kv.createRevision === created,
      );
      return { present, own, all: true };
    });
    if (queues.every(({ own }) => own >= 0)) {
      const standing = standingInAll(tx, queues);
      if (standing.state === "waits" && held !== undefined) {
        const places = prefixes.map((prefix) => ({ prefix, key: prefix + suffix }));
        const rule = { kind: "first" } as const;
        refuseCircle(tx, { places, rule, held, created }, (_tx, _prefix, stored) => stored);
      }
      return standing;
    }
    return { state: "absent", created: 0, tokenBase: 0, waiting: 0 };
  },
  ({ prefixes }) => prefixes.join("\n"),
);

export interface LeaveAllArgs {
  readonly keys: readonly string[];
  /** Leaves only the contenders created then; 0: whatever is there. */
  readonly created: number;
  /** Keys of its records in the wait graph, which go with it. */
  readonly waits: readonly string[];
}

export const leaveAll: Procedure<LeaveAllArgs, { readonly left: number }> = procedure(
  "selection/locks/leave@1",
  (tx, { keys, created, waits }) => {
    for (const each of waits) tx.delete(each as Bytes);
    const there = keys
      .map((key) => tx.get(key as Bytes))
      .filter((kv) => kv !== undefined && (created === 0 || kv.createRevision === created));
    for (const kv of there) if (kv !== undefined) tx.delete(kv.key);
    return { left: there.length };
  },
  ({ keys }) => keys.join("\n"),
);
