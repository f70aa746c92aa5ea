/**
 * `quorate lock NAME [-- COMMAND…]` and `quorate semaphore`: hold while a command runs, or until interrupted.
 *
 * Invariants: I1 the command never starts before it is held. I2 it is released only after the command has ended.
 */
import type { AcquireOptions } from "../../mechanisms/selection/contention/acquire.ts";
import type { Held as Acquired } from "../../mechanisms/selection/contention/held.ts";
import type { NotHeld } from "../../mechanisms/selection/contention/not-held.ts";
import { connected, type Context, operand, sessionTtl } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { type Held, runHolding } from "../held-command.ts";
import { holding } from "../holding.ts";
import type { Quorate } from "../../sdk/index.ts";

const KILL_AFTER_MS = 1000;

/** What is acquired: its noun and how. */
interface Wanted {
  readonly noun: "lock" | "semaphore";
  acquire(
    q: Quorate,
    label: string | undefined,
    options: AcquireOptions,
  ): Promise<Acquired | NotHeld>;
}

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const name = operand(operands, 0, "name");
  return await under(context, operands, flags, {
    noun: "lock",
    acquire: (q, label, options) => q.lock(name, { label }).tryAcquire(options),
  });
}

export async function semaphore(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const name = operand(operands, 0, "name");
  const permits = flags.integer("permits", 1) ?? 1;
  const weight = flags.integer("weight", 1);
  return await under(context, operands, flags, {
    noun: "semaphore",
    acquire: (q, label, options) =>
      q.semaphore(name, { permits, label }).tryAcquire({ ...options, weight }),
  });
}

async function under(
  context: Context,
  operands: readonly string[],
  flags: Flags,
  wanted: Wanted,
): Promise<ExitCode> {
  const [name = "", ...command] = operands;
  const waitMs = flags.integer("wait-ms");
  const killAfterMs = flags.delayMs("kill-after-ms") ?? KILL_AFTER_MS;
  const label =
    flags.text("label") ?? (command.length === 0 ? undefined : command.join(" ").slice(0, 64));
  return await connected(
    context,
    async (q) => {
      const answer = await wanted.acquire(q, label, {
        waitMs: waitMs ?? Infinity,
        signal: context.interrupt,
      });
      if (!answer.ok) {
        if (context.terminal.format === "json")
          context.terminal.json({ acquired: false, reason: answer.reason, why: answer.why });
        else context.terminal.note(`not acquired: ${answer.why}`);
        return EXIT.no;
      }
      try {
        return command.length === 0
          ? await hold(context, wanted.noun, name, answer)
          : await runHolding(context, name, answer, command, killAfterMs);
      } finally {
        await answer.release();
      }
    },
    sessionTtl(flags),
  );
}

async function hold(
  context: Context,
  noun: Wanted["noun"],
  name: string,
  held: Held,
): Promise<ExitCode> {
  if (context.terminal.format === "json")
    context.terminal.json({ acquired: true, [noun]: name, token: held.token });
  else context.terminal.line(`holding ${name}, token ${held.token}; ^C releases`);
  return await holding(context, held.signal);
}
