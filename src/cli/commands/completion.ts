/** `quorate completion bash|zsh`: prints the script for a shell. */
import { fail } from "../../base/errors.ts";
import { COMMANDS } from "../catalogue.ts";
import { completionScript } from "../completion.ts";
import { type Context, operand } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";

export async function run(context: Context, operands: readonly string[]): Promise<ExitCode> {
  const shell = operand(operands, 0, "shell");
  if (shell !== "bash" && shell !== "zsh") {
    const what = `${JSON.stringify(shell)} is not known`;
    throw fail("INVALID", { object: "shell", what, remedy: "Give bash or zsh." });
  }
  context.terminal.line(completionScript(shell, COMMANDS));
  return await Promise.resolve(EXIT.ok);
}
