/** `quorate help [TOPIC]`: a verb, an error code, or everything. No connection. */
import { ERROR_CODES, type ErrorCode, fail } from "../../base/errors.ts";
import { COMMANDS } from "../catalogue.ts";
import type { Context } from "../context.ts";
import { ERROR_HELP, errorHelp } from "../error-help.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import { nearest } from "../nearest.ts";
import { helpOf } from "../program.ts";

export async function run(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const topic = operands.join(" ");
  const code = topic.toUpperCase().replace(/[- ]/g, "_");
  if (isCode(code)) {
    const document = { code, ...ERROR_CODES[code], ...ERROR_HELP[code] };
    if (context.terminal.format === "json") context.terminal.json(document);
    else context.terminal.line(errorHelp(code));
    return EXIT.ok;
  }
  const text = helpOf(operands, context.environment);
  if (text === undefined) throw unknown(topic);
  if (context.terminal.format === "json") context.terminal.json({ help: text });
  else context.terminal.line(text);
  return EXIT.ok;
}

function isCode(word: string): word is ErrorCode {
  return Object.hasOwn(ERROR_CODES, word);
}

function unknown(topic: string): unknown {
  const known = [...COMMANDS.map((spec) => spec.path), ...Object.keys(ERROR_CODES)];
  const meant = nearest(topic, known);
  const remedy = meant === undefined ? "quorate --help lists the verbs." : `Did you mean ${meant}?`;
  return fail("INVALID", {
    object: `topic ${topic}`,
    what: "is neither a verb nor an error code",
    remedy,
  });
}
