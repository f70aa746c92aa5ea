/**
 * `quorate elect NAME [VALUE]`: campaigns and leads until it is interrupted, or follows who leads.
 *
 * Invariants: I1 leadership is resigned before the command ends. I2 lost leadership is exit code 5.
 */
import { connected, type Context, operand, sessionTtl } from "../context.ts";
import { outline } from "./explain.ts";
import { EXIT, type ExitCode } from "../exit-codes.ts";
import type { Flags } from "../flags.ts";
import { holding } from "../holding.ts";
import type { Party } from "../../mechanisms/selection/contention/explain.ts";
import type { Quorate } from "../../sdk/index.ts";

export async function run(
  context: Context,
  operands: readonly string[],
  flags: Flags,
): Promise<ExitCode> {
  const name = operand(operands, 0, "name");
  if (flags.on("observe")) {
    const events = flags.integer("events", 1) ?? Infinity;
    return await connected(context, (q) => observe(context, q, name, events));
  }
  return await connected(context, (q) => lead(context, q, name, operands[1]), sessionTtl(flags));
}

async function lead(
  context: Context,
  q: Quorate,
  name: string,
  value: string | undefined,
): Promise<ExitCode> {
  const leadership = await q.election(name).campaign({ value, signal: context.interrupt });
  try {
    const { token } = leadership;
    if (context.terminal.format === "json")
      context.terminal.json({ leads: true, election: name, token });
    else context.terminal.line(`leading ${name}, token ${token}; ^C resigns`);
    return await holding(context, leadership.signal);
  } finally {
    await leadership.resign();
  }
}

async function observe(
  context: Context,
  q: Quorate,
  name: string,
  events: number,
): Promise<ExitCode> {
  const alive = setInterval(() => {}, 60_000);
  try {
    context.terminal.note(`observing ${name}; ^C ends`);
    const leaders = q.election(name).observe({ signal: context.interrupt });
    // An interrupt ends the command also while the first answer is on its way.
    const interrupted = new Promise<undefined>((resolve) => {
      if (context.interrupt.aborted) resolve(undefined);
      context.interrupt.addEventListener("abort", () => resolve(undefined), { once: true });
    });
    for (let seen = 0; seen < events; seen++) {
      const next = await Promise.race([leaders.next(), interrupted]);
      if (next === undefined || next.done === true) break;
      print(context, name, next.value);
    }
    return EXIT.ok;
  } finally {
    clearInterval(alive);
  }
}

function print(context: Context, name: string, leader: Party | undefined): void {
  if (context.terminal.format === "json")
    context.terminal.json({ election: name, leader: leader ?? null });
  else if (leader === undefined) context.terminal.line(`${name}: nobody leads`);
  else context.terminal.line([`${name}:`, ...outline(leader, "  ")].join("\n"));
}
