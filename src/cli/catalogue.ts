/**
 * Every verb of the CLI as data: what it takes, what it is for, examples, and where its code is
 * loaded from.
 *
 * Invariants: I1 nothing of a verb is loaded before it is run, so that `quorate --help` stays fast.
 * I2 every example runs, in this order, against a fresh server (`test/cli/examples.test.ts`).
 */
import type { Verb } from "./context.ts";
import { AUTH } from "./catalogue-auth.ts";
import { CLUSTER, UP } from "./catalogue-cluster.ts";
import { SERVING } from "./catalogue-serving.ts";

/** One flag: how it is written, what it does, and whether it must be there. */
export interface FlagSpec {
  readonly usage: string;
  readonly meaning: string;
  readonly required?: boolean | undefined;
}

/** One verb. */
export interface CommandSpec {
  /** Its words: `log inspect`. */
  readonly path: string;
  /** Its operands, as commander writes them: `<key> [value]`. */
  readonly operands: string;
  readonly summary: string;
  /** What a person must know beyond the summary. */
  readonly details?: string | undefined;
  readonly flags: readonly FlagSpec[];
  readonly examples: readonly string[];
  readonly load: () => Promise<Verb>;
}

const ESCAPES: FlagSpec = {
  usage: "-x, --escapes",
  meaning: "read \\xNN in arguments as a byte, \\\\ as a backslash",
};
const PREFIX: FlagSpec = { usage: "-p, --prefix", meaning: "every key that begins with KEY" };
const RANGE_END: FlagSpec = {
  usage: "--range-end <key>",
  meaning: "every key from KEY up to, not including, this",
};
const PREV_KV: FlagSpec = { usage: "--prev-kv", meaning: "also print what was there before" };

const READING: readonly FlagSpec[] = [
  { usage: "--rev <revision>", meaning: "read as of this revision" },
  { usage: "--limit <n>", meaning: "at most this many keys" },
  { usage: "--keys-only", meaning: "print keys without values" },
  { usage: "--count-only", meaning: "print how many keys there are" },
  { usage: "--raw", meaning: "print exactly the bytes of the values" },
  { usage: "--serializable", meaning: "allow a member that is behind to answer" },
];

const TTL: FlagSpec = {
  usage: "--ttl-ms <ms>",
  meaning: "how long it stays held after this process falls silent; default 10000",
};

const WAITING: readonly FlagSpec[] = [
  {
    usage: "--wait-ms <ms>",
    meaning: "stand in line for at most this long; 0: only try; default: for ever",
  },
  { usage: "--kill-after-ms <ms>", meaning: "from SIGTERM to SIGKILL at loss; default 1000" },
  { usage: "--label <text>", meaning: "say to those who wait what this is" },
];

const KEYS: readonly CommandSpec[] = [
  {
    path: "put",
    operands: "<key> <value>",
    summary: "Write a key; the value - is read from standard input",
    flags: [
      {
        usage: "--lease <id>",
        meaning: "tie the key to this lease (hex): it goes when the lease goes",
      },
      PREV_KV,
      ESCAPES,
    ],
    examples: [
      "quorate put greeting hello",
      'echo "from a pipe" | quorate put greeting -',
      "quorate put config/limit 10 --prev-kv",
    ],
    load: async () => (await import("./commands/put.ts")).run,
  },
  {
    path: "get",
    operands: "<key>",
    summary: "Read keys; exit code 1 if there are none",
    flags: [PREFIX, RANGE_END, ...READING, ESCAPES],
    examples: [
      "quorate get greeting",
      "quorate get config/ --prefix --output json",
      "quorate get config/limit --raw",
    ],
    load: async () => (await import("./commands/get.ts")).run,
  },
  {
    path: "range",
    operands: "[from] [to]",
    summary: "Read the keys from FROM up to, not including, TO; exit code 1 if there are none",
    details: "Without TO to the last key, without FROM all of them.",
    flags: [
      { usage: "--sort-by <what>", meaning: "key (default), version, create, mod or value" },
      { usage: "--descend", meaning: "largest first" },
      { usage: "--min-mod-rev <revision>", meaning: "leave out what changed before" },
      { usage: "--max-mod-rev <revision>", meaning: "leave out what changed after" },
      { usage: "--min-create-rev <revision>", meaning: "leave out what was created before" },
      { usage: "--max-create-rev <revision>", meaning: "leave out what was created after" },
      ...READING,
      ESCAPES,
    ],
    examples: [
      "quorate range config/ config0 --sort-by mod --descend",
      "quorate range --keys-only --limit 10",
      "quorate range --count-only --output json",
    ],
    load: async () => (await import("./commands/get.ts")).range,
  },
  {
    path: "txn",
    operands: "[file]",
    summary: "One atomic transaction, in etcdctl's form; exit code 1 if a condition did not hold",
    details: `Three parts, parted by an empty line: conditions (mod("k") = "3", and so for value, version, create, lease; with = != < >),
what to do if all hold, what to do otherwise (put KEY VALUE, get KEY, del KEY, with --prefix, --range-end, --limit, --rev,
--keys-only, --count-only, --lease, --prev-kv). From standard input, or FILE.`,
    flags: [],
    examples: [
      `printf 'ver("config/limit") > "0"\\n\\nput config/limit 20\\n' | quorate txn`,
      `printf 'ver("new") = "0"\\n\\nput new 1\\n\\nget new\\n' | quorate txn --output json`,
    ],
    load: async () => (await import("./commands/txn.ts")).run,
  },
  {
    path: "watch",
    operands: "<key>",
    summary: "Print every change until ^C",
    flags: [
      PREFIX,
      RANGE_END,
      {
        usage: "--rev <revision>",
        meaning: "start with the changes of this revision; default: from now on",
      },
      { usage: "--events <n>", meaning: "end after this many changes" },
      PREV_KV,
      ESCAPES,
    ],
    examples: [
      "quorate watch config/ --prefix",
      "quorate watch config/ --prefix --rev 1 --events 1 --output json",
    ],
    load: async () => (await import("./commands/watch.ts")).run,
  },
  {
    path: "del",
    operands: "<key>",
    summary: "Delete keys; exit code 1 if there were none",
    flags: [PREFIX, RANGE_END, PREV_KV, ESCAPES],
    examples: ["quorate del greeting", "quorate del config/ --prefix --prev-kv"],
    load: async () => (await import("./commands/del.ts")).run,
  },
  {
    path: "lease grant",
    operands: "<ttl-s>",
    summary: "Grant a lease of TTL seconds; nobody renews it",
    flags: [
      { usage: "--id <id>", meaning: "take this id (hex) rather than let the server choose" },
    ],
    examples: ["quorate lease grant 60 --id 1000", "quorate put session/a here --lease 1000"],
    load: async () => (await import("./commands/lease.ts")).grant,
  },
  {
    path: "lease show",
    operands: "<id>",
    summary: "Time left and keys of a lease; exit code 1 if there is no such lease",
    flags: [],
    examples: ["quorate lease show 1000", "quorate lease show 1000 --output json"],
    load: async () => (await import("./commands/lease.ts")).show,
  },
  {
    path: "lease list",
    operands: "",
    summary: "The ids of all leases",
    flags: [],
    examples: ["quorate lease list", "quorate lease list --output json"],
    load: async () => (await import("./commands/lease.ts")).list,
  },
  {
    path: "lease revoke",
    operands: "<id>",
    summary: "Revoke a lease and delete its keys",
    flags: [],
    examples: [
      "quorate lease revoke 1000",
      "quorate lease grant 60 --id 1001",
      "quorate lease revoke 1001 --output json",
    ],
    load: async () => (await import("./commands/lease.ts")).revoke,
  },
];

const COORDINATION: readonly CommandSpec[] = [
  {
    path: "lock",
    operands: "<name> [command...]",
    summary: "Hold a lock while a command runs, or until ^C",
    details: `The command finds the fencing token in QUORATE_TOKEN and the name in QUORATE_LOCK;
its exit code is passed on. If the lock is lost, the command gets SIGTERM, then
SIGKILL, and the exit code is 5. Pass the token to whatever the command writes to: a
resource that refuses lower tokens is safe even from a process that was stopped and
continues. Not acquired within --wait-ms: exit code 1.`,
    flags: [...WAITING, TTL],
    examples: [
      "quorate lock deploy -- echo deploying",
      "quorate lock deploy --wait-ms 0 -- sh -c 'echo token $QUORATE_TOKEN'",
      "quorate lock orders/42",
    ],
    load: async () => (await import("./commands/lock.ts")).run,
  },
  {
    path: "semaphore",
    operands: "<name> [command...]",
    summary: "Hold a permit while a command runs, or until ^C",
    details: `As lock, for at most --permits owners at a time. The first user's number is stored and counts.
The command finds its token in QUORATE_TOKEN and the name in QUORATE_LOCK.`,
    flags: [
      { usage: "--permits <n>", meaning: "how many there are", required: true },
      { usage: "--weight <n>", meaning: "take this many; default 1" },
      ...WAITING,
      TTL,
    ],
    examples: [
      "quorate semaphore builds --permits 4 -- echo building",
      "quorate semaphore builds --permits 4 --weight 2 --wait-ms 0",
    ],
    load: async () => (await import("./commands/lock.ts")).semaphore,
  },
  {
    path: "elect",
    operands: "<name> [value]",
    summary: "Campaign for leadership and lead until ^C",
    details:
      "VALUE is what others read of the leader. With --observe, print each leader instead of campaigning.",
    flags: [
      { usage: "--observe", meaning: "print each leader until ^C, without standing for election" },
      { usage: "--events <n>", meaning: "with --observe: end after this many leaders" },
      TTL,
    ],
    examples: ["quorate elect poller pod-1", "quorate elect poller --observe"],
    load: async () => (await import("./commands/elect.ts")).run,
  },
  {
    path: "explain",
    operands: "<name>",
    summary: "Who holds it, who waits, and why",
    details: `NAME is looked up as every kind, or as one: lock/NAME, rwlock/NAME, semaphore/NAME,
election/NAME, latch/NAME, barrier/NAME, double-barrier/NAME, guard/NAME. Exit code 1 if nobody holds it and nobody waits.`,
    flags: [],
    examples: ["quorate explain lock/deploy", "quorate explain orders/42 --output json"],
    load: async () => (await import("./commands/explain.ts")).run,
  },
  {
    path: "status",
    operands: "",
    summary: "What the server says of itself; exit code 1 if it has an alarm",
    flags: [],
    examples: ["quorate status", "quorate status --output json"],
    load: async () => (await import("./commands/status.ts")).run,
  },
  {
    path: "top",
    operands: "",
    summary: "Follow the server live in the terminal until ^C",
    details:
      "Away from a terminal, or with --output json, one line for each look. Rates are over the time between two looks.",
    flags: [
      { usage: "--every-ms <ms>", meaning: "time between two looks; default 1000" },
      { usage: "--looks <n>", meaning: "end after this many" },
    ],
    examples: ["quorate top --looks 2 --every-ms 100", "quorate top --looks 1 --output json"],
    load: async () => (await import("./commands/top.ts")).run,
  },
];

/** Every verb, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  ...SERVING.start,
  UP,
  ...KEYS,
  ...COORDINATION,
  ...AUTH,
  ...CLUSTER,
  ...SERVING.care,
];

/** What words before a verb are for: `auth user`. */
export const GROUPS: Readonly<Record<string, string>> = {
  lease: "Leases by hand",
  alarm: "Alarms of a server",
  cluster: "The members of a cluster",
  auth: "Users, roles and permissions",
  user: "Users",
  role: "Roles and their permissions",
  snapshot: "Snapshots of a server, and data directories made of them",
  log: "The log of a data directory",
};
