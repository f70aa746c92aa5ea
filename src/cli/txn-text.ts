/**
 * A transaction as people write it: etcdctl's form. Three parts, each ended by an empty line or the end: conditions, what
 * to do if all hold, what to do otherwise.
 *
 *     mod("config/limit") = "3"
 *     value("config/owner") != "ann"
 *
 *     put config/limit 4
 *     get config/ --prefix
 *
 *     get config/limit
 *
 * Invariants: I1 what cannot be meant is INVALID and names the line. I2 words are quoted as a shell does: '…' as it stands,
 * "…" with \" and \\.
 */
import { utf8 } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { Compare, TxnOperation, TxnRequest } from "../contract/requests.ts";
import { idOf, integerOf } from "./flags.ts";
import { Flags } from "./flags.ts";
import { keyRange } from "./key-range.ts";

const RESULTS = { "=": "equal", "!=": "notEqual", "<": "less", ">": "greater" } as const;
const NUMBERS = {
  ver: "version",
  version: "version",
  c: "create",
  create: "create",
  m: "mod",
  mod: "mod",
} as const;
const VALUES = ["val", "value"];
/** What is quoted may look like anything, and holds separators of lines that are not ours (U+2028). */
const QUOTED = String.raw`'[^']*'|"(?:[^"\\]|\\.)*"`;
const CONDITION = new RegExp(
  String.raw`^(\w+)\(((?:[^'")]|${QUOTED})+)\)\s*(!=|=|<|>)\s*(.+)$`,
  "s",
);

interface Line {
  readonly number: number;
  readonly text: string;
}

/** Throws INVALID (definite). */
export function readTxn(written: string): TxnRequest {
  const [compare = [], success = [], failure = [], ...more] = parts(written);
  const beyond = more.flat()[0];
  if (beyond !== undefined) throw wrong(beyond, "is a fourth part", "Give at most three parts.");
  return {
    kind: "txn",
    compare: compare.map(compareOf),
    success: success.map(operationOf),
    failure: failure.map(operationOf),
  };
}

/** Lines between empty ones; a comment begins with #. */
function parts(written: string): readonly (readonly Line[])[] {
  const found: Line[][] = [[]];
  for (const [at, raw] of written.replace(/\n$/, "").split("\n").entries()) {
    const text = raw.trim();
    if (text === "") found.push([]);
    else if (!text.startsWith("#")) found.at(-1)?.push({ number: at + 1, text });
  }
  return found;
}

function compareOf(line: Line): Compare {
  const match = CONDITION.exec(line.text);
  const [, kind = "", keyText = "", sign = "", wantedText = ""] = match ?? [];
  const [key, ...otherKeys] = words(line, keyText);
  const [wanted, ...others] = words(line, wantedText);
  if (
    match === null ||
    key === undefined ||
    wanted === undefined ||
    otherKeys.length + others.length > 0
  )
    throw wrong(line, "is no condition", 'Write for example mod("config/limit") = "3".');
  return {
    key: utf8(unquoted(key)),
    result: RESULTS[sign as keyof typeof RESULTS],
    target: targetOf(line, kind, unquoted(wanted)),
  };
}

function targetOf(line: Line, kind: string, wanted: string): Compare["target"] {
  const object = `line ${line.number} of the transaction`;
  if (VALUES.includes(kind)) return { kind: "value", value: utf8(wanted) };
  if (kind === "lease") return { kind: "lease", value: idOf(object, wanted) };
  const number = NUMBERS[kind as keyof typeof NUMBERS] as (typeof NUMBERS)["mod"] | undefined;
  if (number === undefined) {
    const what = `compares ${JSON.stringify(kind)}`;
    throw wrong(line, what, "Compare value, version, create, mod or lease.");
  }
  return { kind: number, value: integerOf(object, wanted, 0) };
}

const PLAIN = new Set(["prefix", "keys-only", "count-only", "prev-kv"]);
const WITH_VALUE = new Set(["range-end", "lease", "limit", "rev"]);
const OPERANDS = { put: 2, get: 1, del: 1 } as const;

function operationOf(line: Line): TxnOperation {
  const [first = "", ...rest] = words(line, line.text);
  const verb = unquoted(first);
  const { operands, flags } = split(line, rest);
  const expected = OPERANDS[verb as keyof typeof OPERANDS] as number | undefined;
  if (expected === undefined) {
    throw wrong(line, `does ${JSON.stringify(verb)}`, "Write put KEY VALUE, get KEY or del KEY.");
  }
  if (operands.length !== expected)
    throw wrong(line, `has ${operands.length} operands`, `Give ${verb} exactly ${expected}.`);
  const [key = "", value = ""] = operands;
  const prevKv = flags.on("prev-kv");
  if (verb === "put")
    return { kind: "put", key: utf8(key), value: utf8(value), lease: flags.id("lease"), prevKv };
  const range = keyRange(key, flags);
  if (verb === "del") return { kind: "deleteRange", ...range, prevKv };
  return {
    kind: "range",
    ...range,
    limit: flags.integer("limit", 1),
    revision: flags.integer("rev", 1),
    keysOnly: flags.on("keys-only"),
    countOnly: flags.on("count-only"),
  };
}

/** A word is a flag unless it begins with a quote. */
function split(
  line: Line,
  given: readonly string[],
): { readonly operands: readonly string[]; readonly flags: Flags } {
  const operands: string[] = [];
  const values: Record<string, unknown> = {};
  for (let at = 0; at < given.length; at++) {
    const word = unquoted(given[at] ?? "");
    const [name = "", joined] = word.replace(/^--/, "").split(/=(.*)/s, 2);
    if (given[at]?.startsWith("--") !== true) operands.push(word);
    else if (PLAIN.has(name)) values[camel(name)] = true;
    else if (WITH_VALUE.has(name)) values[camel(name)] = joined ?? unquoted(given[++at] ?? "");
    else throw wrong(line, `has the unknown flag ${word}`, "quorate help txn lists them.");
  }
  return { operands, flags: new Flags(values) };
}

function camel(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The words of a line, with their quotes. */
function words(line: Line, text: string): readonly string[] {
  const found: string[] = [];
  const word = new RegExp(String.raw`\s*((?:[^\s'"]|${QUOTED})+)`, "gsy");
  let end = 0;
  for (const match of text.matchAll(word)) {
    end = match.index + match[0].length;
    found.push(match[1] ?? "");
  }
  if (text.slice(end).trim() !== "")
    throw wrong(line, "has a quote that is not closed", 'Close it, or write it as \\" within "…".');
  return found;
}

function unquoted(word: string): string {
  return word.replace(
    /'([^']*)'|"((?:[^"\\]|\\.)*)"/gs,
    (_, plain?: string, escaped?: string) => plain ?? (escaped ?? "").replace(/\\(.)/gs, "$1"),
  );
}

function wrong(line: Line, what: string, remedy: string): Error {
  return fail("INVALID", {
    object: `line ${line.number} of the transaction`,
    what: `${JSON.stringify(line.text)} ${what}`,
    remedy,
  });
}
