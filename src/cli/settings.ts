/**
 * The settings of `quorate serve`: one table says, for each, its flag, environment variable, key in
 * the configuration file, how it is read and what it is by default. Everything else (help,
 * validation, documents) reads the table.
 *
 * Invariants: I1 flag > environment > file > default. I2 an unknown key of the file is CONFIG and
 * names the nearest known one. I3 every value is checked by the same reader, whatever it came from,
 * and the error says where it came from.
 * Leaves out: reading the file and the environment, which the caller does.
 */
import { fail, type QuorateError } from "../base/errors.ts";
import type { InitialMember } from "../server/cluster/membership.ts";
import { nearest } from "./nearest.ts";
import { initialCluster, Unreadable, urls } from "./setting-values.ts";

/** Of `ServeSettings`: how the server is a member of a cluster. */
interface ClusterSettings {
  readonly name: string | undefined;
  readonly advertise: readonly string[] | undefined;
  readonly peerListen: string | undefined;
  readonly peerAdvertise: readonly string[] | undefined;
  readonly initialCluster: readonly InitialMember[] | undefined;
  readonly initialClusterToken: string | undefined;
  readonly join: string | undefined;
  readonly learner: boolean;
  readonly electionMs: number | undefined;
  readonly heartbeatMs: number | undefined;
  readonly peerCertFile: string | undefined;
  readonly peerKeyFile: string | undefined;
  readonly peerTrustedCaFile: string | undefined;
  readonly peerCrlFile: string | undefined;
}

/** What `serve` runs with. Absent: the server's own default. */
export interface ServeSettings extends ClusterSettings {
  readonly listen: string;
  readonly dataDir: string;
  readonly quotaBytes: number | undefined;
  readonly minLeaseTtlS: number | undefined;
  /** In seconds. */
  readonly historyKeep: number | undefined;
  readonly acceptClockJump: boolean;
  readonly insecureBind: boolean;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
  readonly trustedCaFile: string | undefined;
  readonly clientCertAuth: boolean;
  readonly clientCrlFile: string | undefined;
  readonly authToken: string | undefined;
  /** In seconds. */
  readonly authTokenTtlS: number | undefined;
}

/** One row of the table. */
export interface Setting {
  /** Its name in the file and in code. */
  readonly key: keyof ServeSettings;
  /** What stands after the flag; absent for a switch. */
  readonly operand?: string | undefined;
  readonly meaning: string;
  readonly usual: string;
  readonly read: (value: unknown) => unknown;
}

/** Where settings can come from, strongest first. */
export interface Sources {
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly file?: ConfigFile | undefined;
}

interface ConfigFile {
  readonly path: string;
  readonly text: string;
}

const SIZES: Readonly<Record<string, number>> = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
};
/** In seconds. */
const SPANS: Readonly<Record<string, number>> = { s: 1, "": 1, m: 60, min: 60, h: 3600, d: 86_400 };

/** Every setting of `serve`. */
export const SETTINGS: readonly Setting[] = [
  {
    key: "listen",
    operand: "HOST:PORT",
    meaning: "Address to serve on; port 0 takes any free one.",
    usual: "127.0.0.1:2379",
    read: address,
  },
  {
    key: "dataDir",
    operand: "DIR",
    meaning: "Where log and snapshots live; created if missing.",
    usual: "./.quorate",
    read: (value) => text(value, /\S/, "a directory"),
  },
  {
    key: "quotaBytes",
    operand: "BYTES",
    meaning:
      "Most that keys and history may take; writes beyond it fail with QUOTA. Suffixes k, m, g.",
    usual: "1g",
    read: (value) => scaled(value, SIZES, "a number of bytes, as 1073741824 or 512m"),
  },
  {
    key: "minLeaseTtlS",
    operand: "SECONDS",
    meaning: "Shortest lease granted; shorter wishes get this.",
    usual: "1",
    read: (value) => seconds(value),
  },
  {
    key: "historyKeep",
    operand: "DURATION",
    meaning: "How long past revisions stay readable: 90s, 10m, 2h.",
    usual: "10m",
    read: (value) => scaled(value, SPANS, "a duration, as 90s, 10m or 2h"),
  },
  {
    key: "acceptClockJump",
    meaning: "Start although the wall clock is more than 24 h from the stored time.",
    usual: "off",
    read: (value) => flag(value),
  },
  {
    key: "insecureBind",
    meaning: "Allow an address that other machines reach, without encryption or without users.",
    usual: "off",
    read: (value) => flag(value),
  },
  {
    key: "certFile",
    operand: "FILE",
    meaning: "The server's certificate, PEM; serves TLS alone. Read again when it changes.",
    usual: "none",
    read: (value) => text(value, /\S/, "a file"),
  },
  {
    key: "keyFile",
    operand: "FILE",
    meaning: "The key of that certificate, PEM.",
    usual: "none",
    read: (value) => text(value, /\S/, "a file"),
  },
  {
    key: "trustedCaFile",
    operand: "FILE",
    meaning: "Clients must show a certificate of this authority, PEM.",
    usual: "none",
    read: (value) => text(value, /\S/, "a file"),
  },
  {
    key: "clientCertAuth",
    meaning: "The same by name; needs --trusted-ca-file.",
    usual: "off",
    read: (value) => flag(value),
  },
  {
    key: "clientCrlFile",
    operand: "FILE",
    meaning: "Certificates of that authority that are revoked, PEM.",
    usual: "none",
    read: (value) => text(value, /\S/, "a file"),
  },
  {
    key: "authToken",
    operand: "KIND",
    meaning: "Tokens of users: simple, or jwt,sign-method=RS256,priv-key=FILE,ttl=10m.",
    usual: "simple",
    read: (value) => text(value, /^(simple|jwt,\S+)$/, "simple, or jwt with its options"),
  },
  {
    key: "authTokenTtlS",
    operand: "SECONDS",
    meaning: "How long a simple token lives after its last use.",
    usual: "300",
    read: (value) => seconds(value),
  },
  {
    key: "name",
    operand: "NAME",
    meaning: "The member's name in its cluster.",
    usual: "default",
    read: (value) => text(value, /^[^\s,=]+$/, "a name without blanks, commas and equals signs"),
  },
  {
    key: "advertise",
    operand: "URLS",
    meaning: "Where clients are told to reach it, as http://HOST:PORT.",
    usual: "where it listens",
    read: urls,
  },
  {
    key: "peerListen",
    operand: "HOST:PORT",
    meaning: "Address for the other members of its cluster; port 0 takes any free one.",
    usual: "where it listens for clients",
    read: address,
  },
  {
    key: "peerAdvertise",
    operand: "URLS",
    meaning: "Where the other members are told to reach it, as http://HOST:PORT.",
    usual: "where it listens for them",
    read: urls,
  },
  {
    key: "initialCluster",
    operand: "NAME=URL,…",
    meaning: "All members of a new cluster, this one included; the same at each of them.",
    usual: "none",
    read: initialCluster,
  },
  {
    key: "initialClusterToken",
    operand: "TOKEN",
    meaning: "Tells clusters apart that begin with the same members.",
    usual: "quorate-cluster",
    read: (value) => text(value, /\S/, "a word"),
  },
  {
    key: "join",
    operand: "URL",
    meaning: "A server of a cluster to become a member of, as quorate://HOST:PORT.",
    usual: "none",
    read: (value) => text(value, /^quorates?:\/\/\S+$/, "a url, as quorate://10.0.0.1:2379"),
  },
  {
    key: "learner",
    meaning: "Join without a vote.",
    usual: "off",
    read: (value) => flag(value),
  },
  {
    key: "electionMs",
    operand: "MS",
    meaning:
      "Time without a leader after which an election begins; less fails over faster, and under load for nothing.",
    usual: "500",
    read: (value) => milliseconds(value),
  },
  {
    key: "heartbeatMs",
    operand: "MS",
    meaning: "Time between a leader's signs of life; well below the other.",
    usual: "50",
    read: (value) => milliseconds(value),
  },
  {
    key: "peerCertFile",
    operand: "FILE",
    meaning: "The certificate that this member shows to the others, PEM.",
    usual: "none",
    read: (value) => text(value, /\S/, "a file"),
  },
  {
    key: "peerKeyFile",
    operand: "FILE",
    meaning: "The key of that certificate, PEM.",
    usual: "none",
    read: (value) => text(value, /\S/, "a file"),
  },
  {
    key: "peerTrustedCaFile",
    operand: "FILE",
    meaning: "Members must show a certificate of this authority, PEM.",
    usual: "none",
    read: (value) => text(value, /\S/, "a file"),
  },
  {
    key: "peerCrlFile",
    operand: "FILE",
    meaning: "Certificates of that authority that are revoked, PEM.",
    usual: "none",
    read: (value) => text(value, /\S/, "a file"),
  },
];

/** `dataDir` → `--data-dir`. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** `dataDir` → `QUORATE_DATA_DIR`. */
export function variableOf(key: string): string {
  return `QUORATE_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** Settles every setting. Errors: CONFIG for a value that cannot be meant or an unknown key. */
export function resolveServeSettings(sources: Sources): ServeSettings {
  const fromFile = sources.file === undefined ? {} : parsed(sources.file);
  const settled: Record<string, unknown> = {};
  for (const setting of SETTINGS) settled[setting.key] = settle(setting, sources, fromFile);
  return {
    listen: "127.0.0.1:2379",
    dataDir: "./.quorate",
    quotaBytes: undefined,
    minLeaseTtlS: undefined,
    historyKeep: undefined,
    acceptClockJump: false,
    insecureBind: false,
    certFile: undefined,
    keyFile: undefined,
    trustedCaFile: undefined,
    clientCertAuth: false,
    clientCrlFile: undefined,
    authToken: undefined,
    authTokenTtlS: undefined,
    ...ALONE,
    ...Object.fromEntries(Object.entries(settled).filter(([, value]) => value !== undefined)),
  };
}

const ALONE: ClusterSettings = {
  name: undefined,
  advertise: undefined,
  peerListen: undefined,
  peerAdvertise: undefined,
  initialCluster: undefined,
  initialClusterToken: undefined,
  join: undefined,
  learner: false,
  electionMs: undefined,
  heartbeatMs: undefined,
  peerCertFile: undefined,
  peerKeyFile: undefined,
  peerTrustedCaFile: undefined,
  peerCrlFile: undefined,
};

/** Environment variables that look like a misspelt setting, with what was probably meant. */
export function misspelt(
  environment: Readonly<Record<string, string | undefined>>,
): readonly { readonly name: string; readonly meant: string }[] {
  const known = [...SETTINGS.map((setting) => variableOf(setting.key)), ...OTHER_VARIABLES];
  return Object.keys(environment)
    .filter((name) => name.startsWith("QUORATE_") && !known.includes(name))
    .flatMap((name) => {
      const meant = nearest(name, known);
      return meant === undefined ? [] : [{ name, meant }];
    });
}

/** Variables that are no setting of `serve`. */
export const OTHER_VARIABLES: readonly string[] = [
  "QUORATE_URL",
  "QUORATE_OUTPUT",
  "QUORATE_TIMEOUT_MS",
  "QUORATE_CACERT",
  "QUORATE_CERT",
  "QUORATE_KEY",
  "QUORATE_CONFIG",
  "QUORATE_USER",
  "QUORATE_TOKEN",
  "QUORATE_LOCK",
  "QUORATE_UNTIL_STDIN_ENDS",
];

function settle(
  setting: Setting,
  sources: Sources,
  fromFile: Readonly<Record<string, unknown>>,
): unknown {
  const variable = variableOf(setting.key);
  const places: readonly (readonly [string, unknown])[] = [
    [`flag ${flagOf(setting.key)}`, sources.flags[setting.key]],
    [`environment variable ${variable}`, empty(sources.environment[variable])],
    [`key ${setting.key} of ${placeOfKey(sources.file, setting.key)}`, fromFile[setting.key]],
  ];
  const found = places.find(([, value]) => value !== undefined);
  if (found === undefined) return undefined;
  try {
    return setting.read(found[1]);
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    throw config(
      found[0],
      `${JSON.stringify(found[1])} is not ${error.message}`,
      `Give ${error.message}.`,
    );
  }
}

/** Where the reader of JSON stumbled: `line 3, column 19: Expected …`. */
function placeOfError(text: string, why: string): string {
  const found = /^(.*?),? (?:in JSON )?at position (\d+)/.exec(why);
  if (found === null && !why.includes("end of JSON")) return why;
  const position = found === null ? text.trimEnd().length : Number(found[2]);
  const before = text.slice(0, position).split("\n");
  const column = (before.at(-1) ?? "").length + 1;
  return `line ${before.length}, column ${column}: ${found?.[1] ?? why}`;
}

/** The file, and the line of a key in it: `serve.json, line 3`. */
function placeOfKey(file: ConfigFile | undefined, key: string): string {
  if (file === undefined) return "the file";
  const at = file.text.indexOf(`${JSON.stringify(key)}`);
  return at < 0 ? file.path : `${file.path}, line ${file.text.slice(0, at).split("\n").length}`;
}

function parsed(file: ConfigFile): Readonly<Record<string, unknown>> {
  const object = `configuration file ${file.path}`;
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw config(
      object,
      `is not JSON, ${placeOfError(file.text, why)}`,
      "Correct the file; quorate serve --help lists its keys.",
    );
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw config(
      object,
      "is not a JSON object",
      'Write an object, as {"listen": "127.0.0.1:2379"}.',
    );
  }
  const known = SETTINGS.map((setting) => setting.key as string);
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const meant = nearest(
      key.replace(/[-_](\w)/g, (_, letter: string) => letter.toUpperCase()),
      known,
    );
    const remedy =
      meant === undefined ? `Known keys: ${known.join(", ")}.` : `Did you mean ${meant}?`;
    const unknown = `configuration file ${placeOfKey(file, key)}`;
    throw config(unknown, `has the unknown key ${JSON.stringify(key)}`, remedy);
  }
  return value as Readonly<Record<string, unknown>>;
}

function config(object: string, what: string, remedy: string): QuorateError {
  return fail("CONFIG", { object, what, remedy });
}

function empty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

function address(value: unknown): string {
  return text(value, /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/, "HOST:PORT, as 127.0.0.1:2379");
}

function milliseconds(value: unknown): number {
  const number = typeof value === "number" ? value : Number(textOr(value) || "?");
  if (Number.isSafeInteger(number) && number > 0 && number <= 600_000) return number;
  throw new Unreadable("a number of milliseconds from 1 to 600000");
}

function text(value: unknown, form: RegExp, wanted: string): string {
  if (typeof value === "string" && form.test(value)) return value;
  throw new Unreadable(wanted);
}

function scaled(value: unknown, units: Readonly<Record<string, number>>, wanted: string): number {
  const match = /^(\d+)\s*([a-z]*)$/i.exec(
    typeof value === "number" ? String(value) : textOr(value),
  );
  const unit = units[(match?.[2] ?? "?").toLowerCase()];
  const number = Number(match?.[1]) * (unit ?? Number.NaN);
  if (Number.isSafeInteger(number)) return number;
  throw new Unreadable(wanted);
}

function seconds(value: unknown): number {
  const number = typeof value === "number" ? value : Number(textOr(value) || "?");
  if (Number.isFinite(number) && number > 0 && number <= 9_000_000_000) return number;
  throw new Unreadable("a number of seconds above 0");
}

function flag(value: unknown): boolean {
  if (typeof value === "boolean") return value;
  if (value === "1" || value === "true") return true;
  if (value === "0" || value === "false") return false;
  throw new Unreadable("true or false");
}

function textOr(value: unknown): string {
  return typeof value === "string" ? value : "?";
}
