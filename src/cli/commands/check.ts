/**
 * `quorate check FILE`: checks a recorded history and says what cannot be.
 *
 * Invariants: I1 asks no server. I2 valid is exit code 0, invalid 1, undecided 6, a file that cannot be read as a history
 * 2. I3 the file is read line by line: its length is bounded by the memory that its operations take.
 */
import { createReadStream } from "node:fs";
import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { createInterface } from "node:readline";
import { fail, type QuorateError } from "../../base/errors.ts";
import { check, type Report } from "../../verify/checker/check.ts";
import { CHECKS, type CheckName, type Result } from "../../verify/checker/verdict.ts";
import {
  formatOf,
  FORMATS,
  type HistoryFormat,
  type HistoryReader,
  historyReader,
} from "../../verify/history/formats.ts";
import type { History } from "../../verify/history/history.ts";
import { timeline } from "../../verify/timeline/timeline.ts";
import { type Context, operand } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { table } from "../output.ts";

const CODES: Readonly<Record<Result, ExitCode>> = {
  valid: EXIT.ok,
  invalid: EXIT.no,
  unknown: EXIT.undecided,
};
const RESULTS: Readonly<Record<Result, string>> = {
  valid: "valid",
  invalid: "INVALID",
  unknown: "UNDECIDED",
};

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const file = operand(operands, 0, "file");
  const { only, keyed } = modelOf(flags.text("model"));
  const stepsMax = flags.integer("steps", 1);
  const { history, format } = await read(file, formatGiven(flags.text("format")), keyed);
  const report = check(history, { only, stepsMax });
  const html = flags.text("html");
  if (html !== undefined) await draw(html, timeline(history, report, nameOf(file)));
  await print(context, { file, format, html, history, report });
  return CODES[report.result];
}

function nameOf(file: string): string {
  return file === "-" ? "standard input" : basename(file);
}

function formatGiven(given: string | undefined): HistoryFormat | undefined {
  if (given === undefined) return undefined;
  const found = FORMATS.find((format) => format === given);
  if (found !== undefined) return found;
  throw wrong("--format", given, FORMATS.join(", "));
}

function modelOf(given: string | undefined): {
  readonly only: readonly CheckName[] | undefined;
  readonly keyed: boolean;
} {
  if (given === undefined) return { only: undefined, keyed: false };
  const names = given.split(",");
  const only = names.map((name): CheckName => {
    const found = CHECKS.find((each) => each === (name === "kv" ? "register" : name));
    if (found !== undefined) return found;
    throw wrong("--model", name, [...CHECKS, "kv"].join(", "));
  });
  return { only, keyed: names.includes("kv") };
}

function wrong(flag: string, given: string, known: string): QuorateError {
  const what = `${JSON.stringify(given)} is none of ${known}`;
  return fail("INVALID", { object: flag, what, remedy: "Give one of these." });
}

async function read(
  file: string,
  given: HistoryFormat | undefined,
  keyed: boolean,
): Promise<{ readonly history: History; readonly format: HistoryFormat }> {
  // A character for each byte: what is not UTF-8 must be seen line by line, not read as something else.
  const input = (file === "-" ? process.stdin : createReadStream(file)).setEncoding("latin1");
  let format = given;
  let reader: HistoryReader | undefined;
  let number = 0;
  try {
    for await (const bytes of createInterface({ input, crlfDelay: Infinity })) {
      const line = decoded(bytes, ++number);
      if (reader === undefined && line.trim() !== "") {
        format ??= formatOf(line);
        reader = historyReader(format, keyed);
      }
      reader?.push(line);
    }
  } catch (error) {
    if (!(error instanceof Error && "syscall" in error)) throw error;
    const remedy = "Give a file that exists, or - for standard input.";
    throw fail(
      "INVALID",
      { object: `file ${file}`, what: `cannot be read: ${error.message}`, remedy },
      error,
    );
  }
  const last = format ?? "quorate";
  return { history: (reader ?? historyReader(last, keyed)).end(), format: last };
}

const UTF_8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The text of a line that has a character for each byte. */
function decoded(bytes: string, number: number): string {
  try {
    return /[\x80-\xff]/.test(bytes) ? UTF_8.decode(Buffer.from(bytes, "latin1")) : bytes;
  } catch (error) {
    const remedy = 'Write bytes that are no text as {"base64": …}.';
    throw fail("INVALID", { object: `line ${number}`, what: "is not UTF-8", remedy }, error);
  }
}

async function draw(path: string, page: string): Promise<void> {
  try {
    await writeFile(path, page);
  } catch (error) {
    const what = `cannot be written: ${error instanceof Error ? error.message : String(error)}`;
    throw fail(
      "INVALID",
      { object: `file ${path}`, what, remedy: "Name a file that can be written." },
      error,
    );
  }
}

interface Checked {
  readonly file: string;
  readonly format: HistoryFormat;
  readonly html: string | undefined;
  readonly history: History;
  readonly report: Report;
}

/** Names in a history are anybody's: nothing of them may steer a terminal. */
function visible(what: string): string {
  return what.replaceAll(/[\0-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, "\u00b7");
}

async function print(context: Context, checked: Checked): Promise<void> {
  const { terminal } = context;
  const { file, format, html, history, report } = checked;
  const { result, verdicts } = report;
  const { events, operations } = history;
  if (terminal.format === "json") {
    const counted = { events, operations: operations.length };
    terminal.json({ file, format, ...counted, result, checks: verdicts });
    return;
  }
  const rows = verdicts.map((each) => [
    each.check,
    RESULTS[each.result],
    Object.entries(each.counts)
      .map(([what, count]) => `${count} ${what}`)
      .join(", "),
  ]);
  terminal.line(await table(["CHECK", "RESULT", "LOOKED AT"], rows));
  for (const { violations } of verdicts)
    for (const { rule, what, place } of violations)
      terminal.line(`\n${rule} at event ${place + 1}: ${visible(what)}.`);
  terminal.line(`\n${nameOf(file)}: ${RESULTS[result]}`);
  if (html !== undefined) terminal.note(`timeline: ${html}`);
}
