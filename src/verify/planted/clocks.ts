/** A clock that stands still with its machine, as one that does not count a virtual machine's suspension. */
import type { Life } from "../cluster/scheduler.ts";
import type { Clock } from "../../ports/clock.ts";

export function stopsWhenPaused(life: Life): Clock {
  return {
    monotonicMs: () => life.ranMs(),
    wallMs: () => life.wallMs(),
    after: (delayMs, fire) => life.after(delayMs, fire),
    soon: (fire) => life.soon(fire),
  };
}
