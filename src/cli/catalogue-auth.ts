/** The verbs about users and roles, in an order in which their examples run. */
import type { CommandSpec, FlagSpec } from "./catalogue.ts";
import type * as verbs from "./commands/auth.ts";
import type { Verb } from "./context.ts";

type Verbs = typeof verbs;

const load = (name: keyof Verbs) => async (): Promise<Verb> =>
  (await import("./commands/auth.ts"))[name];

const RANGE: readonly FlagSpec[] = [
  { usage: "-p, --prefix", meaning: "every key that begins with KEY" },
  { usage: "--range-end <key>", meaning: "every key from KEY up to, not including, this" },
  { usage: "--from-key", meaning: "every key from KEY on" },
  { usage: "-x, --escapes", meaning: "read \\xNN in arguments as a byte, \\\\ as a backslash" },
];

const verb = (
  path: keyof Verbs,
  words: string,
  operands: string,
  summary: string,
  examples: readonly string[],
  rest: Partial<CommandSpec> = {},
): CommandSpec => ({
  path: `auth ${words}`,
  operands,
  summary,
  flags: [],
  examples,
  load: load(path),
  ...rest,
});

const user = "<user>";
const role = "<role>";

export const AUTH: readonly CommandSpec[] = [
  verb(
    "userAdd",
    "user add",
    user,
    "Add a user; the password is the first line of standard input",
    [
      'echo "secret" | quorate auth user add root',
      'echo "hers" | quorate auth user add ann --output json',
      "quorate auth user add backup --without-password",
    ],
    { flags: [{ usage: "--without-password", meaning: "the user comes with a certificate" }] },
  ),
  verb("roleAdd", "role add", role, "Add a role", [
    "quorate auth role add reader",
    "quorate auth role add writer --output json",
  ]),
  verb(
    "roleGrant",
    "role grant",
    "<role> <access> <key>",
    "Let a role read, write or both (readwrite) a range of keys",
    [
      "quorate auth role grant reader read config/ --prefix",
      "quorate auth role grant writer readwrite a --range-end b",
      "quorate auth role grant writer read quorate/token-base",
    ],
    { flags: RANGE },
  ),
  verb("roleShow", "role show", role, "What a role may do", [
    "quorate auth role show reader",
    "quorate auth role show writer --output json",
  ]),
  verb("roleList", "role list", "", "The names of all roles", [
    "quorate auth role list",
    "quorate auth role list --output json",
  ]),
  verb("userGrant", "user grant", "<user> <role>", "Give a user a role; root may do everything", [
    "quorate auth user grant ann reader",
    "quorate auth user grant root root",
  ]),
  verb("userShow", "user show", user, "The roles of a user", [
    "quorate auth user show ann",
    "quorate auth user show root --output json",
  ]),
  verb("userList", "user list", "", "The names of all users", [
    "quorate auth user list",
    "quorate auth user list --output json",
  ]),
  verb("userPassword", "user password", user, "Change a password, read from standard input", [
    'echo "new" | quorate auth user password ann',
    'echo "secret" | quorate auth user password root --output json',
  ]),
  verb(
    "enable",
    "enable",
    "",
    "Ask everybody who they are from now on",
    ["quorate auth enable", "quorate auth status --user root:secret"],
    {
      details: `There must be a user root with the role root. Passwords travel as they are: without TLS enable users
on loopback only.`,
    },
  ),
  verb("disable", "disable", "", "Ask nobody any more; users and roles stay", [
    "quorate auth disable --user root:secret",
    "quorate auth disable --output json",
  ]),
  verb("status", "status", "", "Whether users are enabled", [
    "quorate auth status",
    "quorate auth status --output json",
  ]),
  verb("userRevoke", "user revoke", "<user> <role>", "Take a role from a user", [
    "quorate auth user revoke ann reader",
    "quorate auth user revoke root root --output json",
  ]),
  verb(
    "roleRevoke",
    "role revoke",
    "<role> <key>",
    "Take from a role the permission for exactly this range",
    [
      "quorate auth role revoke reader config/ --prefix",
      "quorate auth role revoke writer a --range-end b --output json",
    ],
    { flags: RANGE },
  ),
  verb("roleDelete", "role delete", role, "Delete a role and take it from its users", [
    "quorate auth role delete reader",
    "quorate auth role delete writer --output json",
  ]),
  verb("userDelete", "user delete", user, "Delete a user", [
    "quorate auth user delete ann",
    "quorate auth user delete backup --output json",
  ]),
];
