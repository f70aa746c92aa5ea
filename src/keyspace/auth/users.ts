/**
 * Users and roles in committed state. Records are never changed, only replaced: whoever holds one may keep it.
 *
 * Invariants: I1 changed only by applying an entry. I2 the auth revision grows with each change of a user or role, so
 * that whatever was derived from them can be kept for as long as it stays the same.
 */
import type { Bytes } from "../../base/bytes.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Codec } from "../../base/codec.ts";
import { listOf, optional, struct, textCodec, uintCodec } from "../../base/codec.ts";
import type { Permission } from "../../contract/auth.ts";
import { permissionCodec } from "../../contract/request-codec.ts";

export interface User {
  readonly name: string;
  /** The hash of the password; absent: none, nobody logs in by one. */
  readonly password?: string | undefined;
  /** In order. */
  readonly roles: readonly string[];
  /** The auth revision of its making or newest password: what was found good before is no longer. */
  readonly since: number;
}
export interface Role {
  readonly name: string;
  /** By key; a range comes once. */
  readonly permissions: readonly Permission[];
}

/** Whether anybody is asked who they are, and the revision of the answer to what they may do. */
export interface AuthState {
  readonly enabled: boolean;
  readonly revision: number;
}

/** Who there is and what they may do, committed or at the head. */
export interface AuthView {
  readonly state: AuthState;
  user(name: string): User | undefined;
  role(name: string): Role | undefined;
  /** In no order. */
  users(): Iterable<User>;
  roles(): Iterable<Role>;
}

/** A token that some member gave, as the others know it. */
export interface GivenToken {
  readonly name: string;
  /** The auth revision at which it was given. */
  readonly revision: number;
  /** When, in keyspace time and by this process's monotonic clock. */
  readonly time: number;
  readonly atMs: number;
}
/** With the tokens that members gave. */
export interface GivenView extends AuthView {
  /** By the SHA-256 of the token. */
  token(digest: Bytes): GivenToken | undefined;
}

/** The oldest make room. */
const TOKENS_MAX = 100_000;

export const userCodec: Codec<User> = struct<User>({
  name: textCodec,
  password: optional(textCodec),
  roles: listOf(textCodec),
  since: uintCodec,
});
export const roleCodec: Codec<Role> = struct<Role>({
  name: textCodec,
  permissions: listOf(permissionCodec),
});

/** Of a store that never had users. */
export const FRESH: AuthState = { enabled: false, revision: 1 };

export class Users implements GivenView {
  readonly #users = new Map<string, User>();
  readonly #roles = new Map<string, Role>();
  /** By their digests. In no snapshot: whoever begins with one knows the tokens that are given from then on. */
  readonly #tokens = new Map<Bytes, GivenToken>();
  #bytes = 0;
  state: AuthState = FRESH;

  get bytes(): number {
    return this.#bytes;
  }
  user(name: string): User | undefined {
    return this.#users.get(name);
  }
  role(name: string): Role | undefined {
    return this.#roles.get(name);
  }
  users(): Iterable<User> {
    return this.#users.values();
  }
  roles(): Iterable<Role> {
    return this.#roles.values();
  }

  token(digest: Bytes): GivenToken | undefined {
    return this.#tokens.get(digest);
  }
  giveToken(digest: Bytes, token: GivenToken): void {
    this.#tokens.set(digest, token);
    const [oldest] = this.#tokens.size > TOKENS_MAX ? this.#tokens.keys() : [];
    if (oldest !== undefined) this.#tokens.delete(oldest);
  }
  /** What was read back may be older than any token lives. */
  forgetTokens(): void {
    this.#tokens.clear();
  }

  setUser(user: User): void {
    this.deleteUser(user.name);
    this.#users.set(user.name, user);
    this.#bytes += userBytes(user);
  }
  deleteUser(name: string): void {
    const user = this.#users.get(name);
    if (user === undefined) return;
    this.#users.delete(name);
    this.#bytes -= userBytes(user);
  }
  setRole(role: Role): void {
    this.deleteRole(role.name);
    this.#roles.set(role.name, role);
    this.#bytes += roleBytes(role);
  }
  deleteRole(name: string): void {
    const role = this.#roles.get(name);
    if (role === undefined) return;
    this.#roles.delete(name);
    this.#bytes -= roleBytes(role);
  }
}

const RECORD_BYTES = 128;

/** What a record occupies, for accounting against the quota; never less than in the log. */
export function userBytes({ name, password, roles }: User): number {
  let bytes = RECORD_BYTES + 4 * name.length + (password?.length ?? 0);
  for (const role of roles) bytes += 8 + 4 * role.length;
  return bytes;
}
export function roleBytes({ name, permissions }: Role): number {
  let bytes = RECORD_BYTES + 4 * name.length;
  for (const { key, end } of permissions) bytes += 64 + key.length + (end?.length ?? 0);
  return bytes;
}

/** Names in the order of their bytes, as keys are. */
export function namesOf(records: Iterable<{ readonly name: string }>): readonly string[] {
  const named = [...records].map(({ name }): [Bytes, string] => [utf8(name), name]);
  named.sort(([a], [b]) => (a < b ? -1 : 1));
  return named.map(([, name]) => name);
}
