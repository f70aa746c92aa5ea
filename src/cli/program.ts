/**
 * The command line as commander parses it, made from the catalogue.
 *
 * Invariants: I1 parsing never ends the process: it gives an exit code. I2 a wrong command line is
 * exit code 2 and names the nearest verb or flag.
 */
import { Command, CommanderError, Option } from "commander";
import { fail, type QuorateError } from "../base/errors.ts";
import { shownUrl } from "../sdk/address.ts";
import { COMMANDS, type CommandSpec, GROUPS } from "./catalogue.ts";
import { type Context, report } from "./context.ts";
import { EXIT, EXIT_MEANING, type ExitCode } from "./exit-codes.ts";
import { DELAY_MAX_MS, Flags, integerOf } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { type Format, processTerminal } from "./output.ts";

type Environment = Readonly<Record<string, string | undefined>>;
type Run = (
  spec: CommandSpec,
  operands: readonly string[],
  flags: Readonly<Record<string, unknown>>,
) => Promise<void>;

/** Runs one command line; gives its exit code. Never rejects. */
export async function main(
  argv: readonly string[],
  environment: Environment,
  interrupt: AbortSignal,
): Promise<ExitCode> {
  let code: ExitCode = EXIT.ok;
  const program = build(environment, async (spec, operands, flags) => {
    code = await perform(spec, operands, flags, environment, interrupt);
  });
  try {
    if (argv.length === 0) program.outputHelp();
    else await program.parseAsync(wordsOf(argv), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return EXIT.ok;
    // The bare name of a group: commander has printed its help.
    if (error.code === "commander.help") return EXIT.usage;
    const format = wantsJson(argv, environment) ? "json" : "table";
    return await report({ terminal: processTerminal(format), interrupt }, misuse(error));
  }
  return code;
}

/** Go's flags begin with one dash or two. */
function wordsOf(argv: readonly string[]): string[] {
  if (versionAsked(argv)) return ["version"];
  return argv[0] === "etcd"
    ? argv.map((word) => word.replace(/^-(?=[a-z][a-z-]+)/, "--"))
    : [...argv];
}

function versionAsked(argv: readonly string[]): boolean {
  return argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V");
}

function wantsJson(argv: readonly string[], environment: Environment): boolean {
  const given = argv.findIndex((word) => word === "--output" || word === "-o");
  if (given >= 0) return argv[given + 1] === "json";
  return argv.includes("--output=json") || environment["QUORATE_OUTPUT"] === "json";
}

function misuse(error: CommanderError): QuorateError {
  const [what = "", ...suggestion] = error.message.replace(/^error: /, "").split("\n");
  const meant = suggestion.join(" ").replace(/^\(|\)$/g, "");
  const remedy = `${meant === "" ? "" : `${meant} `}quorate help VERB shows what it takes.`;
  return fail("INVALID", { object: "command line", what: what.replace(/\.$/, ""), remedy });
}

/** The help text of the verb at `path`, or of the whole program if it is empty. */
export function helpOf(path: readonly string[], environment: Environment): string | undefined {
  let command: Command | undefined = build(environment, async () => {});
  for (const word of path) command = command?.commands.find((each) => each.name() === word);
  if (command === undefined) return undefined;
  let text = "";
  command.configureOutput({ writeOut: (part) => void (text += part) });
  command.outputHelp();
  return text.trimEnd();
}

async function perform(
  spec: CommandSpec,
  operands: readonly string[],
  flags: Readonly<Record<string, unknown>>,
  environment: Environment,
  interrupt: AbortSignal,
): Promise<ExitCode> {
  const format: Format = flags["output"] === "json" ? "json" : "table";
  const terminal = processTerminal(format);
  try {
    if (flags["output"] !== "json" && flags["output"] !== "table") {
      throw fail("INVALID", {
        object: "--output",
        what: `${JSON.stringify(flags["output"])} is no format`,
        remedy: "Give table or json.",
      });
    }
    const timeoutMs = integerOf("--timeout-ms", String(flags["timeoutMs"]), 1, DELAY_MAX_MS);
    const context: Context = {
      terminal,
      url: String(flags["url"]),
      tls: tlsOf(flags),
      credentials: credentialsOf(flags["user"] ?? environment["QUORATE_USER"]),
      timeoutMs,
      interrupt,
      environment,
    };
    return await (
      await spec.load()
    )(context, operands, new Flags(flags));
  } catch (error) {
    return await report({ terminal, interrupt }, error);
  }
}

/** None of them given: what the url says by itself. */
function tlsOf(flags: Readonly<Record<string, unknown>>): Context["tls"] {
  const [ca, cert, key] = ["cacert", "cert", "key"].map((name) => {
    const given = flags[name];
    return typeof given === "string" && given !== "" ? given : undefined;
  });
  return ca === undefined && cert === undefined && key === undefined
    ? undefined
    : { ca, cert, key };
}

/** `name:password`; without a colon the password is empty. */
function credentialsOf(given: unknown): Context["credentials"] {
  if (typeof given !== "string" || given === "") return undefined;
  const [user = "", ...password] = given.split(":");
  return { user, password: password.join(":") };
}

function build(environment: Environment, run: Run): Command {
  const program = new Command("quorate");
  program
    .description("Coordination: locks, elections, leases and a watched, transactional keyspace.")
    .configureHelp({ showGlobalOptions: true, helpWidth: 110 })
    .helpCommand(false)
    .addHelpText(
      "after",
      `\nExit codes:\n${exitCodes()}\n\nExamples:\n${START.map((each) => `  $ ${each}`).join("\n")}`,
    );
  for (const { usage, meaning, variable, usual, secret } of GLOBAL_FLAGS) {
    const value = secret === true ? undefined : (environment[variable] ?? usual);
    // The help shows the default, which may be a url with a password.
    const shown = value === undefined ? undefined : JSON.stringify(shownUrl(value));
    program.addOption(new Option(usage, meaning).default(value, shown));
  }
  prepare(program);
  for (const spec of COMMANDS) add(program, spec, run);
  return program;
}

const START = [
  "quorate put greeting hello",
  "quorate get greeting",
  "quorate lock deploy -- echo deploying",
];

function exitCodes(): string {
  const names = Object.keys(EXIT) as (keyof typeof EXIT)[];
  return names.map((name) => `  ${String(EXIT[name]).padEnd(4)} ${EXIT_MEANING[name]}`).join("\n");
}

function add(program: Command, spec: CommandSpec, run: Run): void {
  const words = spec.path.split(" ");
  const name = words.pop() ?? spec.path;
  const parent = words.reduce((above, word) => groupOf(above, word), program);
  const command = parent.command(`${name} ${spec.operands}`.trim());
  prepare(command);
  const details = spec.details === undefined ? "" : `\n\n${spec.details.replaceAll("\n", " ")}`;
  command.summary(spec.summary).description(`${spec.summary}.${details}`);
  for (const flag of spec.flags) {
    if (flag.required === true) command.requiredOption(flag.usage, flag.meaning);
    else command.option(flag.usage, flag.meaning);
  }
  const examples = spec.examples.map((example) => `  $ ${example}`).join("\n");
  command.addHelpText("after", `\nExamples:\n${examples}`);
  command.action(async () => {
    await run(spec, command.args, command.optsWithGlobals());
  });
}

function groupOf(above: Command, word: string): Command {
  const present = above.commands.find((each) => each.name() === word);
  if (present !== undefined) return present;
  const group = above
    .command(word)
    .description(GROUPS[word] ?? word)
    .helpCommand(false);
  prepare(group);
  return group;
}

function prepare(command: Command): void {
  command
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true, helpWidth: 110 });
  command.configureOutput({ outputError: () => {} });
}
