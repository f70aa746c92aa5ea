/**
 * `quorate lock NAME [-- COMMAND…]`: holds a lock while a command runs, or until it is interrupted.
 *
 * Invariants: I1 the command never starts before the lock is held. I2 the lock is released only
 * after the command has ended.
 */
import { connected, type Context, operand, sessionTtl } from "../context.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { type Held, runHolding } from "../held-command.ts";
import { holding } from "../holding.ts";

const KILL_AFTER_MS = 1000;

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const name = operand(operands, 0, "name");
  const command = operands.slice(1);
  const waitMs = flags.integer("wait-ms");
  const killAfterMs = flags.integer("kill-after-ms") ?? KILL_AFTER_MS;
  const label =
    flags.text("label") ?? (command.length === 0 ? undefined : command.join(" ").slice(0, 64));
  return await connected(
    context,
    async (q) => {
      const lock = q.lock(name, { label });
      const answer = await lock.tryAcquire({
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
          ? await hold(context, name, answer)
          : await runHolding(context, name, answer, command, killAfterMs);
      } finally {
        await answer.release();
      }
    },
    sessionTtl(flags),
  );
}

async function hold(context: Context, name: string, held: Held): Promise<ExitCode> {
  if (context.terminal.format === "json")
    context.terminal.json({ acquired: true, lock: name, token: held.token });
  else context.terminal.line(`holding ${name}, token ${held.token}; ^C releases`);
  return await holding(context, held.signal);
}
