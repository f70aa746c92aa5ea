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
import { nearest } from "./nearest.ts";

/** What `serve` runs with. Absent: the server's own default. */
export interface ServeSettings {
  readonly listen: string;
  readonly dataDir: string;
  readonly quotaBytes: number | undefined;
  readonly minLeaseTtlS: number | undefined;
  /** In seconds. */
  readonly historyKeep: number | undefined;
  readonly acceptClockJump: boolean;
  readonly insecureBind: boolean;
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
  readonly file?: { readonly path: string; readonly text: string } | undefined;
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
    read: (value) =>
      text(value, /^(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5}$/, "HOST:PORT, as 127.0.0.1:2379"),
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
    meaning: "Allow an address that other machines reach, without encryption.",
    usual: "off",
    read: (value) => flag(value),
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
    ...Object.fromEntries(Object.entries(settled).filter(([, value]) => value !== undefined)),
  };
}

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
  "QUORATE_CONFIG",
  "QUORATE_TOKEN",
  "QUORATE_LOCK",
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
    [`key ${setting.key} of ${sources.file?.path ?? "the file"}`, fromFile[setting.key]],
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

function parsed(file: {
  readonly path: string;
  readonly text: string;
}): Readonly<Record<string, unknown>> {
  const object = `configuration file ${file.path}`;
  let value: unknown;
  try {
    value = JSON.parse(file.text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw config(
      object,
      `is not JSON: ${why}`,
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
    throw config(object, `has the unknown key ${JSON.stringify(key)}`, remedy);
  }
  return value as Readonly<Record<string, unknown>>;
}

function config(object: string, what: string, remedy: string): QuorateError {
  return fail("CONFIG", { object, what, remedy });
}

function empty(value: string | undefined): string | undefined {
  return value === "" ? undefined : value;
}

/** A value that its reader does not take; the message says what it takes. */
class Unreadable extends Error {}

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
