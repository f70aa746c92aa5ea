/**
 * Every verb of the CLI as data: what it takes, what it is for, examples, and where its code is
 * loaded from.
 *
 * Invariants: I1 nothing of a verb is loaded before it is run, so that `quorate --help` stays fast.
 * I2 every example runs, in this order, against a fresh server (`test/cli/examples.test.ts`).
 */
import type { Verb } from "./context.ts";
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

const TTL: FlagSpec = {
  usage: "--ttl-ms <ms>",
  meaning: "how long it stays held after this process falls silent; default 10000",
};

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
    flags: [
      PREFIX,
      RANGE_END,
      { usage: "--rev <revision>", meaning: "read as of this revision" },
      { usage: "--limit <n>", meaning: "at most this many keys" },
      { usage: "--keys-only", meaning: "print keys without values" },
      { usage: "--count-only", meaning: "print how many keys there are" },
      { usage: "--raw", meaning: "print exactly the bytes of the values" },
      { usage: "--serializable", meaning: "allow a member that is behind to answer" },
      ESCAPES,
    ],
    examples: [
      "quorate get greeting",
      "quorate get config/ --prefix --output json",
      "quorate get config/limit --raw",
    ],
    load: async () => (await import("./commands/get.ts")).run,
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
    flags: [
      {
        usage: "--wait-ms <ms>",
        meaning: "stand in line for at most this long; 0: only try; default: for ever",
      },
      { usage: "--kill-after-ms <ms>", meaning: "from SIGTERM to SIGKILL at loss; default 1000" },
      { usage: "--label <text>", meaning: "say to those who wait what this is" },
      TTL,
    ],
    examples: [
      "quorate lock deploy -- echo deploying",
      "quorate lock deploy --wait-ms 0 -- sh -c 'echo token $QUORATE_TOKEN'",
      "quorate lock orders/42",
    ],
    load: async () => (await import("./commands/lock.ts")).run,
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
election/NAME. Exit code 1 if nobody holds it and nobody waits.`,
    flags: [{ usage: "--permits <n>", meaning: "how many permits the semaphore has" }],
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
];

/** Every verb, in the order of the help. */
export const COMMANDS: readonly CommandSpec[] = [
  ...SERVING.start,
  ...KEYS,
  ...COORDINATION,
  ...SERVING.care,
];
