/**
 * The command line of a script of this repository: `--help` prints how it is used; what cannot be understood is refused in one
 * line, with the exit code 2, before anything is begun.
 */
import type { ParseArgsConfig } from "node:util";
import { parseArgs } from "node:util";

type Options = NonNullable<ParseArgsConfig["options"]>;
type Parsed<O extends Options, P extends boolean> = ReturnType<
  typeof parseArgs<{ readonly options: O; readonly allowPositionals: P }>
>;

/** What was given, as `parseArgs` has it; does not return if that was `--help`, or nothing that `options` name. */
export function commandLine<const O extends Options, const P extends boolean = false>(
  usage: string,
  options: O,
  allowPositionals?: P,
): Parsed<O, P> {
  if (process.argv.slice(2).some((each) => each === "--help" || each === "-h")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return parseArgs({ options, allowPositionals: allowPositionals ?? false }) as Parsed<O, P>;
  } catch (error) {
    return refuse(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
}

/** A number of things, from one. */
export function wholeNumber(flag: string, given: string): number {
  if (/^[1-9]\d{0,9}$/.test(given)) return Number(given);
  return refuse(`--${flag} takes whole numbers from 1, not ${given}`);
}

export function refuse(what: string): never {
  console.error(what);
  process.exit(2);
}
