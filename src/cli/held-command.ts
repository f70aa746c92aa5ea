/**
 * A command that runs while something is held.
 *
 * Invariants: I1 at loss it gets SIGTERM, then SIGKILL. I2 the call resolves only after the command
 * has ended; if this process ends before, by a second signal, the command is killed first. I3 the command's own exit code is passed on, 128 + n if signal n ended it; after a
 * loss the code is 5 whatever it was.
 * Away from a terminal the command is a process group of its own, so that what it started ends with
 * it; at a terminal the group stays the terminal's, and only the command itself is signalled.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { constants } from "node:os";
import { fail } from "../base/errors.ts";
import { type Context, report } from "./context.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

/** What the command needs of what is held. */
export interface Held {
  readonly token: number;
  /** Aborts at loss, with the failure as its reason. */
  readonly signal: AbortSignal;
}

/** Runs `command` under the lock `name`. Errors: INVALID (definite) if it cannot be started. */
export async function runHolding(
  context: Pick<Context, "environment" | "interrupt" | "terminal">,
  name: string,
  held: Held,
  command: readonly string[],
  killAfterMs: number,
): Promise<ExitCode> {
  const alone = !process.stdin.isTTY;
  const environment = {
    ...context.environment,
    QUORATE_TOKEN: String(held.token),
    QUORATE_LOCK: name,
  };
  const [program = "", ...rest] = command;
  const child = spawn(program, rest, { stdio: "inherit", env: environment, detached: alone });
  const signalled = (signal: NodeJS.Signals): void => send(child, alone, signal);
  let killing: NodeJS.Timeout | undefined;
  const onLoss = (): void => {
    signalled("SIGTERM");
    killing = setTimeout(() => signalled("SIGKILL"), killAfterMs);
  };
  const onInterrupt = (): void => signalled("SIGTERM");
  // A second signal ends this process at once: what would outlive the hold must not go on.
  const onExit = (): void => signalled("SIGKILL");
  const ended = endOf(child, program);
  held.signal.addEventListener("abort", onLoss, { once: true });
  context.interrupt.addEventListener("abort", onInterrupt, { once: true });
  process.once("exit", onExit);
  if (held.signal.aborted) onLoss();
  if (context.interrupt.aborted) onInterrupt();
  try {
    const code = await ended;
    if (!held.signal.aborted) return code;
    await report(context, held.signal.reason);
    return EXIT.lost;
  } finally {
    clearTimeout(killing);
    process.removeListener("exit", onExit);
    held.signal.removeEventListener("abort", onLoss);
    context.interrupt.removeEventListener("abort", onInterrupt);
  }
}

async function endOf(child: ChildProcess, program: string): Promise<ExitCode> {
  return await new Promise((resolve, reject) => {
    child.once("error", (error) => {
      const what = `cannot be started: ${error.message}`;
      reject(
        fail(
          "INVALID",
          { object: `command ${program}`, what, remedy: "Give a program that exists." },
          error,
        ),
      );
    });
    child.once("exit", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  });
}

function send(child: ChildProcess, group: boolean, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(group ? -child.pid : child.pid, signal);
  } catch {
    // It has ended by itself: its exit is on the way.
  }
}
