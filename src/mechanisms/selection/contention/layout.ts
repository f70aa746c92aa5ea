/**
 * Keys and records of everything that is owned by order of age: locks, read/write locks, semaphores, elections.
 *
 * Rules: SEL-1 contenders of an object lie under `<noun>/<name>/`, the name with `%` and `/` escaped, so that no object's
 * keys lie under another's. SEL-2 a contender's key is the session's lease in hexadecimal, then `-<n>` for further holds
 * of the same session. SEL-3 a key with a further `/` is not a contender. SEL-4 whatever a contender's value is, it
 * contends.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { text, utf8 } from "../../../base/bytes.ts";
import { fail } from "../../../base/errors.ts";
import type { KeyValue } from "../../../contract/requests.ts";

/** Where a migration notes what to add to create revisions, so that tokens never go back. */
export const TOKEN_BASE_KEY: Bytes = utf8("quorate/token-base");

/** A name as given: a path, or the parts of one, each of which is encoded. */
export type Name = string | readonly string[];

/** The name as text. Throws INVALID if it is empty. */
export function nameText(name: Name, noun: string): string {
  const given =
    typeof name === "string" ? name : name.map((part) => encodeURIComponent(part)).join("/");
  if (given !== "") return given;
  throw fail("INVALID", {
    object: noun,
    what: "has an empty name",
    remedy: "Give it a name, such as orders/42.",
  });
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
  /** What a leader proclaims. */
  readonly value?: string | undefined;
}

export function encodeRecord(record: ContenderRecord): Bytes {
  return utf8(JSON.stringify(record));
}

/** The record in a value; a foreign value gives an empty one, because it contends all the same. */
export function decodeRecord(kv: KeyValue): Partial<ContenderRecord> {
  try {
    const read: unknown = JSON.parse(text(kv.value));
    if (typeof read !== "object" || read === null || Array.isArray(read)) return {};
    const given = read as Partial<ContenderRecord>;
    return given.layout === 1 ? { ...given } : {};
  } catch {
    return {};
  }
}

/** Whether a value was written by a later version of this program: it must not be rewritten by this one. */
export function isNewer(kv: KeyValue): boolean {
  try {
    const { layout } = JSON.parse(text(kv.value)) as { readonly layout?: unknown };
    return typeof layout === "number" && layout > 1;
  } catch {
    return false;
  }
}

/** How a contender is named to people: `billing@pod-7 (pid 12)`. */
export function describe(record: Partial<ContenderRecord>, key: string): string {
  if (record.service === undefined) return `a foreign client (key ${key})`;
  const label = record.label === undefined ? "" : `, ${record.label}`;
  return `${record.service}@${record.host ?? "?"} (pid ${record.pid ?? 0}${label})`;
}
