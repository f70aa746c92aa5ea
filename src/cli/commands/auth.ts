/**
 * `quorate auth …`: users, roles and permissions. A password is read from standard input, never from the command line,
 * which others on the machine can read; what is sent of it is a hash.
 */
import { text } from "../../base/bytes.ts";
import { fail } from "../../base/errors.ts";
import type { Access, AuthOrder } from "../../contract/auth.ts";
import type { AuthShowRequest, AuthShowResponse } from "../../contract/requests.ts";
import { OPEN_END } from "../../contract/requests.ts";
import { hostPasswords } from "../../host/passwords.ts";
import type { Context, Verb } from "../context.ts";
import { callOptions, operand, withKeyspace } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { keyRange } from "../key-range.ts";
import { jsonBytes, shown, standardInput, table } from "../output.ts";

async function give(context: Context, order: AuthOrder, said: string): Promise<ExitCode> {
  return await withKeyspace(context, async (keyspace) => {
    const answer = await keyspace.call({ kind: "auth", order }, callOptions(context));
    const { authRevision } = answer;
    if (context.terminal.format === "json") context.terminal.json({ done: said, authRevision });
    else context.terminal.line(said);
    return EXIT.ok;
  });
}

async function ask(
  context: Context,
  of: AuthShowRequest["of"],
  name: string | undefined,
  print: (answer: AuthShowResponse) => Promise<void> | void,
): Promise<ExitCode> {
  return await withKeyspace(context, async (keyspace) => {
    await print(await keyspace.call({ kind: "authShow", of, name }, callOptions(context)));
    return EXIT.ok;
  });
}

function names(context: Context, key: string): (answer: AuthShowResponse) => void {
  const { terminal } = context;
  return (answer) => {
    if (terminal.format === "json") terminal.json({ [key]: answer.names });
    else for (const name of answer.names) terminal.line(name);
  };
}

/** The first line of standard input. */
async function hashed(): Promise<string> {
  const password = text(await standardInput()).split(/\r?\n/)[0] ?? "";
  if (password !== "") return await hostPasswords.hash(password);
  throw fail("INVALID", {
    object: "password",
    what: "is empty",
    remedy:
      "Give it on standard input, or say --without-password for a user who comes with a certificate.",
  });
}

export const enable: Verb = (context) => give(context, { kind: "enable" }, "users are enabled");
export const disable: Verb = (context) => give(context, { kind: "disable" }, "users are disabled");
export const status: Verb = (context) =>
  ask(context, "state", undefined, ({ enabled, authRevision }) => {
    const { terminal } = context;
    if (terminal.format === "json") return terminal.json({ enabled, authRevision });
    terminal.line(`users are ${enabled ? "enabled" : "disabled"} (auth revision ${authRevision})`);
  });

export const userAdd: Verb = async (context, operands, flags) => {
  const name = operand(operands, 0, "user");
  const secret = flags.on("without-password") ? {} : { password: await hashed() };
  return await give(context, { kind: "addUser", name, ...secret }, `user ${name} added`);
};
export const userPassword: Verb = async (context, operands) => {
  const name = operand(operands, 0, "user");
  const order = { kind: "changePassword", name, password: await hashed() } as const;
  return await give(context, order, `password of user ${name} changed`);
};
export const userDelete: Verb = (context, operands) => {
  const name = operand(operands, 0, "user");
  return give(context, { kind: "deleteUser", name }, `user ${name} deleted`);
};
export const userList: Verb = (context) =>
  ask(context, "users", undefined, names(context, "users"));
export const userShow: Verb = (context, operands) =>
  ask(context, "user", operand(operands, 0, "user"), names(context, "roles"));
export const userGrant: Verb = (context, operands) => {
  const [name, role] = [operand(operands, 0, "user"), operand(operands, 1, "role")];
  return give(context, { kind: "grantRole", name, role }, `user ${name} has role ${role}`);
};
export const userRevoke: Verb = (context, operands) => {
  const [name, role] = [operand(operands, 0, "user"), operand(operands, 1, "role")];
  return give(context, { kind: "revokeRole", name, role }, `user ${name} lost role ${role}`);
};

export const roleAdd: Verb = (context, operands) => {
  const name = operand(operands, 0, "role");
  return give(context, { kind: "addRole", name }, `role ${name} added`);
};
export const roleDelete: Verb = (context, operands) => {
  const name = operand(operands, 0, "role");
  return give(context, { kind: "deleteRole", name }, `role ${name} deleted`);
};
export const roleList: Verb = (context) =>
  ask(context, "roles", undefined, names(context, "roles"));
export const roleShow: Verb = (context, operands) =>
  ask(context, "role", operand(operands, 0, "role"), async ({ permissions }) => {
    const { terminal } = context;
    if (terminal.format === "json") {
      const each = permissions.map(({ access, key, end }) => {
        return { access, key: jsonBytes(key), end: end === undefined ? undefined : jsonBytes(end) };
      });
      return terminal.json({ permissions: each });
    }
    const rows = permissions.map(({ access, key, end }) => {
      const until = end === undefined ? "this key" : end === OPEN_END ? "no end" : shown(end);
      return [access, shown(key), until];
    });
    terminal.line(await table(["ACCESS", "FROM", "TO"], rows));
  });
export const roleGrant: Verb = (context, operands, flags) => {
  const name = operand(operands, 0, "role");
  const access = accessOf(operand(operands, 1, "access"));
  const permission = { access, ...rangeOf(operand(operands, 2, "key"), flags) };
  const order = { kind: "grantPermission", name, permission } as const;
  return give(context, order, `role ${name} may ${access} there`);
};
export const roleRevoke: Verb = (context, operands, flags) => {
  const name = operand(operands, 0, "role");
  const range = rangeOf(operand(operands, 1, "key"), flags);
  const order = { kind: "revokePermission", name, range } as const;
  return give(context, order, `role ${name} has no permission there any more`);
};

function rangeOf(key: string, flags: Flags): ReturnType<typeof keyRange> {
  const range = keyRange(key, flags);
  return flags.on("from-key") ? { key: range.key, end: OPEN_END } : range;
}

function accessOf(word: string): Access {
  if (word === "read" || word === "write" || word === "readwrite") return word;
  throw fail("INVALID", {
    object: "access",
    what: `${JSON.stringify(word)} is none`,
    remedy: "Give read, write or readwrite.",
  });
}
