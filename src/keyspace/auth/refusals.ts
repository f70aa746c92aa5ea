/** Why somebody may not do something, or an order about users is not carried out. Never names a key's value or a hash. */
import { printable } from "../../base/bytes.ts";
import type { Failure } from "../../base/errors.ts";
import { failure } from "../../base/errors.ts";
import type { KeyRange } from "../../contract/auth.ts";
import { OPEN_END } from "../../contract/requests.ts";

/** What is wrong with an order, or with what is asked about users: `details.reason` of AUTH_REFUSED. */
export type AuthRefusal =
  | "rootUserMissing"
  | "rootRoleMissing"
  | "userEmpty"
  | "userExists"
  | "userMissing"
  | "roleEmpty"
  | "roleExists"
  | "roleMissing"
  | "roleNotGranted"
  | "permissionNotGranted"
  | "rootProtected"
  | "rangeInvalid"
  | "notEnabled"
  | "guarding";

const REFUSALS: Readonly<Record<AuthRefusal, readonly [what: string, remedy: string]>> = {
  rootUserMissing: ["users cannot be enabled without a user root", "Add the user root first."],
  rootRoleMissing: ["the user root does not have the role root", "Grant it the role root first."],
  userEmpty: ["the name of the user is empty", "Give the user a name."],
  userExists: ["there is a user of this name", "Take another name, or change that user."],
  userMissing: ["there is no user of this name", "List the users, or add it first."],
  roleEmpty: ["the name of the role is empty", "Give the role a name."],
  roleExists: ["there is a role of this name", "Take another name, or change that role."],
  roleMissing: ["there is no role of this name", "List the roles, or add it first."],
  roleNotGranted: ["the user does not have this role", "Show the user to see which it has."],
  permissionNotGranted: [
    "the role has no permission for exactly this range",
    "Show the role to see which it has.",
  ],
  rootProtected: [
    "root cannot lose its user or role while users are enabled",
    "Disable users first.",
  ],
  rangeInvalid: ["the range holds no key", 'Give a key and an end above it, or "\\0" for none.'],
  notEnabled: ["users are not enabled", "Enable them, or send no credentials."],
  guarding: [
    "users are all that guards an address that other machines can reach",
    "Start the server on a loopback address, with --trusted-ca-file or with --insecure-bind.",
  ],
};

export function authRefused(reason: AuthRefusal, object: string): Failure {
  const [what, remedy] = REFUSALS[reason];
  return failure("AUTH_REFUSED", { object, what, remedy, details: { reason } });
}

/** Which credentials are wanting: `details.reason` of UNAUTHENTICATED. */
type Unauthenticated = "noUser" | "badToken" | "badPassword" | "changed";

const UNAUTHENTICATED: Readonly<Record<Unauthenticated, readonly [what: string, remedy: string]>> =
  {
    noUser: ["users are enabled, and it says of none who it is", "Give a user and password."],
    badToken: ["the token is not known, or has expired", "Authenticate again."],
    badPassword: ["user and password do not fit", "Check both."],
    changed: ["its user was changed since it logged in", "Connect again."],
  };

export function unauthenticated(reason: Unauthenticated, object = "client"): Failure {
  const [what, remedy] = UNAUTHENTICATED[reason];
  return failure("UNAUTHENTICATED", { object, what, remedy, details: { reason } });
}

export function stale(): Failure {
  return failure("AUTH_STALE", {
    object: "client",
    what: "users or roles have changed since its credentials were looked at",
    remedy: "Ask again; authenticate again if that does not help.",
  });
}

export function rootOnly(user: string, object: string): Failure {
  return denied(user, object, "needs the role root");
}

export function lacks(user: string, access: "read" | "write", range: KeyRange): Failure {
  return denied(user, describe(range), `may not be ${access === "read" ? "read" : "written"}`);
}

function denied(user: string, object: string, what: string): Failure {
  return failure("PERMISSION_DENIED", {
    object,
    what: `${what} by user ${user}`,
    remedy: "Grant one of the user's roles what it lacks, or act as another user.",
  });
}

function describe({ key, end }: KeyRange): string {
  if (end === undefined) return `key ${printable(key)}`;
  return `range from key ${printable(key)} ${end === OPEN_END ? "on" : `to ${printable(end)}`}`;
}
