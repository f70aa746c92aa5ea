/**
 * `etcdserverpb.Auth`: users, roles, permissions, and logging in. Passwords are hashed here, before an order about them
 * is given; they are in no order, log or message of ours.
 */
import type { AuthOrder, Permission } from "../../contract/auth.ts";
import type { AuthShowRequest, AuthShowResponse } from "../../contract/requests.ts";
import type { PermissionMessage } from "../../wire/etcd/auth.ts";
import { AUTH } from "../../wire/etcd/auth.ts";
import type { Headed, Header, Method } from "../../wire/etcd/messages.ts";
import { said } from "../../wire/etcd/statuses.ts";
import type { Init } from "../../wire/protobuf.ts";
import type { UnaryMethod } from "../grpc/method.ts";
import { unary } from "../grpc/method.ts";
import type { EtcdContext } from "./context.ts";
import { endOf } from "./requests.ts";

const ACCESS = ["read", "write", "readwrite"] as const;

function permissionOf({ permType, key, rangeEnd }: PermissionMessage): Permission {
  const access = ACCESS[permType];
  if (access === undefined) throw said("badManagement");
  return { access, key, end: endOf(rangeEnd) };
}

function permissionMessage({ access, key, end }: Permission): Init<PermissionMessage> {
  return { permType: ACCESS.indexOf(access), key, rangeEnd: end };
}

export function authMethods(context: EtcdContext): readonly (readonly [string, UnaryMethod])[] {
  const { gate } = context;
  /** Gives the order that a message stands for. */
  const ordered = <Q extends object>(
    shape: Method<Q, Headed>,
    orderOf: (message: Q) => AuthOrder | Promise<AuthOrder>,
  ): readonly [string, UnaryMethod] =>
    unary(shape, async (message): Promise<{ readonly header: Header }> => {
      const order = await orderOf(message);
      const { revision } = await context.submit({ kind: "auth", order });
      return { header: context.header(revision) };
    });
  const asked = async (
    of: AuthShowRequest["of"],
    name?: string,
  ): Promise<AuthShowResponse & { readonly header: Header }> => {
    const found = await context.submit({ kind: "authShow", of, name });
    return { ...found, header: context.header(found.revision) };
  };
  return [
    ordered(AUTH.enable, () => ({ kind: "enable" })),
    ordered(AUTH.disable, () => ({ kind: "disable" })),
    unary(AUTH.status, () => asked("state")),
    unary(AUTH.authenticate, async ({ name, password }) => {
      const token = await gate.login(name, password);
      return { header: context.header(context.driver.status().revision), token };
    }),
    ordered(AUTH.userAdd, async ({ name, password, options }) => {
      // Whoever may not add a user need not wait for a hash, nor make the server compute one.
      context.demand({ kind: "maintain" });
      if (options?.noPassword === true || name === "") return { kind: "addUser", name };
      return { kind: "addUser", name, password: await gate.passwords.hash(password) };
    }),
    ordered(AUTH.userChangePassword, async ({ name, password }) => {
      context.demand({ kind: "maintain" });
      return { kind: "changePassword", name, password: await gate.passwords.hash(password) };
    }),
    ordered(AUTH.userDelete, ({ name }) => ({ kind: "deleteUser", name })),
    ordered(AUTH.userGrantRole, ({ user, role }) => ({ kind: "grantRole", name: user, role })),
    ordered(AUTH.userRevokeRole, ({ name, role }) => ({ kind: "revokeRole", name, role })),
    unary(AUTH.userGet, async ({ name }) => {
      const { header, names: roles } = await asked("user", name);
      return { header, roles };
    }),
    unary(AUTH.userList, async () => {
      const { header, names: users } = await asked("users");
      return { header, users };
    }),
    ordered(AUTH.roleAdd, ({ name }) => ({ kind: "addRole", name })),
    ordered(AUTH.roleDelete, ({ role }) => ({ kind: "deleteRole", name: role })),
    unary(AUTH.roleGet, async ({ role }) => {
      const { header, permissions } = await asked("role", role);
      return { header, perm: permissions.map(permissionMessage) };
    }),
    unary(AUTH.roleList, async () => {
      const { header, names: roles } = await asked("roles");
      return { header, roles };
    }),
    ordered(AUTH.roleGrantPermission, ({ name, perm }) => {
      if (perm === undefined) throw said("noPermission");
      return { kind: "grantPermission", name, permission: permissionOf(perm) };
    }),
    ordered(AUTH.roleRevokePermission, ({ role, key, rangeEnd }) => {
      return { kind: "revokePermission", name: role, range: { key, end: endOf(rangeEnd) } };
    }),
  ];
}
