/**
 * The overlay: ordered effects that have been evaluated and not yet committed, by entry.
 *
 * Invariants: I1 only evaluation reads through it. I2 dropping it leaves the base as if nothing had been evaluated.
 * I3 when an entry has been applied to the base, what the overlay held of it is gone and later effects stay.
 */
import { assert } from "../base/assert.ts";
import type { Bytes } from "../base/bytes.ts";
import type { AlarmKind, KeyValue, Reply } from "../contract/requests.ts";
import type { Base } from "./base.ts";
import type { Change, Effects, MetaChange } from "./effects.ts";
import { Layer } from "./layer.ts";
import type { RangeSource } from "./range.ts";
import { replyBytes } from "./reply-bytes.ts";
import { VERSION_OVERHEAD_BYTES } from "./versions.ts";

/** What a lease is at the head. */
export interface HeadLease {
  readonly ttlMs: number;
  readonly fenced: boolean;
}

interface Mark {
  readonly keys: KeyValue[];
  readonly meta: MetaChange[];
  bytes: number;
}

/** Last-writer values of one kind of metadata, with what wrote them, so that a commit drops only its own. */
class Latest<K, V> {
  readonly #values = new Map<K, { readonly value: V; readonly by: object }>();
  get(key: K): { readonly value: V } | undefined {
    return this.#values.get(key);
  }
  set(key: K, value: V, by: object): void {
    this.#values.set(key, { value, by });
  }
  drop(key: K, by: object): void {
    if (this.#values.get(key)?.by === by) this.#values.delete(key);
  }
}

export class Overlay {
  readonly #base: Base;
  readonly layer: Layer;
  readonly #leases = new Latest<bigint, HeadLease | undefined>();
  readonly #callers = new Latest<bigint, boolean>();
  readonly #alarms = new Latest<AlarmKind, boolean>();
  #compact = 0;
  #marks: { readonly index: number; readonly mark: Mark }[] = [];
  #open: Mark = { keys: [], meta: [], bytes: 0 };
  #transactions: Effects[] = [];
  #bytes = 0;
  revision: number;

  constructor(base: Base) {
    this.#base = base;
    this.layer = new Layer(base);
    this.revision = base.revision;
  }

  get bytes(): number {
    return this.#bytes;
  }
  get openCount(): number {
    return this.#transactions.length;
  }

  lease(id: bigint): HeadLease | undefined {
    const own = this.#leases.get(id);
    return own === undefined ? this.#base.leases.get(id) : own.value;
  }
  /** Keys attached to a lease at the head, sorted. */
  leaseKeys(id: bigint): readonly Bytes[] {
    const keys = new Set(this.#base.leases.get(id)?.keys ?? []);
    for (const kv of this.layer.all()) {
      if (kv.version !== 0 && kv.lease === id) keys.add(kv.key);
      else keys.delete(kv.key);
    }
    return [...keys].sort();
  }
  caller(id: bigint): boolean {
    return this.#callers.get(id)?.value ?? this.#base.callers.get(id) !== undefined;
  }
  /** Cost: proportional to what is uncommitted; only commands that are sent again ask. */
  reply(id: bigint, sequence: number): Reply | undefined {
    for (const mark of [this.#open, ...this.#marks.map((sealed) => sealed.mark)]) {
      for (const meta of mark.meta) {
        if (meta.kind === "replied" && meta.sequence === sequence && meta.id === id)
          return meta.reply;
      }
    }
    return this.#base.callers.get(id)?.replies.get(sequence)?.reply;
  }
  alarm(kind: AlarmKind): boolean {
    return this.#alarms.get(kind)?.value ?? this.#base.alarms.has(kind);
  }
  get compactRevision(): number {
    return Math.max(this.#compact, this.#base.compactRevision);
  }

  /** The state at a revision that is not in the base yet: the base and what the overlay holds up to there. */
  at(revision: number): RangeSource {
    const past = new Layer(this.#base);
    for (const mark of [...this.#marks.map((sealed) => sealed.mark), this.#open]) {
      for (const kv of mark.keys) if (kv.modRevision <= revision) past.set(kv);
    }
    return past;
  }

  /** Takes one transaction's effects; `states` are the keys as it leaves them, `bytes` what it occupies. */
  add(effects: Effects, states: readonly KeyValue[], bytes: number): void {
    assert(
      effects.changes.length === 0 || effects.revision === this.revision + 1,
      "head revisions grow by one",
    );
    if (effects.changes.length > 0) this.revision = effects.revision;
    for (const kv of states) this.layer.set(kv);
    this.#open.keys.push(...states);
    for (const meta of effects.meta) this.#addMeta(meta);
    this.#open.bytes += bytes;
    this.#bytes += bytes;
    this.#transactions.push(effects);
  }

  #addMeta(meta: MetaChange): void {
    this.#open.meta.push(meta);
    switch (meta.kind) {
      case "leaseGranted":
        return this.#leases.set(meta.id, { ttlMs: meta.ttlMs, fenced: false }, meta);
      case "leaseFenced":
        return this.#leases.set(
          meta.id,
          { ttlMs: this.lease(meta.id)?.ttlMs ?? 0, fenced: true },
          meta,
        );
      case "leaseRevoked":
        return this.#leases.set(meta.id, undefined, meta);
      case "callerOpened":
      case "callerClosed":
        return this.#callers.set(meta.id, meta.kind === "callerOpened", meta);
      case "replied":
        return;
      case "alarmed":
        return this.#alarms.set(meta.alarm, meta.on, meta);
      case "compacted":
        this.#compact = Math.max(this.#compact, meta.revision);
        return;
      case "restored":
        this.revision = meta.revision;
        return;
    }
  }

  /** Closes the open entry under `index` and returns its transactions. */
  seal(index: number): readonly Effects[] {
    const transactions = this.#transactions;
    this.#marks.push({ index, mark: this.#open });
    this.#open = { keys: [], meta: [], bytes: 0 };
    this.#transactions = [];
    return transactions;
  }

  /** The entries up to `index` are in the base now. */
  committed(index: number): void {
    while ((this.#marks[0]?.index ?? Infinity) <= index) {
      const { mark } = this.#marks.shift() as { mark: Mark };
      this.#bytes -= mark.bytes;
      for (const kv of mark.keys) if (this.layer.own(kv.key) === kv) this.layer.drop(kv.key);
      for (const meta of mark.meta) this.#dropMeta(meta);
    }
  }

  #dropMeta(meta: MetaChange): void {
    switch (meta.kind) {
      case "leaseGranted":
      case "leaseFenced":
      case "leaseRevoked":
        return this.#leases.drop(meta.id, meta);
      case "callerOpened":
      case "callerClosed":
        return this.#callers.drop(meta.id, meta);
      case "alarmed":
        return this.#alarms.drop(meta.alarm, meta);
      case "replied":
      case "compacted":
      case "restored":
        return;
    }
  }
}

/** What one transaction occupies beside its changes. */
export const TRANSACTION_BYTES = 64;

/** What metadata occupies while it is uncommitted, counted as the base will count it, or more. */
export function metaBytes(meta: MetaChange): number {
  if (meta.kind === "replied") return 64 + replyBytes(meta.reply);
  return meta.kind === "callerOpened" ? 192 : 64;
}

export function changeBytes(change: Change): number {
  return (
    change.key.length + (change.kind === "put" ? change.value.length : 0) + VERSION_OVERHEAD_BYTES
  );
}
