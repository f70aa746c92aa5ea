/** The answer of who did not get it: who is in the way, for how long, and how many wait. */
import { describe } from "./layout.ts";
import type { Holder, Standing } from "./queue.ts";

/** Not acquired. Disposable like its counterpart, so that `await using` takes either. */
export interface NotHeld {
  readonly ok: false;
  readonly reason: "held" | "timeout";
  /** One line for a log. */
  readonly why: string;
  readonly holder: string | undefined;
  readonly holderToken: number | undefined;
  [Symbol.asyncDispose](): Promise<void>;
}

export function notHeld(
  on: { readonly object: string },
  standing: Standing,
  reason: "held" | "timeout",
): NotHeld {
  const { holder } = standing;
  return {
    ok: false,
    reason,
    why: whyNot(holder, standing.waiting),
    holder: holder === undefined ? undefined : describe(holder.record, holder.key),
    holderToken: holder?.token,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function whyNot(holder: Holder | undefined, waiting: number): string {
  const queue = waiting > 0 ? `, ${waiting} waiting` : "";
  if (holder === undefined) return `not owned yet${queue}`;
  const { since } = holder.record;
  const held =
    since === undefined ? "" : ` for ${Math.max(0, Math.round((holder.now - since) / 1_000))} s`;
  return `held by ${describe(holder.record, holder.key)}${held} (token ${holder.token})${queue}`;
}
