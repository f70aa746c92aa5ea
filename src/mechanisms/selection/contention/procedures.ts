/**
 * Joining, looking and leaving as procedures: one atomic step each, on every engine.
 *
 * Cost: `enter` reads one range and one key and writes one key; `look` the same reads; `leave` one read, one write.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text, utf8 } from "../../../base/bytes.ts";
import type { QuorateError } from "../../../base/errors.ts";
import { fail } from "../../../base/errors.ts";
import type { CommitRevision, Procedure, Tx } from "../../../contract/procedure.ts";
import { procedure } from "../../../contract/procedure.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import type { ContenderRecord } from "./layout.ts";
import {
  decodeRecord,
  encodeRecord,
  isContender,
  isNewer,
  prefixEnd,
  TOKEN_BASE_KEY,
} from "./layout.ts";
import type { Contender, Rule } from "./rules.ts";
import { decide } from "./rules.ts";

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
  /** Store this instead of the record: for names shared with other programs. */
  readonly raw?: string | undefined;
}

/** Where a contender stands. */
export interface Standing {
  /** "absent": its key is not there. */
  readonly state: "owns" | "waits" | "refused" | "absent";
  /** Revision at which its key was created. */
  readonly created: number | CommitRevision;
  readonly tokenBase: number;
  /** The key whose deletion to await. */
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
  readonly record: Partial<ContenderRecord>;
  /** Keyspace time at which this was read, ms. */
  readonly now: number;
}

function contenders(tx: Tx, prefix: Bytes): readonly KeyValue[] {
  return tx.byAge(prefix, prefixEnd(prefix)).filter((kv) => isContender(prefix, kv.key));
}

function tokenBase(tx: Tx): number {
  const kv = tx.get(TOKEN_BASE_KEY);
  const base = kv === undefined ? 0 : Number(kv.value);
  return Number.isSafeInteger(base) ? base : 0;
}

function contenderOf(kv: KeyValue): Contender {
  const record = decodeRecord(kv);
  const weight = record.weight !== undefined && record.weight > 0 ? record.weight : 1;
  return { key: kv.key, shared: record.mode === "read", weight };
}

function holderOf(tx: Tx, kv: KeyValue | undefined, base: number): Holder | undefined {
  if (kv === undefined) return undefined;
  return { key: kv.key, token: base + kv.createRevision, record: decodeRecord(kv), now: tx.now };
}

export const enter: Procedure<EnterArgs, Standing> = procedure(
  "selection/contention/enter@1",
  (tx, args) => {
    const prefix = args.prefix as Bytes;
    const key = args.key as Bytes;
    const base = tokenBase(tx);
    const present = contenders(tx, prefix);
    // A repeated request must not create the contender anew: its age is its place.
    const existing = present.findIndex((kv) => kv.key === key);
    if (existing >= 0) return standing(tx, present, existing, args.rule, base, prefix);
    const rule = settledRule(tx, prefix, args.rule);
    const mine: Contender = {
      key,
      shared: args.record.mode === "read",
      weight: args.record.weight ?? 1,
    };
    refuseTooHeavy(prefix, rule, mine);
    const decision = decide(rule, [...present.map(contenderOf), mine], present.length);
    const holder = decision.owns ? undefined : holderOf(tx, present[0], base);
    const permits = rule.kind === "permits" ? rule.permits : undefined;
    if (!decision.owns && !args.queue) {
      return {
        state: "refused",
        created: 0,
        tokenBase: base,
        holder,
        permits,
        waiting: Math.max(0, present.length - 1),
      };
    }
    // Whole milliseconds: the due index cuts fractions, and a deadline must not fire before it has passed.
    const expiresAt = args.ttlMs === undefined ? undefined : Math.ceil(tx.now + args.ttlMs);
    const record: ContenderRecord = { ...args.record, layout: 1, since: tx.now, expiresAt };
    const value = args.raw === undefined ? encodeRecord(record) : (args.raw as Bytes);
    tx.put(key, value, { lease: BigInt(args.lease) });
    if (expiresAt !== undefined) tx.due(expiresAt, `${args.key}`, expire, { key: args.key });
    const behind = decision.owns ? undefined : decision.behind.key;
    const state = decision.owns ? "owns" : "waits";
    return {
      state,
      created: tx.commitRevision,
      tokenBase: base,
      behind,
      holder,
      waiting: present.length,
      expiresAt,
      permits,
    };
  },
  (args) => args.prefix,
);

/** Where the stored policy of an object lies: a further `/`, so it does not contend. */
function policyKey(prefix: Bytes): Bytes {
  return (prefix + "policy/permits") as Bytes;
}

/** The rule with the stored number of permits, which counts; the first user's number is stored. */
function settledRule(tx: Tx, prefix: Bytes, rule: Rule): Rule {
  if (rule.kind !== "permits") return rule;
  const stored = storedPermits(tx, prefix);
  if (stored === undefined) tx.put(policyKey(prefix), utf8(String(rule.permits)));
  return { kind: "permits", permits: stored ?? rule.permits };
}

/** Waiting for more than there is would never end, and would hold up everybody behind. */
function refuseTooHeavy(prefix: Bytes, rule: Rule, mine: Contender): void {
  if (rule.kind !== "permits" || mine.weight <= rule.permits) return;
  throw fail("INVALID", {
    object: text(prefix),
    what: `weight is ${mine.weight}, the stored number of permits is ${rule.permits}`,
    remedy: "Ask for less, or resize it while nobody holds or waits.",
    details: { permits: rule.permits },
  });
}

function storedPermits(tx: Tx, prefix: Bytes): number | undefined {
  const kv = tx.get(policyKey(prefix));
  const stored = kv === undefined ? 0 : Number(kv.value);
  return Number.isSafeInteger(stored) && stored > 0 ? stored : undefined;
}

function standing(
  tx: Tx,
  present: readonly KeyValue[],
  at: number,
  given: Rule,
  base: number,
  prefix: Bytes,
): Standing {
  const mine = present[at] as KeyValue;
  const rule = readRule(tx, prefix, given);
  const decision = decide(rule, present.map(contenderOf), at);
  return {
    state: decision.owns ? "owns" : "waits",
    created: mine.createRevision,
    tokenBase: base,
    behind: decision.owns ? undefined : decision.behind.key,
    holder: decision.owns ? undefined : holderOf(tx, present[0], base),
    waiting: Math.max(0, present.length - 1),
    expiresAt: decodeRecord(mine).expiresAt,
    permits: rule.kind === "permits" ? rule.permits : undefined,
  };
}

function readRule(tx: Tx, prefix: Bytes, rule: Rule): Rule {
  if (rule.kind !== "permits") return rule;
  return { kind: "permits", permits: storedPermits(tx, prefix) ?? rule.permits };
}

export interface LookArgs {
  readonly prefix: string;
  readonly key: string;
  readonly created: number;
  readonly rule: Rule;
}

export const look: Procedure<LookArgs, Standing> = procedure(
  "selection/contention/look@1",
  (tx, args) => {
    const present = contenders(tx, args.prefix as Bytes);
    const at = present.findIndex((kv) => kv.key === args.key && kv.createRevision === args.created);
    if (at >= 0) return standing(tx, present, at, args.rule, tokenBase(tx), args.prefix as Bytes);
    return { state: "absent", created: 0, tokenBase: 0, waiting: present.length };
  },
  (args) => args.prefix,
);

export interface LeaveArgs {
  readonly key: string;
  /** Leaves only the contender created then; 0: whatever is there. */
  readonly created: number;
}

export const leave: Procedure<LeaveArgs, { readonly left: boolean }> = procedure(
  "selection/contention/leave@1",
  (tx, args) => {
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
    if (kv !== undefined && isNewer(kv)) throw newerLayout(args.key);
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
    tx.put(kv.key, encodeRecord({ ...(record as ContenderRecord), expiresAt }), {
      lease: kv.lease,
    });
    tx.due(expiresAt, args.key, expire, { key: args.key });
    return { expiresAt };
  },
  (args) => args.key,
);

function newerLayout(key: string): QuorateError {
  return fail("LAYOUT", {
    object: `hold ${key}`,
    what: "was written in a layout that this version does not know",
    remedy: "Extend it with the version that wrote it, or a newer one.",
  });
}

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
    const record = { ...(decodeRecord(kv) as ContenderRecord), value: args.value };
    tx.put(kv.key, args.raw ? (args.value as Bytes) : encodeRecord(record), { lease: kv.lease });
    return { done: true };
  },
  (args) => args.key,
);

/** What `explain` shows: contenders by age. */
export interface Listing {
  readonly tokenBase: number;
  readonly now: number;
  /** Of a semaphore that has been used. */
  readonly permits?: number | undefined;
  readonly contenders: readonly {
    readonly key: string;
    readonly created: number;
    readonly record: Partial<ContenderRecord>;
  }[];
}

export const list: Procedure<{ readonly prefix: string; readonly permits: boolean }, Listing> =
  procedure(
    "selection/contention/list@1",
    (tx, args) => ({
      tokenBase: tokenBase(tx),
      now: tx.now,
      permits: args.permits ? storedPermits(tx, args.prefix as Bytes) : undefined,
      contenders: contenders(tx, args.prefix as Bytes).map((kv) => ({
        key: kv.key,
        created: kv.createRevision,
        record: decodeRecord(kv),
      })),
    }),
    (args) => args.prefix,
  );

export interface ResizeArgs {
  readonly prefix: string;
  readonly permits: number;
}

/** Stores another number of permits, unless somebody holds or waits: that could take ownership from an owner. */
export const resize: Procedure<
  ResizeArgs,
  { readonly done: boolean; readonly contenders: number }
> = procedure(
  "selection/contention/resize@1",
  (tx, args) => {
    const present = contenders(tx, args.prefix as Bytes).length;
    if (present === 0) tx.put(policyKey(args.prefix as Bytes), utf8(String(args.permits)));
    return { done: present === 0, contenders: present };
  },
  (args) => args.prefix,
);
