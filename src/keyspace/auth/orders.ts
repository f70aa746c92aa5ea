/**
 * What an order about users and roles does, found at the head: the records that it writes, as the log keeps them.
 * Followers evaluate nothing. Source for the rules and their order: etcd `auth/store.go`.
 */
import { QuorateError } from "../../base/errors.ts";
import { fail } from "../../base/errors.ts";
import type { AuthOrder, KeyRange, Permission } from "../../contract/auth.ts";
import { ROOT } from "../../contract/auth.ts";
import { OPEN_END } from "../../contract/requests.ts";
import { parsePasswordHash } from "../../ports/passwords.ts";
import type { MetaChange } from "../effects.ts";
import type { AuthRefusal } from "./refusals.ts";
import { authRefused } from "./refusals.ts";
import type { AuthView, Role, User } from "./users.ts";
import { roleBytes, userBytes } from "./users.ts";

/** What one order may write, and one record may hold. */
const ORDER_BYTES_MAX: number = 2 << 20;

/** The records that `order` writes; none if it changes nothing. Throws AUTH_REFUSED, INVALID, TOO_LARGE. */
export function carriedOut(view: AuthView, order: AuthOrder): readonly MetaChange[] {
  const { enabled } = view.state;
  if (order.kind === "enable") return enabled ? [] : enable(view);
  if (order.kind === "giveToken") return giveToken(view, order);
  const revision = view.state.revision + 1;
  const records = recordsOf(view, order, revision);
  if (records.length === 0) return [];
  bounded(records);
  return [...records, { kind: "authSet", enabled: enabled && order.kind !== "disable", revision }];
}

/** As in etcd it leaves the revision as it is: it changes nobody's permissions. */
function enable(view: AuthView): readonly MetaChange[] {
  const root = view.user(ROOT);
  if (root === undefined) refuse("rootUserMissing", "users");
  if (!root.roles.includes(ROOT)) refuse("rootRoleMissing", "users");
  return [{ kind: "authSet", enabled: true, revision: view.state.revision }];
}

/** Of somebody who is no user any more nothing is kept. */
function giveToken(
  view: AuthView,
  { name, digest, revision }: Extract<AuthOrder, { readonly kind: "giveToken" }>,
): readonly MetaChange[] {
  if (view.user(name) === undefined) return [];
  if (digest.length !== DIGEST_BYTES)
    throw fail("INVALID", {
      object: "token",
      what: "is not known by a SHA-256",
      remedy: "Log in, and let the member say what it gave.",
    });
  return [{ kind: "tokenGiven", name, digest, revision }];
}
const DIGEST_BYTES = 32;

function recordsOf(
  view: AuthView,
  order: Exclude<AuthOrder, { readonly kind: "enable" | "giveToken" }>,
  revision: number,
): readonly MetaChange[] {
  switch (order.kind) {
    case "disable":
      return view.state.enabled ? [{ kind: "authSet", enabled: false, revision }] : [];
    case "addUser":
      return [addUser(view, order.name, order.password, revision)];
    case "deleteUser":
      protect(view, order.name);
      return [{ kind: "userGone", name: userOf(view, order.name).name }];
    case "changePassword": {
      const user = userOf(view, order.name);
      // A user without a password keeps having none.
      if (user.password === undefined) return [userSet({ ...user, since: revision })];
      return [userSet({ ...user, password: hashOf(order.password), since: revision })];
    }
    case "grantRole":
      return grantRole(view, order.name, order.role);
    case "revokeRole":
      return [revokeRole(view, order.name, order.role)];
    case "addRole":
      if (order.name === "") refuse("roleEmpty", "role");
      if (view.role(order.name) !== undefined) refuse("roleExists", `role ${order.name}`);
      return [{ kind: "roleSet", role: { name: order.name, permissions: [] } }];
    case "deleteRole":
      return deleteRole(view, order.name);
    case "grantPermission":
      return [grantPermission(view, order.name, order.permission)];
    case "revokePermission":
      return [revokePermission(view, order.name, order.range)];
    default:
      throw fail("INVALID", {
        object: "order about users",
        what: `is of the unknown kind ${String((order as { readonly kind: unknown }).kind)}`,
        remedy: "Use one of the kinds of the contract.",
      });
  }
}

function addUser(
  view: AuthView,
  name: string,
  password: string | undefined,
  since: number,
): MetaChange {
  if (name === "") refuse("userEmpty", "user");
  if (view.user(name) !== undefined) refuse("userExists", `user ${name}`);
  const hash = password === undefined ? {} : { password: hashOf(password) };
  return userSet({ name, ...hash, roles: [], since });
}

function hashOf(password: string): string {
  if (parsePasswordHash(password) !== undefined) return password;
  throw fail("INVALID", {
    object: "password",
    what: "is not a hash in the form that is stored",
    remedy: "Hash it with scrypt before it is sent; it never travels in clear in an order.",
  });
}

function grantRole(view: AuthView, name: string, role: string): readonly MetaChange[] {
  const user = userOf(view, name);
  // Whoever is granted root has it, whether or not a role of that name has been added.
  if (role !== ROOT) roleOf(view, role);
  if (user.roles.includes(role)) return [];
  return [userSet({ ...user, roles: [...user.roles, role].sort() })];
}

function revokeRole(view: AuthView, name: string, role: string): MetaChange {
  if (name === ROOT && role === ROOT) protect(view, name);
  const user = userOf(view, name);
  if (!user.roles.includes(role)) refuse("roleNotGranted", `user ${name}`);
  return userSet(without(user, role));
}

function deleteRole(view: AuthView, name: string): readonly MetaChange[] {
  protect(view, name);
  roleOf(view, name);
  const records: MetaChange[] = [{ kind: "roleGone", name }];
  for (const user of view.users())
    if (user.roles.includes(name)) records.push(userSet(without(user, name)));
  return records;
}

function without(user: User, role: string): User {
  return { ...user, roles: user.roles.filter((each) => each !== role) };
}

function grantPermission(view: AuthView, name: string, permission: Permission): MetaChange {
  const { key, end } = permission;
  const sound = key !== "" && (end === undefined || end === OPEN_END || key < end);
  if (!sound) refuse("rangeInvalid", `role ${name}`);
  const role = roleOf(view, name);
  const others = role.permissions.filter((each) => !sameRange(each, permission));
  return { kind: "roleSet", role: { name, permissions: ordered([...others, permission]) } };
}

function revokePermission(view: AuthView, name: string, range: KeyRange): MetaChange {
  const role = roleOf(view, name);
  const permissions = role.permissions.filter((each) => !sameRange(each, range));
  if (permissions.length === role.permissions.length)
    refuse("permissionNotGranted", `role ${name}`);
  return { kind: "roleSet", role: { name, permissions } };
}

function sameRange(a: KeyRange, b: KeyRange): boolean {
  return a.key === b.key && a.end === b.end;
}

function ordered(permissions: Permission[]): readonly Permission[] {
  return permissions.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
}

function userSet(user: User): MetaChange {
  return { kind: "userSet", user };
}

function userOf(view: AuthView, name: string): User {
  return view.user(name) ?? refuse("userMissing", `user ${name}`);
}

function roleOf(view: AuthView, name: string): Role {
  return view.role(name) ?? refuse("roleMissing", `role ${name}`);
}

/** While users are enabled there is a root. */
function protect(view: AuthView, name: string): void {
  if (view.state.enabled && name === ROOT) refuse("rootProtected", name);
}

function refuse(reason: AuthRefusal, object: string): never {
  throw new QuorateError(authRefused(reason, object));
}

function bounded(records: readonly MetaChange[]): void {
  let bytes = 0;
  for (const record of records) {
    if (record.kind === "userSet") bytes += userBytes(record.user);
    if (record.kind === "roleSet") bytes += roleBytes(record.role);
  }
  if (bytes <= ORDER_BYTES_MAX) return;
  throw fail("TOO_LARGE", {
    object: "order about users",
    what: `would write more than ${ORDER_BYTES_MAX} bytes of users and roles`,
    remedy: "Spread permissions over several roles; take a role from its users before deleting it.",
  });
}
