/**
 * Keys and records of everything that is owned by order of age: locks, read/write locks, semaphores, elections.
 *
 * Rules: SEL-1 contenders of an object lie under `<noun>/<name>/`, the name with `%` and `/` escaped, so that no object's
 * keys lie under another's. SEL-2 a contender's key is the session's lease in hexadecimal, then `-<n>` for further holds
 * of the same session. SEL-3 a key with a further `/` is not a contender. SEL-4 whatever a contender's value is, it
 * contends.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { utf8 } from "../../../base/bytes.ts";
import type { QuorateError } from "../../../base/errors.ts";
import { fail } from "../../../base/errors.ts";
import type { KeyValue } from "../../../contract/requests.ts";
import type { Fields } from "./fields.ts";
import { fieldsIn, fieldsOf, flagIn, integerIn, numberIn, stringIn } from "./fields.ts";

/** Where a migration notes what to add to create revisions, so that tokens never go back. */
export const TOKEN_BASE_KEY: Bytes = utf8("quorate/token-base");

/** A name as given: a path, or the parts of one, each of which is encoded. */
export type Name = string | readonly (string | number)[];

/** The name as text. Throws INVALID if it is empty or no text. */
export function nameText(name: Name, noun: string): string {
  if (typeof name !== "string" && !Array.isArray(name))
    throw invalidName(noun, `has a ${typeof name} as its name`);
  let given: string;
  try {
    // Half a surrogate pair has no UTF-8 form: two such names would be one.
    if (typeof name === "string") encodeURIComponent(name);
    given =
      typeof name === "string"
        ? name
        : name.map((part) => encodeURIComponent(String(part))).join("/");
  } catch {
    throw invalidName(noun, "has a name that is not well-formed Unicode");
  }
  if (given === "") throw invalidName(noun, "has an empty name");
  return given;
}

function invalidName(noun: string, what: string): QuorateError {
  return fail("INVALID", { object: noun, what, remedy: "Give it a name, such as orders/42." });
}

/** The prefix of an object's contenders. */
export function contenderPrefix(noun: string, name: string): Bytes {
  return utf8(`${noun}/${name.replaceAll("%", "%25").replaceAll("/", "%2F")}/`);
}

/** The first key after every key with `prefix`. */
export function prefixEnd(prefix: Bytes): Bytes {
  return (prefix.slice(0, -1) +
    String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)) as Bytes;
}

/** The contender key of the `hold`-th hold of a session. */
export function contenderKey(prefix: Bytes, lease: bigint, hold: number): Bytes {
  const hex = BigInt.asUintN(64, lease).toString(16);
  return (prefix + (hold === 0 ? hex : `${hex}-${hold}`)) as Bytes;
}

export function isContender(prefix: Bytes, key: Bytes): boolean {
  return !key.slice(prefix.length).includes("/");
}

/** What a contender says of itself. */
export interface ContenderRecord {
  readonly layout: 1;
  readonly service: string;
  readonly host: string;
  readonly pid: number;
  readonly label?: string | undefined;
  /** Keyspace time at which it joined, ms. */
  readonly since: number;
  readonly mode?: "read" | "write" | undefined;
  readonly weight?: number | undefined;
  /** Of a deadline-held one: when it ends, ms of keyspace time. */
  readonly expiresAt?: number | undefined;
  /** Of one that contends for several objects at once: their prefixes. */
  readonly with?: readonly string[] | undefined;
  /** Served before lower ones and after higher ones; absent: 0. */
  readonly priority?: number | undefined;
  /** It leaves the object to whoever comes next. */
  readonly barging?: boolean | undefined;
  /** If it dies while it owns: how long nobody is granted, ms. */
  readonly delayMs?: number | undefined;
  /** It listens to being asked to let go. */
  readonly revocable?: boolean | undefined;
  /** It has been asked to let go. */
  readonly revoked?: { readonly reason: string; readonly by: string } | undefined;
  /** Grows each time that its key is rewritten to wake whoever watches it. */
  readonly bell?: number | undefined;
  /** Hand-overs up to this one are not carried out any more. */
  readonly stays?: number | undefined;
  /** What a leader proclaims. */
  readonly value?: string | undefined;
}

/** A record as it is read: anybody may have written it. */
export type SeenRecord = {
  readonly [Field in keyof ContenderRecord]?: ContenderRecord[Field] | undefined;
};

export function encodeRecord(record: ContenderRecord): Bytes {
  return utf8(JSON.stringify(record));
}

/**
 * The record in a value; a foreign value gives an empty one, because it contends all the same. Anybody can write under
 * the prefix: a field that is not what it should be is left out.
 */
export function decodeRecord(kv: Pick<KeyValue, "value">): SeenRecord {
  const given = fieldsOf(kv.value);
  if (given.get("layout") !== 1) return {};
  const mode = given.get("mode");
  return {
    layout: 1,
    service: stringIn(given, "service"),
    host: stringIn(given, "host"),
    pid: numberIn(given, "pid"),
    label: stringIn(given, "label"),
    since: numberIn(given, "since"),
    mode: mode === "read" || mode === "write" ? mode : undefined,
    weight: positive(integerIn(given, "weight")),
    expiresAt: numberIn(given, "expiresAt"),
    with: prefixesIn(given, "with"),
    priority: integerIn(given, "priority"),
    barging: flagIn(given, "barging"),
    delayMs: positive(numberIn(given, "delayMs")),
    revocable: flagIn(given, "revocable"),
    revoked: revokedIn(given),
    bell: integerIn(given, "bell"),
    stays: integerIn(given, "stays"),
    value: stringIn(given, "value"),
  };
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined;
}

function prefixesIn(fields: Fields, name: string): readonly string[] | undefined {
  const value = fields.get(name);
  const isPrefix = (each: unknown): boolean => typeof each === "string" && each !== "";
  return Array.isArray(value) && value.every(isPrefix) ? value : undefined;
}

function revokedIn(fields: Fields): ContenderRecord["revoked"] {
  const revoked = fieldsIn(fields.get("revoked"));
  const reason = stringIn(revoked, "reason");
  const by = stringIn(revoked, "by");
  return reason === undefined || by === undefined ? undefined : { reason, by };
}

/** The value with some fields changed; those that this version does not know stay as they are. */
export function changedRecord(kv: KeyValue, changes: SeenRecord): Bytes {
  const fields = fieldsOf(kv.value);
  for (const [name, value] of Object.entries(changes)) fields.set(name, value);
  return utf8(JSON.stringify(Object.fromEntries(fields)));
}

/** Whether a value was written by a later version of this program: it must not be rewritten by this one. */
export function isNewer(kv: KeyValue): boolean {
  const layout = fieldsOf(kv.value).get("layout");
  return typeof layout === "number" && layout > 1;
}

/** The failure of meeting what only a later version knows. */
export function newerLayout(object: string): QuorateError {
  return fail("LAYOUT", {
    object,
    what: "was written in a layout that this version does not know",
    remedy: "Use the version that wrote it, or a newer one.",
  });
}

/** How a contender is named to people: `billing@pod-7 (pid 12)`. */
export function describe(record: SeenRecord, key: string): string {
  if (record.service === undefined) return `a foreign client (key ${key})`;
  const label = record.label === undefined ? "" : `, ${record.label}`;
  return `${record.service}@${record.host ?? "?"} (pid ${record.pid ?? 0}${label})`;
}
