/**
 * Users and roles as a slow, obvious twin: arrays, and sets of keys instead of intervals. It decides what etcd decides,
 * from the words of its documentation rather than from our code.
 */
import type { Bytes } from "../../src/base/bytes.ts";
import type { AuthOrder, KeyRange, Permission } from "../../src/contract/auth.ts";
import { OPEN_END } from "../../src/contract/requests.ts";
import type { AuthRefusal } from "../../src/keyspace/auth/refusals.ts";

interface TwinUser {
  readonly name: string;
  roles: string[];
}
interface TwinRole {
  readonly name: string;
  permissions: Permission[];
}

/** Whether the range holds the key. */
export function holds({ key, end }: KeyRange, each: Bytes): boolean {
  if (end === undefined) return each === key;
  return each >= key && (end === OPEN_END || each < end);
}

export class AuthTwin {
  users: TwinUser[] = [];
  roles: TwinRole[] = [];
  enabled = false;
  revision = 1;

  copy(): AuthTwin {
    const twin = new AuthTwin();
    twin.users = this.users.map((user) => ({ ...user, roles: [...user.roles] }));
    twin.roles = this.roles.map((role) => ({ ...role, permissions: [...role.permissions] }));
    twin.enabled = this.enabled;
    twin.revision = this.revision;
    return twin;
  }

  /** Whether the user's permissions for `access` hold every one of `keys`. */
  may(name: string, access: "read" | "write", keys: readonly Bytes[]): boolean {
    const user = this.users.find((each) => each.name === name);
    if (user === undefined) return false;
    if (user.roles.includes("root")) return true;
    const granted = this.roles
      .filter((role) => user.roles.includes(role.name))
      .flatMap((role) => role.permissions)
      .filter((each) => each.access === access || each.access === "readwrite");
    return keys.every((key) => granted.some((each) => holds(each, key)));
  }

  /** Carries out `order`, or says what is wrong with it. */
  order(order: AuthOrder): AuthRefusal | undefined {
    const user = "name" in order ? this.users.find((each) => each.name === order.name) : undefined;
    const role = "name" in order ? this.roles.find((each) => each.name === order.name) : undefined;
    switch (order.kind) {
      case "enable": {
        const root = this.users.find((each) => each.name === "root");
        if (this.enabled) return undefined;
        if (root === undefined) return "rootUserMissing";
        if (!root.roles.includes("root")) return "rootRoleMissing";
        this.enabled = true;
        return undefined;
      }
      case "disable":
        if (this.enabled) this.revision++;
        this.enabled = false;
        return undefined;
      case "addUser":
        if (order.name === "") return "userEmpty";
        if (user !== undefined) return "userExists";
        this.users.push({ name: order.name, roles: [] });
        break;
      case "deleteUser":
        if (this.enabled && order.name === "root") return "rootProtected";
        if (user === undefined) return "userMissing";
        this.users.splice(this.users.indexOf(user), 1);
        break;
      case "changePassword":
        if (user === undefined) return "userMissing";
        break;
      case "grantRole":
        if (user === undefined) return "userMissing";
        if (order.role !== "root" && !this.roles.some((each) => each.name === order.role))
          return "roleMissing";
        if (user.roles.includes(order.role)) return undefined;
        user.roles.push(order.role);
        break;
      case "revokeRole":
        if (this.enabled && order.name === "root" && order.role === "root") return "rootProtected";
        if (user === undefined) return "userMissing";
        if (!user.roles.includes(order.role)) return "roleNotGranted";
        user.roles = user.roles.filter((each) => each !== order.role);
        break;
      case "addRole":
        if (order.name === "") return "roleEmpty";
        if (role !== undefined) return "roleExists";
        this.roles.push({ name: order.name, permissions: [] });
        break;
      case "deleteRole":
        if (this.enabled && order.name === "root") return "rootProtected";
        if (role === undefined) return "roleMissing";
        this.roles.splice(this.roles.indexOf(role), 1);
        for (const each of this.users) each.roles = each.roles.filter((one) => one !== order.name);
        break;
      case "grantPermission": {
        const { key, end } = order.permission;
        if (key === "" || (end !== undefined && end !== OPEN_END && end <= key))
          return "rangeInvalid";
        if (role === undefined) return "roleMissing";
        role.permissions = role.permissions.filter((each) => each.key !== key || each.end !== end);
        role.permissions.push(order.permission);
        break;
      }
      // A token changes nobody's permissions.
      case "giveToken":
        return undefined;
      case "revokePermission": {
        const { key, end } = order.range;
        if (role === undefined) return "roleMissing";
        const left = role.permissions.filter((each) => each.key !== key || each.end !== end);
        if (left.length === role.permissions.length) return "permissionNotGranted";
        role.permissions = left;
        break;
      }
    }
    this.revision++;
    return undefined;
  }
}
