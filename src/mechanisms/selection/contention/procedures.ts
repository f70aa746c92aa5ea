/**
 * Joining, looking and leaving as procedures: one atomic step each, on every engine.
 *
 * Cost: `enter` reads one range and one key and writes one key; `look` the same reads; `leave` one read, one write.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text, utf8 } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { Procedure, Tx } from "../../../contract/procedure.ts";
import { procedure } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import type { ContenderRecord, SeenRecord } from "./layout.ts";
import { changedRecord, decodeRecord, encodeRecord, isNewer, newerLayout } from "./layout.ts";
import type { Queue, Standing } from "./queue.ts";
import { contendersOf, contenders, holderOf, inFront, tokenBase, wholeQueue } from "./queue.ts";
import type { Ownership } from "./grant.ts";
import { byRank, needsGrant, ownership } from "./grant.ts";
import { enterGranted, standingGranted } from "./granted-standing.ts";
import { refuseCircle } from "./circle.ts";
import type { Contender, Rule } from "./rules.ts";
import { permitsKey, storedPermits, storePermits } from "./permits.ts";
import { obstacle, resized } from "./rules.ts";
import type { Within } from "./waits.ts";
import { noteWaits } from "./waits.ts";

export interface EnterArgs {
  readonly prefix: string;
  readonly key: string;
  /** The session's lease, decimal; "0" for a deadline-held contender. */
  readonly lease: string;
  readonly record: Omit<ContenderRecord, "since">;
  readonly rule: Rule;
  /** False: join only if that means owning at once. */
  readonly queue: boolean;
  /** Of a deadline-held contender: how long it lasts. */
  readonly ttlMs?: number | undefined;
  /** What is held meanwhile and not released before this is served. */
  readonly within?: Within | undefined;
  /** Store this instead of the record: for names shared with other programs. */
  readonly raw?: string | undefined;
}

export const enter: Procedure<EnterArgs, Standing> = procedure(
  "selection/contention/enter@2",
  (tx, args) => {
    const prefix = args.prefix as Bytes;
    const key = args.key as Bytes;
    const base = tokenBase(tx);
    // Who is served in another order than by age must know everybody.
    const byGrant = needsGrant(args.record);
    const queue = args.queue && !byGrant ? inFront(tx, prefix, key) : wholeQueue(tx, prefix);
    const { present, all } = queue;
    // A repeated request must not create the contender anew: its age is its place.
    const existing = present.findIndex((kv) => kv.key === key);
    if (existing >= 0) return standing(tx, queue, existing, args.rule, base, prefix);
    if (all && (byGrant || queue.grant !== undefined))
      return lookFirst(
        args,
        enterGranted(tx, queue, base, {
          prefix,
          key,
          record: args.record,
          queue: args.queue,
          join: () => join(tx, args),
        }),
      );
    const mine: Contender = {
      key,
      shared: args.record.mode === "read",
      weight: args.record.weight ?? 1,
      created: Infinity,
    };
    const rule = settledRule(tx, prefix, args.rule);
    refuseTooHeavy(prefix, rule, mine);
    const behind = all
      ? obstacle(rule, [...contendersOf(rule, present), mine], present.length)
      : undefined;
    const owns = all && behind === undefined;
    const seen = {
      tokenBase: base,
      holder: owns ? undefined : holderOf(tx, present[0], base),
      permits: rule.kind === "permits" ? rule.permits : undefined,
    };
    if (!owns && !args.queue) {
      return { ...seen, state: "refused", created: 0, waiting: Math.max(0, present.length - 1) };
    }
    return lookFirst(args, {
      ...seen,
      state: owns ? "owns" : "waits",
      created: tx.commitRevision,
      expiresAt: join(tx, args),
      behind: behind?.key,
      waiting: present.length,
    });
  },
  (args) => args.prefix,
);

/** Who holds something meanwhile looks before it waits: only then all who wait are there to be seen. */
function lookFirst(args: EnterArgs, standing: Standing): Standing {
  if (args.within === undefined) return standing;
  return { ...standing, behind: undefined, granted: undefined };
}

/** Stores the contender; when it ends, if it does by itself. */
function join(tx: Tx, args: EnterArgs): number | undefined {
  // Whole milliseconds: the due index cuts fractions, and a deadline must not fire before it has passed.
  const expiresAt = args.ttlMs === undefined ? undefined : Math.ceil(tx.now + args.ttlMs);
  const record: ContenderRecord = { ...args.record, layout: 1, since: tx.now, expiresAt };
  const value = args.raw === undefined ? encodeRecord(record) : (args.raw as Bytes);
  tx.put(args.key as Bytes, value, { lease: BigInt(args.lease) });
  if (expiresAt !== undefined) tx.due(expiresAt, args.key, expire, { key: args.key });
  if (args.within !== undefined)
    noteWaits(tx, args.within, args.key.slice(args.prefix.length), BigInt(args.lease));
  return expiresAt;
}

/** The rule with the stored number of permits, which counts; the first user's number is stored. */
function settledRule(tx: Tx, prefix: Bytes, rule: Rule): Rule {
  if (rule.kind !== "permits") return rule;
  const stored = storedPermits(tx, prefix);
  if (stored === undefined) tx.put(permitsKey(prefix), utf8(String(rule.permits)));
  return stored ?? rule;
}

/** Waiting for more than there is would never end, and would hold up everybody behind. */
function refuseTooHeavy(prefix: Bytes, rule: Rule, mine: Contender): void {
  if (rule.kind !== "permits" || mine.weight <= rule.permits) return;
  throw fail("INVALID", {
    object: text(prefix),
    what: `weight is ${mine.weight}, the stored number of permits is ${rule.permits}`,
    remedy: "Ask for less, or resize it.",
    details: { permits: rule.permits },
  });
}

function standing(
  tx: Tx,
  { present, grant }: Queue,
  at: number,
  given: Rule,
  base: number,
  prefix: Bytes,
): Standing {
  const mine = present[at] as KeyValue;
  if (grant !== undefined) return standingGranted(tx, present, grant, mine, base);
  const rule = readRule(tx, prefix, given);
  const byAge = contendersOf(rule, present);
  const behind = obstacle(rule, byAge, at);
  // A lower number of permits can leave a waiter that asks for more than there is.
  if (behind !== undefined) refuseTooHeavy(prefix, rule, byAge[at] as Contender);
  return {
    state: behind === undefined ? "owns" : "waits",
    created: mine.createRevision,
    tokenBase: base,
    behind: behind?.key,
    holder: behind === undefined ? undefined : holderOf(tx, present[0], base),
    waiting: Math.max(0, present.length - 1),
    expiresAt: decodeRecord(mine).expiresAt,
    permits: rule.kind === "permits" ? rule.permits : undefined,
  };
}

export function readRule(tx: Tx, prefix: Bytes, rule: Rule): Rule {
  if (rule.kind !== "permits") return rule;
  return storedPermits(tx, prefix) ?? rule;
}

export interface LookArgs {
  readonly prefix: string;
  readonly key: string;
  readonly created: number;
  readonly rule: Rule;
  /** Keys that it holds meanwhile; a circle of waiting is DEADLOCK. */
  readonly held?: readonly string[] | undefined;
}

export const look: Procedure<LookArgs, Standing> = procedure(
  "selection/contention/look@2",
  (tx, args) => {
    const queue = wholeQueue(tx, args.prefix as Bytes);
    const { present } = queue;
    const at = present.findIndex((kv) => kv.key === args.key && kv.createRevision === args.created);
    if (at >= 0) {
      const { prefix, key, rule, held, created } = args;
      const found = standing(tx, queue, at, rule, tokenBase(tx), prefix as Bytes);
      if (found.state === "waits" && held !== undefined)
        refuseCircle(tx, { places: [{ prefix, key }], rule, held, created }, readRule);
      return found;
    }
    return { state: "absent", created: 0, tokenBase: 0, waiting: present.length };
  },
  (args) => args.prefix,
);

export interface LeaveArgs {
  readonly key: string;
  /** Leaves only the contender created then; 0: whatever is there. */
  readonly created: number;
  /** Keys of its records in the wait graph, which go with it. */
  readonly waits?: readonly string[] | undefined;
}

export const leave: Procedure<LeaveArgs, { readonly left: boolean }> = procedure(
  "selection/contention/leave@2",
  (tx, args) => {
    for (const each of args.waits ?? []) tx.delete(each as Bytes);
    const kv = tx.get(args.key as Bytes);
    if (kv === undefined || (args.created !== 0 && kv.createRevision !== args.created))
      return { left: false };
    const { expiresAt } = decodeRecord(kv);
    tx.delete(kv.key);
    if (expiresAt !== undefined) tx.undue(expiresAt, args.key);
    return { left: true };
  },
  (args) => args.key,
);

export interface ExpireArgs {
  readonly key: string;
}

/** Run by the reactor when a deadline has passed. */
export const expire: Procedure<ExpireArgs, { readonly ended: boolean }> = procedure(
  "selection/contention/expire@1",
  (tx, args) => {
    const kv = tx.get(args.key as Bytes);
    if (kv === undefined) return { ended: false };
    const { expiresAt } = decodeRecord(kv);
    if (expiresAt === undefined || expiresAt > tx.now) return { ended: false };
    tx.delete(kv.key);
    return { ended: true };
  },
  (args) => args.key,
);

export interface ExtendArgs {
  readonly key: string;
  readonly ttlMs: number;
}

/** Moves the end of a deadline-held contender to `ttlMs` from now. */
export const extend: Procedure<ExtendArgs, { readonly expiresAt: number }> = procedure(
  "selection/contention/extend@1",
  (tx, args) => {
    const kv = tx.get(args.key as Bytes);
    if (kv !== undefined && isNewer(kv)) throw newerLayout(`hold ${args.key}`);
    const record = kv === undefined ? {} : decodeRecord(kv);
    if (kv === undefined || record.expiresAt === undefined || record.layout !== 1) {
      throw fail("EXPIRED", {
        object: `hold ${args.key}`,
        what: "has ended",
        remedy: "Acquire again; what was guarded by the token is refused.",
      });
    }
    const expiresAt = Math.ceil(tx.now + args.ttlMs);
    tx.undue(record.expiresAt, args.key);
    tx.put(kv.key, changedRecord(kv, { expiresAt }), { lease: kv.lease });
    tx.due(expiresAt, args.key, expire, { key: args.key });
    return { expiresAt };
  },
  (args) => args.key,
);

export interface ProclaimArgs {
  readonly key: string;
  readonly created: number;
  readonly value: string;
  readonly raw: boolean;
}

/** Changes what an owner says; refused if it no longer is there. */
export const proclaim: Procedure<ProclaimArgs, { readonly done: boolean }> = procedure(
  "selection/contention/proclaim@1",
  (tx, args) => {
    const kv = tx.get(args.key as Bytes);
    if (kv === undefined || kv.createRevision !== args.created) return { done: false };
    const value = args.raw ? (args.value as Bytes) : changedRecord(kv, { value: args.value });
    tx.put(kv.key, value, { lease: kv.lease });
    return { done: true };
  },
  (args) => args.key,
);

/** What `explain` shows: contenders in the order in which they are served. */
export interface Listing {
  readonly tokenBase: number;
  readonly now: number;
  /** Of a semaphore that has been used: its stored rule. */
  readonly permits?: (Rule & { readonly kind: "permits" }) | undefined;
  /** Of an object that is owned by grant. */
  readonly granted?: ListedGrant | undefined;
  readonly contenders: readonly {
    readonly key: string;
    readonly created: number;
    readonly record: SeenRecord;
  }[];
}

export interface ListedGrant {
  /** The owner, if there is one. */
  readonly key?: string | undefined;
  readonly token?: number | undefined;
  /** Nobody is granted before this keyspace time. */
  readonly until?: number | undefined;
}

export const list: Procedure<{ readonly prefix: string; readonly permits: boolean }, Listing> =
  procedure(
    "selection/contention/list@2",
    (tx, args) => {
      const { present, grant } = wholeQueue(tx, args.prefix as Bytes);
      const whose = grant === undefined ? undefined : ownership(tx, grant, present);
      return {
        tokenBase: tokenBase(tx),
        now: tx.now,
        permits: args.permits ? storedPermits(tx, args.prefix as Bytes) : undefined,
        granted: whose === undefined ? undefined : listed(whose),
        contenders: (grant === undefined ? present : byRank(present)).map((kv) => ({
          key: kv.key,
          created: kv.createRevision,
          record: decodeRecord(kv),
        })),
      };
    },
    (args) => args.prefix,
  );

function listed(whose: Ownership): ListedGrant {
  if (whose.kind === "owned") return { key: whose.owner.key, token: whose.token };
  return whose.kind === "delayed" ? { until: whose.until } : {};
}

export interface ResizeArgs {
  readonly prefix: string;
  /** What counts if nothing is stored yet. */
  readonly from: number;
  readonly permits: number;
}

/** Stores another number of permits; all who own go on owning. */
export const resize: Procedure<ResizeArgs, { readonly taken: number }> = procedure(
  "selection/contention/resize@2",
  (tx, { prefix, from, permits }) => {
    const before = storedPermits(tx, prefix as Bytes) ?? { kind: "permits", permits: from };
    const byAge = contendersOf(before, contenders(tx, prefix as Bytes));
    const rule = resized(before, byAge, permits);
    storePermits(tx, prefix as Bytes, rule);
    const owners = byAge.filter((_, at) => obstacle(rule, byAge, at) === undefined);
    return { taken: owners.reduce((sum, each) => sum + each.weight, 0) };
  },
  // Never in one commit with a look: who has looked must see the change.
  ({ prefix }) => `${prefix}resize`,
);
