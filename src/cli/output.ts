/**
 * What the CLI prints: tables for people, JSON for programs, errors on the error stream in the same
 * format.
 *
 * Invariants: I1 with `json`, every line on standard output is one JSON document. I2 text that is
 * printed for a byte string is unambiguous: control characters, backslashes and bytes that are not
 * UTF-8 read as \xNN, so that it can be pasted back with `--escapes`. I3 JSON marks what is not
 * UTF-8: `{"base64": "…"}` instead of a string.
 */
import { type Bytes, fromArray, printable, text, toArray, utf8 } from "../base/bytes.ts";
import { type Failure, fail } from "../base/errors.ts";
import type { KeyValue } from "../contract/requests.ts";

export type Format = "table" | "json";

/** Where a command prints. */
export interface Terminal {
  readonly format: Format;
  /** One line on standard output. */
  line(text: string): void;
  /** One JSON document on standard output. */
  json(document: unknown): void;
  /** Exactly these bytes on standard output. */
  raw(bytes: Bytes): void;
  /** One line on the error stream: progress and warnings; silent in no format. */
  note(text: string): void;
  failure(failure: Failure, message: string): void;
}

/** A terminal on the streams of the process. */
export function processTerminal(format: Format): Terminal {
  return {
    format,
    line: (text) => void process.stdout.write(`${text}\n`),
    json: (document) => void process.stdout.write(`${JSON.stringify(document)}\n`),
    raw: (bytes) => void process.stdout.write(toArray(bytes)),
    note: (text) => void process.stderr.write(`${text}\n`),
    failure: (failure, message) => {
      const shown = format === "json" ? JSON.stringify({ error: failure }) : message;
      process.stderr.write(`${shown}\n`);
    },
  };
}

/** Rows under a heading, in columns, without rules: easy to read and to cut. */
export async function table(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): Promise<string> {
  const { default: Table } = await import("cli-table3");
  const none = {
    top: "",
    "top-mid": "",
    "top-left": "",
    "top-right": "",
    bottom: "",
    "bottom-mid": "",
    "bottom-left": "",
    "bottom-right": "",
    left: "",
    "left-mid": "",
    mid: "",
    "mid-mid": "",
    right: "",
    "right-mid": "",
    middle: "  ",
  };
  const drawn = new Table({
    ...(heading.every((title) => title === "") ? {} : { head: [...heading] }),
    chars: none,
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  });
  for (const row of rows) drawn.push([...row]);
  return drawn
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

/** A byte string as text that a person can read and paste back. */
export function shown(bytes: Bytes): string {
  const read = text(bytes);
  if (utf8(read) !== bytes) return printable(bytes);
  // oxlint-disable-next-line no-control-regex -- control characters are what must not reach a terminal
  return read.replace(
    /[\x00-\x1f\x7f-\x9f\\\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    (character) => printable(utf8(character)),
  );
}

/** A byte string in JSON: a string if it is UTF-8, else marked. */
export function jsonBytes(bytes: Bytes): string | { readonly base64: string } {
  const read = text(bytes);
  if (utf8(read) === bytes) return read;
  return { base64: Buffer.from(toArray(bytes)).toString("base64") };
}

/** One key in JSON; 64-bit numbers as hex text. */
export function jsonKeyValue(kv: KeyValue): Readonly<Record<string, unknown>> {
  return {
    key: jsonBytes(kv.key),
    value: jsonBytes(kv.value),
    createRevision: kv.createRevision,
    modRevision: kv.modRevision,
    version: kv.version,
    ...(kv.lease === 0n ? {} : { lease: hex(kv.lease) }),
  };
}

/**
 * The bytes of an argument: UTF-8 as it stands, or with \xNN and \\ read as `shown` writes them.
 */
export function argumentBytes(argument: string, escapes: boolean): Bytes {
  if (!escapes) return utf8(argument);
  const parts = argument.split(/(\\x[0-9a-fA-F]{2}|\\\\)/);
  return parts.map((part) => unescaped(part, argument)).join("") as Bytes;
}

function unescaped(part: string, whole: string): Bytes {
  if (part === "\\\\") return "\\" as Bytes;
  if (/^\\x[0-9a-fA-F]{2}$/.test(part)) {
    return String.fromCharCode(Number.parseInt(part.slice(2), 16)) as Bytes;
  }
  if (!part.includes("\\")) return utf8(part);
  throw fail("INVALID", {
    object: `argument ${JSON.stringify(whole)}`,
    what: "has a backslash that starts no \\xNN",
    remedy: "Write a backslash as \\\\, a byte as \\xNN, or leave out --escapes.",
  });
}

/** All of standard input. */
export async function standardInput(): Promise<Bytes> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin as AsyncIterable<Uint8Array>) chunks.push(chunk);
  return fromArray(Buffer.concat(chunks));
}

/** A lease or member id as people write it. */
export function hex(id: bigint): string {
  return BigInt.asUintN(64, id).toString(16);
}
