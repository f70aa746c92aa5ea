/** Node's time. Idle timers do not keep the process alive. */
import type { Clock } from "../ports/clock.ts";

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

/** `clock` for what goes on in the background: it does not keep the process alive. */
export function idle(clock: Clock): Clock {
  return { ...clock, after: (delayMs, fire) => clock.after(delayMs, fire, { idle: true }) };
}

export const idleClock: Clock = idle(hostClock);
