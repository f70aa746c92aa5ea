/**
 * The one place where it is decided who may do what: every road to a key asks here, at the state on which its operation
 * is carried out: commands at the head, questions and watches at the base.
 *
 * Rules (etcd v3, `apply_auth.go`): what compares, ranges, watches or shows what was there reads; what puts or deletes
 * writes; who ties a key to a lease, revokes it or keeps it alive must be able to write all its keys; a transaction needs
 * what both its branches need; care of the store needs root. A range must be covered by all of the user's permissions
 * together. Invariants: I1 what no rule allows is denied. I2 what is kept is of the present auth revision.
 * Deviations, all stricter: a put in a transaction needs what a put needs; listing leases needs every key; a record of
 * the due index, which is acted on as the system, is put by root alone. Cost: for a lease, proportional to its keys.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Failure } from "../../base/errors.ts";
import type { Identity, KeyRange } from "../../contract/auth.ts";
import { ROOT } from "../../contract/auth.ts";
import { DUE_END, DUE_PREFIX } from "../../contract/due.ts";
import type {
  AuthShowRequest,
  PutRequest,
  Request,
  TxnOperation,
  TxnRequest,
} from "../../contract/requests.ts";
import { OPEN_END } from "../../contract/requests.ts";
import { Intervals } from "./intervals.ts";
import { lacks, rootOnly, stale, unauthenticated } from "./refusals.ts";
import type { AuthView, User } from "./users.ts";

/** What can be asked for: a request, a watch, or something that only a server does. */
export type Operation =
  | Request
  | ({ readonly kind: "watch" } & KeyRange)
  /** Care of the store or its members. */
  | { readonly kind: "maintain" }
  /** Whatever any user may know. */
  | { readonly kind: "attend" };

/** One thing that an operation needs. */
type Need =
  | { readonly kind: "root" }
  | { readonly kind: "user" }
  | { readonly kind: "self"; readonly of: AuthShowRequest }
  | ({ readonly kind: "read" | "write" } & KeyRange);

const ROOT_NEEDED: Need = { kind: "root" };
const USER_NEEDED: Need = { kind: "user" };
const EVERY_KEY: KeyRange = { key: OPEN_END, end: OPEN_END };

/** What a user's permissions cover together. */
interface Rights {
  readonly read: Intervals;
  readonly write: Intervals;
}

/** The keys of a lease. */
type LeaseKeys = (id: bigint) => Iterable<Bytes>;

export class Authority {
  readonly #view: AuthView;
  readonly #leaseKeys: LeaseKeys;
  #rights = new Map<string, Rights>();
  /** The auth revision of `#rights`. */
  #revision = 0;

  constructor(view: AuthView, leaseKeys: LeaseKeys) {
    this.#view = view;
    this.#leaseKeys = leaseKeys;
  }

  /** Why `identity` may not do `operation`, if it may not. */
  refuses(identity: Identity, operation: Operation): Failure | undefined {
    if (this.#unasked(identity)) return undefined;
    const user = this.#user(identity, isAdministration(operation));
    if ("code" in user) return user;
    if (user.roles.includes(ROOT)) return undefined;
    for (const need of needsOf(operation, this.#leaseKeys)) {
      const refused = this.#lacking(user, need, operation.kind);
      if (refused !== undefined) return refused;
    }
    return undefined;
  }

  /** Why a watch that was opened by `identity` may not go on, if it may not. */
  ends(identity: Identity, range: KeyRange): Failure | undefined {
    if (this.#unasked(identity)) return undefined;
    const user = this.#user(identity, true);
    if ("code" in user) return user;
    if (user.roles.includes(ROOT)) return undefined;
    return this.#lacking(user, { kind: "read", key: range.key, end: range.end }, "watch");
  }

  /** Whether the replies kept for a caller that `owner` opened may be given to `identity`. */
  owns(identity: Identity, owner: string): boolean {
    return this.#unasked(identity) || ownerOf(identity) === owner;
  }

  #unasked(identity: Identity): boolean {
    return !this.#view.state.enabled || identity.kind === "system";
  }

  /**
   * The user, if its credentials are still good. Permissions may have changed since they were looked at: whoever needs
   * none of them (`anyRevision`) is not asked to come again, as in etcd.
   */
  #user(identity: Identity, anyRevision: boolean): User | Failure {
    if (identity.kind === "refused") return unauthenticated(identity.reason);
    if (identity.kind !== "user") return unauthenticated("noUser");
    const user = this.#view.user(identity.name);
    if (user === undefined) return unauthenticated("changed");
    if (user.since > identity.revision) return anyRevision ? unauthenticated("changed") : stale();
    return !anyRevision && identity.revision < this.#view.state.revision ? stale() : user;
  }

  #lacking(user: User, need: Need, object: string): Failure | undefined {
    switch (need.kind) {
      case "user":
        return undefined;
      case "read":
      case "write":
        return this.#rightsOf(user)[need.kind].covers(need)
          ? undefined
          : lacks(user.name, need.kind, need);
      case "self":
        return isOwn(user, need.of) ? undefined : rootOnly(user.name, object);
      case "root":
        return rootOnly(user.name, object);
    }
  }

  #rightsOf(user: User): Rights {
    const { revision } = this.#view.state;
    if (revision !== this.#revision) {
      this.#rights = new Map();
      this.#revision = revision;
    }
    const known = this.#rights.get(user.name);
    if (known !== undefined) return known;
    const all = user.roles.flatMap((role) => this.#view.role(role)?.permissions ?? []);
    const rights = {
      read: new Intervals(all.filter(({ access }) => access !== "write")),
      write: new Intervals(all.filter(({ access }) => access !== "read")),
    };
    this.#rights.set(user.name, rights);
    return rights;
  }
}

/** The name under which a caller of `identity` is opened. */
export function ownerOf(identity: Identity): string {
  return identity.kind === "user" ? identity.name : "";
}

/** What needs a role and no permission: etcd does not ask it to be of the newest auth revision. */
function isAdministration({ kind }: Operation): boolean {
  return kind === "auth" || kind === "authShow" || kind === "maintain" || kind === "attend";
}

function isOwn(user: User, { of, name = "" }: AuthShowRequest): boolean {
  if (of === "user") return name === user.name;
  return of === "role" && user.roles.includes(name);
}

function* needsOf(operation: Operation, leaseKeys: LeaseKeys): Iterable<Need> {
  switch (operation.kind) {
    case "range":
    case "put":
    case "deleteRange":
    case "txn":
      return yield* needsOfStep(operation, leaseKeys);
    case "watch":
      return yield { kind: "read", key: operation.key, end: operation.end };
    case "leaseRevoke":
    case "leaseKeepAlive":
      return yield* needsOfLease("write", operation.id, leaseKeys);
    case "leaseTimeToLive":
      return yield* operation.keys === true
        ? needsOfLease("read", operation.id, leaseKeys)
        : [USER_NEEDED];
    case "leases":
      return yield { kind: "read", ...EVERY_KEY };
    case "alarm":
      return yield operation.action === "get" ? USER_NEEDED : ROOT_NEEDED;
    case "authShow":
      return yield { kind: "self", of: operation };
    // What a procedure reads and writes is looked at as it does so.
    case "run":
    case "leaseGrant":
    case "status":
    case "callerOpen":
    case "callerClose":
    case "attend":
      return yield USER_NEEDED;
    case "compact":
    case "hash":
    case "auth":
    case "maintain":
    default:
      return yield ROOT_NEEDED;
  }
}

function* needsOfStep(operation: TxnOperation, leaseKeys: LeaseKeys): Iterable<Need> {
  const { kind } = operation;
  if (kind === "txn") return yield* needsOfTxn(operation, leaseKeys);
  if (kind === "put") return yield* needsOfPut(operation, leaseKeys);
  const { key, end } = operation;
  if (kind === "range" || operation.prevKv === true) yield { kind: "read", key, end };
  if (kind === "deleteRange") yield { kind: "write", key, end };
}

function* needsOfPut(put: PutRequest, leaseKeys: LeaseKeys): Iterable<Need> {
  const { key, lease = 0n } = put;
  yield* needsOfWrite(key);
  if (lease !== 0n) yield* needsOfLease("write", lease, leaseKeys);
  if (put.prevKv === true) yield { kind: "read", key };
}

/** A due record is acted on as the system: whoever could put one could do anything. */
function needsOfWrite(key: Bytes): readonly Need[] {
  return key >= DUE_PREFIX && key < DUE_END ? [ROOT_NEEDED] : [{ kind: "write", key }];
}

function* needsOfTxn(txn: TxnRequest, leaseKeys: LeaseKeys): Iterable<Need> {
  for (const { key, end } of txn.compare) yield { kind: "read", key, end };
  for (const operation of txn.success) yield* needsOfStep(operation, leaseKeys);
  for (const operation of txn.failure) yield* needsOfStep(operation, leaseKeys);
}

function* needsOfLease(kind: "read" | "write", id: bigint, leaseKeys: LeaseKeys): Iterable<Need> {
  yield USER_NEEDED;
  for (const key of leaseKeys(id)) yield { kind, key };
}
