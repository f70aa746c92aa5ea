/**
 * Holding something until the person interrupts or it is lost: what `lock` without a command and
 * `elect` do.
 */
import { type Context, report } from "./context.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";

/** Waits for the interrupt (exit 0) or the loss (its reason is reported, exit 5). */
export async function holding(context: Context, held: AbortSignal): Promise<ExitCode> {
  // An idle connection does not keep the process alive; what is held does.
  const alive = setInterval(() => {}, 60_000);
  await new Promise<void>((resolve) => {
    for (const signal of [context.interrupt, held]) {
      if (signal.aborted) return resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    }
  });
  clearInterval(alive);
  if (!held.aborted) return EXIT.ok;
  await report(context, held.reason);
  return EXIT.lost;
}
