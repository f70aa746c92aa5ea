/**
 * The verbs that run a server and look after its data: the part of the catalogue that needs no
 * connection.
 */
import type { CommandSpec, FlagSpec } from "./catalogue.ts";
import type { EtcdFlag } from "./etcd/flags.ts";
import { ETCD_FLAGS } from "./etcd/flags.ts";
import { flagOf, SETTINGS, variableOf } from "./settings.ts";

const serveFlags: readonly FlagSpec[] = [
  ...SETTINGS.map((setting) => ({
    usage: `${flagOf(setting.key)}${setting.operand === undefined ? "" : ` <${setting.operand}>`}`,
    meaning: `${setting.meaning} (default ${setting.usual}; ${variableOf(setting.key)}; file: ${setting.key})`,
  })),
  { usage: "--config <FILE>", meaning: "JSON file with these settings (QUORATE_CONFIG)" },
];

const etcdFlags: readonly FlagSpec[] = [
  ...ETCD_FLAGS.filter(({ rule }) => rule.kind !== "ignored").map(etcdFlag),
  ...ETCD_FLAGS.filter(({ rule }) => rule.kind === "ignored").map(etcdFlag),
  { usage: "--version", meaning: "Print the versions and end." },
];

function etcdFlag({ name, operand, usual, rule }: EtcdFlag): FlagSpec {
  const what = {
    setting: `default ${usual}`,
    ignored: "taken and ignored",
    only: `only ${usual === "" ? "unset" : usual}`,
  }[rule.kind];
  const why = rule.kind === "setting" ? "" : `: ${rule.why}`;
  return {
    usage: `--${name} ${operand === undefined ? "[bool]" : `<${operand}>`}`,
    meaning: `${what}${why}`,
  };
}

const DATA_DIR: FlagSpec = {
  usage: "--data-dir <DIR>",
  meaning: "the data directory (default ./.quorate)",
};

const UNDER_SYSTEMD = `Under systemd
with Type=notify it says when it is ready and when it stops, through systemd-notify: a
unit with User= needs NotifyAccess=all for that.`;

export const SERVING: {
  readonly start: readonly CommandSpec[];
  readonly care: readonly CommandSpec[];
} = {
  start: [
    {
      path: "serve",
      operands: "",
      summary: "Run a durable server until ^C",
      details: `Every setting is a flag, an environment variable and a key of the configuration
file; a flag wins over a variable, a variable over the file. The first SIGINT or
SIGTERM drains: what is in flight is answered, a snapshot is written. The second one
ends the process at once, which loses nothing that was acknowledged.
A new cluster: the same --initial-cluster at each member, and --name. One more member of a cluster that is there: --join.
A data directory stays its member's, whatever is said of the beginning later. ${UNDER_SYSTEMD}`,
      flags: serveFlags,
      examples: [
        "quorate serve",
        "quorate serve --data-dir ./data --config quorate.json",
        "quorate serve --name m2 --data-dir ./m2 --peer-listen 127.0.0.1:12379 --join $QUORATE_URL --learner",
      ],
      load: async () => (await import("./commands/serve.ts")).run,
    },
    {
      path: "etcd",
      operands: "",
      summary: "Run the server under etcd's flags, ETCD_* variables and log",
      details: `For what starts an etcd of its own. A flag wins over its variable: --data-dir, ETCD_DATA_DIR. What would
change behaviour and cannot be given is refused by name. Its data directory is not etcd's: copy data with
etcdctl make-mirror, or read and put it. ${UNDER_SYSTEMD}`,
      flags: etcdFlags,
      examples: [
        "quorate etcd --data-dir ./default.etcd",
        "quorate etcd --name m1 --quota-backend-bytes 1073741824 --auto-compaction-retention 1h",
      ],
      load: async () => (await import("./commands/etcd.ts")).run,
    },
  ],
  care: [
    {
      path: "compact",
      operands: "[revision]",
      summary: "Forget history before REVISION, by default all of it",
      details: `Past revisions can then be neither read nor watched; the present is untouched. The server does
this by itself as --history-keep says.`,
      flags: [],
      examples: ["quorate compact", "quorate compact --output json"],
      load: async () => (await import("./commands/care.ts")).compact,
    },
    {
      path: "defrag",
      operands: "",
      summary: "Nothing: for scripts that do this to etcd",
      details: "What compaction frees is free at once; the answer says how much is in use.",
      flags: [],
      examples: ["quorate defrag", "quorate defrag --output json"],
      load: async () => (await import("./commands/care.ts")).defrag,
    },
    {
      path: "alarm list",
      operands: "",
      summary: "The alarms that are raised",
      flags: [],
      examples: ["quorate alarm list", "quorate alarm list --output json"],
      load: async () => (await import("./commands/care.ts")).list,
    },
    {
      path: "alarm clear",
      operands: "<kind>",
      summary: "Take an alarm off, after its cause was removed",
      details: `NOSPACE: the store was full. Delete what is not needed, quorate compact, then clear it: until
then every write that needs space is refused.`,
      flags: [],
      examples: ["quorate alarm clear NOSPACE", "quorate alarm clear NOSPACE --output json"],
      load: async () => (await import("./commands/care.ts")).clear,
    },
    {
      path: "snapshot save",
      operands: "<file>",
      summary: "Write the present state of a server to one file",
      details: `Of the running server at --url, which goes on meanwhile; with --data-dir of a directory that
no server has open. The file has its name only when it is whole.`,
      flags: [{ ...DATA_DIR, meaning: "the data directory of a stopped server" }],
      examples: [
        "quorate snapshot save backup.snap",
        "quorate snapshot save stopped.snap --data-dir ./data",
      ],
      load: async () => (await import("./commands/snapshot.ts")).save,
    },
    {
      path: "snapshot inspect",
      operands: "<file>",
      summary: "Check a snapshot file and say what it holds",
      flags: [],
      examples: [
        "quorate snapshot inspect backup.snap",
        "quorate snapshot inspect backup.snap --output json",
      ],
      load: async () => (await import("./commands/snapshot.ts")).inspect,
    },
    {
      path: "snapshot restore",
      operands: "<file>",
      summary: "Make a new data directory from a snapshot file",
      details: `The directory must not exist or be empty. The restored store begins 2^40 revisions
later and has its history compacted, so that neither fencing tokens nor watches go
back.`,
      flags: [{ ...DATA_DIR, meaning: "the new data directory", required: true }],
      examples: [
        "quorate snapshot restore backup.snap --data-dir ./restored",
        "quorate log inspect ./restored",
      ],
      load: async () => (await import("./commands/snapshot.ts")).restore,
    },
    {
      path: "log inspect",
      operands: "<dir>",
      summary: "Report segments, batches, torn ends and damage; changes nothing",
      details:
        "Exit code 1 if there is damage. A torn last batch is what a crash leaves: it was never acknowledged.",
      flags: [],
      examples: ["quorate log inspect ./data", "quorate log inspect ./data --output json"],
      load: async () => (await import("./commands/log.ts")).inspect,
    },
    {
      path: "check",
      operands: "<file>",
      summary:
        "Check a recorded history: linearizability, watches, leases, locks; exit code 1 if it cannot be",
      details: `FILE, or - for standard input, holds one event a line (docs/spec/history.md), or is a log of Jepsen or porcupine.
What nothing can be shown of within --steps is undecided: exit code 6, and no better than invalid.`,
      flags: [
        {
          usage: "--format <format>",
          meaning: "quorate, jepsen or porcupine; default: what it looks like",
        },
        {
          usage: "--model <names>",
          meaning:
            "only these, separated by commas: keyspace, register, lock, resource, watch, lease, state; kv: registers of a log whose values are [key value]",
        },
        { usage: "--html <out>", meaning: "write a timeline around the failure to this file" },
        {
          usage: "--steps <n>",
          meaning: "most steps of search; default 5000000 and 8 for each event",
        },
      ],
      examples: [
        "quorate check history.jsonl",
        "quorate check history.jsonl --model keyspace,watch --html timeline.html --output json",
        "printf 'INFO jepsen.util - 0 :invoke :write 3\\nINFO jepsen.util - 0 :ok :write 3\\n' | quorate check -",
      ],
      load: async () => (await import("./commands/check.ts")).run,
    },
    {
      path: "doctor",
      operands: "",
      summary: "Check this machine for running a server",
      details:
        "Each line is ok, warn or fail, with what to do. Exit code 1 if one fails. Measures, then removes what it wrote.",
      flags: [
        DATA_DIR,
        { usage: "--listen <HOST:PORT>", meaning: "the address to check (default 127.0.0.1:2379)" },
      ],
      examples: ["quorate doctor", "quorate doctor --data-dir ./data --output json"],
      load: async () => (await import("./commands/doctor.ts")).run,
    },
    {
      path: "sim",
      operands: "",
      summary: "Simulate clients, servers and what goes wrong, from a seed",
      details: `One seed prints its story: who did what when, in virtual time, what went wrong (*), and what was
violated, in the world and in the history of what clients saw. With --seeds, figures of that many from --seed on, and the story of each that fails, made small. The same seed
is the same story on every machine. Exit code 1 if something was violated. No server is asked.`,
      flags: [
        {
          usage: "--seed <seed>",
          meaning: 'the seed, or what a report printed after "seed"; default 1',
        },
        { usage: "--seeds <n>", meaning: "run so many seeds and print figures" },
        { usage: "--servers <n>", meaning: "how many; default: each seed draws 3 or 5" },
        { usage: "--jobs <n>", meaning: "with --seeds: so many at a time; default one a core" },
        { usage: "--json <file>", meaning: "with --seeds: also write the figures to this file" },
        {
          usage: "--history <folder>",
          meaning:
            "write what clients saw, for quorate check, and a page of it; with --seeds of those that fail",
        },
      ],
      examples: ["quorate sim --seed 7", "quorate sim --seeds 5 --output json"],
      load: async () => (await import("./commands/sim.ts")).run,
    },
    {
      path: "completion",
      operands: "<shell>",
      summary: "Print what makes bash or zsh complete verbs and flags",
      flags: [],
      examples: ["quorate completion bash", "quorate completion zsh"],
      load: async () => (await import("./commands/completion.ts")).run,
    },
    {
      path: "help",
      operands: "[topic...]",
      summary: "Explain a verb or an error code",
      flags: [],
      examples: ["quorate help LOST", "quorate help lock", "quorate help DAMAGED --output json"],
      load: async () => (await import("./commands/help.ts")).run,
    },
    {
      path: "version",
      operands: "",
      summary: "Print the version",
      flags: [],
      examples: ["quorate version", "quorate version --output json"],
      load: async () => (await import("./commands/version.ts")).run,
    },
  ],
};
