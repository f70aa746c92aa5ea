/**
 * The exit codes of the CLI: what a shell script can tell apart without reading text.
 *
 * Invariants: I1 an answer that is "no" is 1, never an error. I2 4 is the only code after which an
 * operation may have happened. I3 the numbers never change their meaning.
 * Leaves out: `lock NAME -- COMMAND`, which passes on the command's own code.
 */
import type { Failure } from "../base/errors.ts";

/** What each code means; `docs/cli.md` and the help print this table. */
export const EXIT = {
  ok: 0,
  no: 1,
  usage: 2,
  definite: 3,
  indefinite: 4,
  lost: 5,
  undecided: 6,
  interrupted: 130,
} as const;

export type ExitCode = number;

/** One line per code, for the help. */
export const EXIT_MEANING: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done",
  no: "the answer is no: not found, held by another, no leader, not valid",
  usage: "wrong arguments or configuration; nothing was tried",
  definite: "failed, and certainly had no effect",
  indefinite: "failed, and may have had an effect: read the state first",
  lost: "what was held (lock, leadership) was lost before the work was done",
  undecided: "neither yes nor no could be shown within the bound: take it for a no",
  interrupted: "stopped by a signal before there was an answer",
};

const LOSSES: ReadonlySet<string> = new Set(["LOST", "EXPIRED"]);

/** The exit code of a failure. */
export function exitCodeOf(failure: Failure): ExitCode {
  if (failure.code === "CONFIG" || failure.code === "INVALID") return EXIT.usage;
  if (LOSSES.has(failure.code)) return EXIT.lost;
  return failure.outcome === "definite" ? EXIT.definite : EXIT.indefinite;
}
