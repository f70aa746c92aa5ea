/**
 * The overlay: ordered effects that have been evaluated and not yet committed, by entry.
 *
 * Invariants: I1 only evaluation reads through it. I2 dropping it leaves the base as if nothing had been evaluated.
 * I3 when an entry has been applied to the base, what the overlay held of it is gone and later effects stay.
 */
import { assert } from "../base/assert.ts";
import type { Bytes } from "../base/bytes.ts";
import type { AlarmKind, KeyValue, Reply } from "../contract/requests.ts";
import type { AuthState, AuthView, Role, User } from "./auth/users.ts";
import { roleBytes, userBytes } from "./auth/users.ts";
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
  /** `below`, with what is here in its place. */
  *over<T extends V>(below: Iterable<T>, keyOf: (value: T) => K): Iterable<NonNullable<V>> {
    for (const each of below) if (!this.#values.has(keyOf(each))) yield each as NonNullable<V>;
    for (const { value } of this.#values.values())
      if (value !== undefined && value !== null) yield value;
  }
}

export class Overlay {
  readonly #base: Base;
  readonly layer: Layer;
  readonly #leases = new Latest<bigint, HeadLease | undefined>();
  /** The owner of each; undefined: closed. */
  readonly #callers = new Latest<bigint, string | undefined>();
  readonly #users = new Latest<string, User | undefined>();
  readonly #roles = new Latest<string, Role | undefined>();
  readonly #auth = new Latest<"state", AuthState>();
  /** Users and roles at the head. */
  readonly users: AuthView;
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
    this.users = this.#usersOver(base);
  }

  #usersOver({ users: below }: Base): AuthView {
    const [auth, users, roles] = [this.#auth, this.#users, this.#roles];
    const latest = <T>(own: { readonly value: T } | undefined, other: T): T =>
      own === undefined ? other : own.value;
    return {
      get state() {
        return latest(auth.get("state"), below.state);
      },
      user: (name) => latest(users.get(name), below.user(name)),
      role: (name) => latest(roles.get(name), below.role(name)),
      users: () => users.over(below.users(), ({ name }) => name),
      roles: () => roles.over(below.roles(), ({ name }) => name),
    };
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
  /** The owner of a caller, if there is such a caller. */
  caller(id: bigint): string | undefined {
    const own = this.#callers.get(id);
    return own === undefined ? this.#base.callers.get(id)?.owner : own.value;
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
        return this.#callers.set(meta.id, "", meta);
      case "callerOwned":
        return this.#callers.set(meta.id, meta.owner, meta);
      case "callerClosed":
        return this.#callers.set(meta.id, undefined, meta);
      case "replied":
      case "memberSet":
      case "formatRaised":
      case "voteDue":
      case "tokenGiven":
        return;
      case "alarmed":
        return this.#alarms.set(meta.alarm, meta.on, meta);
      case "compacted":
        this.#compact = Math.max(this.#compact, meta.revision);
        return;
      case "restored":
        this.revision = meta.revision;
        return;
      default:
        return this.#addAuth(meta);
    }
  }

  #addAuth(meta: AuthMeta): void {
    switch (meta.kind) {
      case "authSet":
        return this.#auth.set("state", { enabled: meta.enabled, revision: meta.revision }, meta);
      case "userSet":
        return this.#users.set(meta.user.name, meta.user, meta);
      case "userGone":
        return this.#users.set(meta.name, undefined, meta);
      case "roleSet":
        return this.#roles.set(meta.role.name, meta.role, meta);
      case "roleGone":
        return this.#roles.set(meta.name, undefined, meta);
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
      case "callerOwned":
      case "callerClosed":
        return this.#callers.drop(meta.id, meta);
      case "alarmed":
        return this.#alarms.drop(meta.alarm, meta);
      case "replied":
      case "compacted":
      case "restored":
      case "memberSet":
      case "formatRaised":
      case "voteDue":
      case "tokenGiven":
        return;
      case "authSet":
        return this.#auth.drop("state", meta);
      case "userSet":
        return this.#users.drop(meta.user.name, meta);
      case "userGone":
        return this.#users.drop(meta.name, meta);
      case "roleSet":
        return this.#roles.drop(meta.role.name, meta);
      case "roleGone":
        return this.#roles.drop(meta.name, meta);
    }
  }
}

/** What changes users and roles. */
type AuthMeta = Extract<
  MetaChange,
  { readonly kind: "authSet" | "userSet" | "userGone" | "roleSet" | "roleGone" }
>;

/** What one transaction occupies beside its changes. */
export const TRANSACTION_BYTES = 64;

/** What metadata occupies while it is uncommitted, counted as the base will count it, or more. */
export function metaBytes(meta: MetaChange): number {
  switch (meta.kind) {
    case "replied":
      return 64 + replyBytes(meta.reply);
    case "callerOpened":
      return 192;
    case "callerOwned":
      return 192 + 4 * meta.owner.length;
    case "userSet":
      return 64 + userBytes(meta.user);
    case "roleSet":
      return 64 + roleBytes(meta.role);
    case "userGone":
    case "roleGone":
      return 64 + 4 * meta.name.length;
    case "memberSet":
      return 1_024;
    default:
      return 64;
  }
}

export function changeBytes(change: Change): number {
  return (
    change.key.length + (change.kind === "put" ? change.value.length : 0) + VERSION_OVERHEAD_BYTES
  );
}
