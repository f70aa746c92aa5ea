/**
 * Users, roles and permissions as plain data, after etcd's: a user has roles, a role has permissions over ranges of
 * keys, `root` may do everything. Nothing is asked of anybody until it is enabled.
 *
 * Conventions: ranges as in `requests.ts`. A password travels as its hash (`ports/passwords.ts`), never in clear. The
 * auth revision grows by one with each change of users, roles or permissions; the keyspace's revision does not.
 */
import type { Bytes } from "../base/bytes.ts";

/** The user and the role that may do everything. */
export const ROOT = "root";

export type Access = "read" | "write" | "readwrite";

export interface KeyRange {
  readonly key: Bytes;
  readonly end?: Bytes | undefined;
}
export interface Permission extends KeyRange {
  readonly access: Access;
}

/** One change of who may do what. */
export type AuthOrder =
  | { readonly kind: "enable" }
  | { readonly kind: "disable" }
  /** Without a password nobody can log in by one: such a user comes with a certificate. */
  | { readonly kind: "addUser"; readonly name: string; readonly password?: string | undefined }
  | { readonly kind: "deleteUser"; readonly name: string }
  | { readonly kind: "changePassword"; readonly name: string; readonly password: string }
  | { readonly kind: "grantRole"; readonly name: string; readonly role: string }
  | { readonly kind: "revokeRole"; readonly name: string; readonly role: string }
  | { readonly kind: "addRole"; readonly name: string }
  | { readonly kind: "deleteRole"; readonly name: string }
  /** Another access to a range that the role has takes the place of the old one. */
  | { readonly kind: "grantPermission"; readonly name: string; readonly permission: Permission }
  | { readonly kind: "revokePermission"; readonly name: string; readonly range: KeyRange }
  /**
   * A member gave the user a token, at that auth revision; the others know it by its SHA-256. Changes nobody's permissions,
   * and is ordered by members only.
   */
  | {
      readonly kind: "giveToken";
      readonly name: string;
      readonly digest: Bytes;
      readonly revision: number;
    };

/** Who asks. Whoever says nothing is nobody, and nobody may do nothing once users are enabled. */
export type Identity =
  | { readonly kind: "nobody" }
  /** This process itself, or whoever has the data in hand. */
  | { readonly kind: "system" }
  /** Credentials that are not good. */
  | { readonly kind: "refused"; readonly reason: "badToken" | "badPassword" | "changed" }
  /** `revision`: the auth revision at which the credentials were found good. */
  | { readonly kind: "user"; readonly name: string; readonly revision: number };

export const NOBODY: Identity = { kind: "nobody" };
export const SYSTEM: Identity = { kind: "system" };
