/**
 * The verbs that run a server and look after its data: the part of the catalogue that needs no
 * connection.
 */
import type { CommandSpec, FlagSpec } from "./catalogue.ts";
import { flagOf, SETTINGS, variableOf } from "./settings.ts";

const serveFlags: readonly FlagSpec[] = [
  ...SETTINGS.map((setting) => ({
    usage: `${flagOf(setting.key)}${setting.operand === undefined ? "" : ` <${setting.operand}>`}`,
    meaning: `${setting.meaning} (default ${setting.usual}; ${variableOf(setting.key)}; file: ${setting.key})`,
  })),
  { usage: "--config <FILE>", meaning: "JSON file with these settings (QUORATE_CONFIG)" },
];

const DATA_DIR: FlagSpec = {
  usage: "--data-dir <DIR>",
  meaning: "the data directory (default ./.quorate)",
};

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
ends the process at once, which loses nothing that was acknowledged.`,
      flags: serveFlags,
      examples: [
        "quorate serve",
        "quorate serve --data-dir ./data --quota-bytes 512m",
        "quorate serve --config quorate.json",
      ],
      load: async () => (await import("./commands/serve.ts")).run,
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
      summary: "Write the newest state of a stopped server's data directory to one file",
      flags: [DATA_DIR],
      examples: [
        "quorate snapshot save backup.snap --data-dir ./data",
        "quorate snapshot inspect backup.snap",
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
