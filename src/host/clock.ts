/** Node's time. Idle timers do not keep the process alive. */
import type { Clock } from "../ports/clock.ts";
import { idle } from "../ports/clock.ts";

/** The longest delay that Node's timers take. */
const DELAY_MAX_MS = 0x7fff_ffff;

export const hostClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after: (delayMs, fire, options) => {
    const timer = setTimeout(fire, Math.min(DELAY_MAX_MS, Math.max(0, delayMs)));
    if (options?.idle === true) timer.unref();
    return () => clearTimeout(timer);
  },
  soon: (fire) => {
    setImmediate(fire);
  },
};

export const idleClock: Clock = idle(hostClock);
