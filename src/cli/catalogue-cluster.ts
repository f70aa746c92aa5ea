/** The verbs about clusters: starting one on this machine, and looking after one's members. */
import type { CommandSpec } from "./catalogue.ts";

const NAMED = `MEMBER is its name, its id as members prints it, or one of its urls.`;

export const UP: CommandSpec = {
  path: "up",
  operands: "",
  summary: "Run a cluster on this machine until ^C, and show it live",
  details: `Each member is a process of its own, with its data under --data-dir; what was there goes on. At a
terminal a digit chooses a member, k kills it or starts it again, s stops it or lets it go on, q ends all. None outlives this
command, however it ends. Away from a terminal, or with --output json, one line for each look.`,
  flags: [
    {
      usage: "--nodes <n>",
      meaning: "how many members; default 3, or as many as the directory has",
    },
    { usage: "--data-dir <DIR>", meaning: "where their data lies; default ./.quorate/up" },
    { usage: "--every-ms <ms>", meaning: "time between two looks; default 500" },
    { usage: "--looks <n>", meaning: "end after this many" },
  ],
  examples: ["quorate up --nodes 3", "quorate up --looks 2 --every-ms 100 --output json"],
  load: async () => (await import("./commands/up.ts")).run,
};

export const CLUSTER: readonly CommandSpec[] = [
  {
    path: "cluster members",
    operands: "",
    summary: "The members, where they are reached, and who leads",
    flags: [],
    examples: ["quorate cluster members", "quorate cluster members --output json"],
    load: async () => (await import("./commands/cluster.ts")).members,
  },
  {
    path: "cluster add",
    operands: "<urls>",
    summary: "Take a member in that will be reached by the others at URLS",
    details: `It learns first, and votes as soon as it has caught up, unless --learner. Start it then, with
quorate serve --join, which adds by itself what is not there, or quorate etcd --initial-cluster-state existing.`,
    flags: [
      { usage: "--name <name>", meaning: "its name, until it says its own" },
      { usage: "--learner", meaning: "it gets the log and does not vote" },
    ],
    examples: [
      "quorate cluster add http://127.0.0.1:12380 --learner",
      "quorate cluster add http://127.0.0.1:12381 --learner --output json",
    ],
    load: async () => (await import("./commands/cluster.ts")).add,
  },
  {
    path: "cluster promote",
    operands: "<member>",
    summary: "Let a learner vote; exit code 1 if it has not caught up",
    details: NAMED,
    flags: [],
    examples: [
      "quorate cluster promote http://127.0.0.1:12380",
      "quorate cluster promote http://127.0.0.1:12381 --output json",
    ],
    load: async () => (await import("./commands/cluster.ts")).promote,
  },
  {
    path: "cluster remove",
    operands: "<member>",
    summary: "Remove a member for good; its data directory is of no use any more",
    details: `${NAMED} Refused if too few of those that would be left have been started, or can be reached now.`,
    flags: [],
    examples: [
      "quorate cluster remove http://127.0.0.1:12380",
      "quorate cluster remove http://127.0.0.1:12381 --output json",
    ],
    load: async () => (await import("./commands/cluster.ts")).remove,
  },
  {
    path: "cluster transfer",
    operands: "<member>",
    summary: "Have another voter lead, without an interruption",
    details: NAMED,
    flags: [],
    examples: ["quorate cluster transfer m1", "quorate cluster transfer m1 --output json"],
    load: async () => (await import("./commands/cluster.ts")).transfer,
  },
  {
    path: "cluster status",
    operands: "",
    summary: "What each member says of itself; exit code 1 if one does not answer or nobody leads",
    flags: [],
    examples: ["quorate cluster status", "quorate cluster status --output json"],
    load: async () => (await import("./commands/cluster.ts")).status,
  },
];
