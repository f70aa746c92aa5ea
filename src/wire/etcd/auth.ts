/**
 * The messages of `etcdserverpb.Auth` and `authpb`: names and numbers of `api/etcdserverpb/rpc.proto` and
 * `api/authpb/auth.proto`. Hashes that a client offers are not read: passwords come in clear, over TLS.
 */
import type { Bytes } from "../../base/bytes.ts";
import type { Message } from "../protobuf.ts";
import * as pb from "../protobuf.ts";
import type { Headed, Method } from "./messages.ts";
import { Empty, header, HeaderOnly, method } from "./messages.ts";

/** `permType`: read, write, both. */
export interface PermissionMessage {
  readonly permType: number;
  readonly key: Bytes;
  readonly rangeEnd: Bytes;
}
export const Permission: Message<PermissionMessage> = pb.message<PermissionMessage>({
  permType: pb.int32(1),
  key: pb.bytes(2),
  rangeEnd: pb.bytes(3),
});

interface Login {
  readonly name: string;
  readonly password: string;
}
const Login: Message<Login> = pb.message<Login>({ name: pb.string(1), password: pb.string(2) });
interface LoginResponse extends Headed {
  readonly token: string;
}
const LoginResponse: Message<LoginResponse> = pb.message<LoginResponse>({
  header,
  token: pb.string(2),
});

interface UserAddRequest extends Login {
  readonly options: { readonly noPassword: boolean } | undefined;
}
const UserAddOptions = pb.message<{ readonly noPassword: boolean }>({ noPassword: pb.bool(1) });
const UserAddRequest: Message<UserAddRequest> = pb.message<UserAddRequest>({
  name: pb.string(1),
  password: pb.string(2),
  options: pb.nested(3, () => UserAddOptions),
});

export interface AuthStatusResponse extends Headed {
  readonly enabled: boolean;
  readonly authRevision: number;
}
export const AuthStatusResponse: Message<AuthStatusResponse> = pb.message<AuthStatusResponse>({
  header,
  enabled: pb.bool(2),
  authRevision: pb.int64(3),
});

interface Name {
  readonly name: string;
}
const Name: Message<Name> = pb.message<Name>({ name: pb.string(1) });
interface RoleName {
  readonly role: string;
}
const RoleName: Message<RoleName> = pb.message<RoleName>({ role: pb.string(1) });
interface GrantRoleRequest {
  readonly user: string;
  readonly role: string;
}
const GrantRoleRequest: Message<GrantRoleRequest> = pb.message<GrantRoleRequest>({
  user: pb.string(1),
  role: pb.string(2),
});
interface RevokeRoleRequest {
  readonly name: string;
  readonly role: string;
}
const RevokeRoleRequest: Message<RevokeRoleRequest> = pb.message<RevokeRoleRequest>({
  name: pb.string(1),
  role: pb.string(2),
});
interface RolesResponse extends Headed {
  readonly roles: readonly string[];
}
const RolesResponse: Message<RolesResponse> = pb.message<RolesResponse>({
  header,
  roles: pb.strings(2),
});
interface UsersResponse extends Headed {
  readonly users: readonly string[];
}
const UsersResponse: Message<UsersResponse> = pb.message<UsersResponse>({
  header,
  users: pb.strings(2),
});

interface RoleGetResponse extends Headed {
  readonly perm: readonly PermissionMessage[];
}
const RoleGetResponse: Message<RoleGetResponse> = pb.message<RoleGetResponse>({
  header,
  perm: pb.list(2, () => Permission),
});
interface GrantRequest {
  readonly name: string;
  readonly perm: PermissionMessage | undefined;
}
const GrantRequest: Message<GrantRequest> = pb.message<GrantRequest>({
  name: pb.string(1),
  perm: pb.nested(2, () => Permission),
});
interface RevokeRequest {
  readonly role: string;
  readonly key: Bytes;
  readonly rangeEnd: Bytes;
}
const RevokeRequest: Message<RevokeRequest> = pb.message<RevokeRequest>({
  role: pb.string(1),
  key: pb.bytes(2),
  rangeEnd: pb.bytes(3),
});

export const AUTH: {
  readonly enable: Method<Empty, Headed>;
  readonly disable: Method<Empty, Headed>;
  readonly status: Method<Empty, AuthStatusResponse>;
  readonly authenticate: Method<Login, LoginResponse>;
  readonly userAdd: Method<UserAddRequest, Headed>;
  readonly userGet: Method<Name, RolesResponse>;
  readonly userList: Method<Empty, UsersResponse>;
  readonly userDelete: Method<Name, Headed>;
  readonly userChangePassword: Method<Login, Headed>;
  readonly userGrantRole: Method<GrantRoleRequest, Headed>;
  readonly userRevokeRole: Method<RevokeRoleRequest, Headed>;
  readonly roleAdd: Method<Name, Headed>;
  readonly roleGet: Method<RoleName, RoleGetResponse>;
  readonly roleList: Method<Empty, RolesResponse>;
  readonly roleDelete: Method<RoleName, Headed>;
  readonly roleGrantPermission: Method<GrantRequest, Headed>;
  readonly roleRevokePermission: Method<RevokeRequest, Headed>;
} = {
  enable: method("Auth/AuthEnable", Empty, HeaderOnly),
  disable: method("Auth/AuthDisable", Empty, HeaderOnly),
  status: method("Auth/AuthStatus", Empty, AuthStatusResponse),
  authenticate: method("Auth/Authenticate", Login, LoginResponse),
  userAdd: method("Auth/UserAdd", UserAddRequest, HeaderOnly),
  userGet: method("Auth/UserGet", Name, RolesResponse),
  userList: method("Auth/UserList", Empty, UsersResponse),
  userDelete: method("Auth/UserDelete", Name, HeaderOnly),
  userChangePassword: method("Auth/UserChangePassword", Login, HeaderOnly),
  userGrantRole: method("Auth/UserGrantRole", GrantRoleRequest, HeaderOnly),
  userRevokeRole: method("Auth/UserRevokeRole", RevokeRoleRequest, HeaderOnly),
  roleAdd: method("Auth/RoleAdd", Name, HeaderOnly),
  roleGet: method("Auth/RoleGet", RoleName, RoleGetResponse),
  roleList: method("Auth/RoleList", Empty, RolesResponse),
  roleDelete: method("Auth/RoleDelete", RoleName, HeaderOnly),
  roleGrantPermission: method("Auth/RoleGrantPermission", GrantRequest, HeaderOnly),
  roleRevokePermission: method("Auth/RoleRevokePermission", RevokeRequest, HeaderOnly),
};
