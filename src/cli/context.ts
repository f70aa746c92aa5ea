/**
 * What every command is given, and the connection that those that need one open.
 *
 * Invariants: I1 a connection is closed whatever happens in its use. I2 the first SIGINT or SIGTERM
 * aborts `interrupt`, a second one ends the process at once.
 */
import { asFailure, fail, type Failure, failure, QuorateError } from "../base/errors.ts";
import type { CallOptions, Keyspace } from "../contract/keyspace.ts";
import { shownUrl } from "../sdk/address.ts";
import type { Quorate, TlsConnectOptions } from "../sdk/index.ts";
import { EXIT, type ExitCode, exitCodeOf } from "./exit-codes.ts";
import type { Flags } from "./flags.ts";
import type { Terminal } from "./output.ts";

/** The surroundings of one command. */
export interface Context {
  readonly terminal: Terminal;
  readonly url: string;
  /** Authority and identity for TLS, paths of files. */
  readonly tls?: TlsConnectOptions | undefined;
  /** Who asks. */
  readonly credentials?: { readonly user: string; readonly password: string } | undefined;
  readonly timeoutMs: number;
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly interrupt: AbortSignal;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** A verb: its operands, its flags, and the exit code that comes of it. */
export type Verb = (
  context: Context,
  operands: readonly string[],
  flags: Flags,
) => Promise<ExitCode>;

/** Uses a connection and closes it. Errors: those of connecting and of `use`. */
export async function connected(
  context: Context,
  use: (q: Quorate) => Promise<ExitCode>,
  options: { readonly sessionTtlMs?: number | undefined } = {},
): Promise<ExitCode> {
  const { connect } = await import("../sdk/index.ts");
  const late = AbortSignal.timeout(context.timeoutMs);
  const signal = AbortSignal.any([context.interrupt, late]);
  const { credentials, tls } = context;
  const given = { service: "quorate-cli", signal, credentials, tls, ...options };
  const q = await connect(context.url, given).catch((error: unknown) => {
    const timedOut = late.aborted && !context.interrupt.aborted;
    throw timedOut && QuorateError.is(error, "ABORTED") ? tooLate(context, error) : error;
  });
  try {
    return await use(q);
  } finally {
    await q.close();
  }
}

function tooLate({ url, timeoutMs }: Context, cause: Error): QuorateError {
  const what = `gave no connection within ${timeoutMs} ms`;
  const remedy = "Check that a Quorate server listens there, or raise --timeout-ms.";
  return fail("TIMEOUT", { object: shownUrl(url), what, remedy, outcome: "definite" }, cause);
}

/** Uses the keyspace of a connection. */
export async function withKeyspace(
  context: Context,
  use: (keyspace: Keyspace) => Promise<ExitCode>,
): Promise<ExitCode> {
  return await connected(context, (q) => use(q.commitment.keyspace));
}

/** How long what is held outlives a silent process, where `--ttl-ms` says so. */
export function sessionTtl(flags: Flags): { readonly sessionTtlMs?: number | undefined } {
  return { sessionTtlMs: flags.integer("ttl-ms", 100) };
}

/** The signal and timeout for one call. */
export function callOptions(context: Context): CallOptions {
  return { signal: context.interrupt, timeoutMs: context.timeoutMs };
}

/** Prints what went wrong and gives its exit code. */
export async function report(
  context: Pick<Context, "terminal" | "interrupt">,
  error: unknown,
): Promise<ExitCode> {
  const failed = known(error) ? asFailure(error, "command") : bug(error);
  const message = QuorateError.is(error) ? error.message : new QuorateError(failed).message;
  context.terminal.failure(failed, message);
  if (context.interrupt.aborted && failed.code === "ABORTED") return EXIT.interrupted;
  return exitCodeOf(failed);
}

/**
 * Failures of ours, and what the operating system says; anything else is a mistake in this program.
 */
function known(error: unknown): boolean {
  return QuorateError.is(error) || (error instanceof Error && "syscall" in error);
}

function bug(error: unknown): Failure {
  const where =
    error instanceof Error ? error.stack?.split("\n").slice(0, 3).join(" ") : String(error);
  return failure("BUG", {
    object: "command",
    what: `failed in a way that it should not: ${where ?? ""}`,
    remedy: "Read the state before trying again, and report these lines.",
  });
}

/** An operand that must be there. Errors: INVALID. */
export function operand(operands: readonly string[], index: number, name: string): string {
  const value = operands[index];
  if (value !== undefined) return value;
  throw fail("INVALID", { object: name, what: "is missing", remedy: "See quorate help." });
}
