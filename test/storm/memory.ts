/** What the members of a storm have resident, minute by minute. */
import { readFileSync } from "node:fs";

const LOOK_MS = 1_000;
const MINUTE_MS = 60_000;
/** How much more the last third of a storm may have than the middle one: by a part, and by this many MiB. */
const GROWTH_MAX = 0.2;
const SLACK_MIB = 32;

export class Memory {
  readonly #beganMs = performance.now();
  /** Most that a member had in each minute, MiB. */
  readonly perMinute: number[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(pids: () => readonly (number | undefined)[]) {
    this.#timer = setInterval(() => {
      for (const pid of pids()) this.#look(pid);
    }, LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(pid: number | undefined): void {
    const mib = pid === undefined ? 0 : residentMib(pid);
    const minute = Math.floor((performance.now() - this.#beganMs) / MINUTE_MS);
    while (this.perMinute.length <= minute) this.perMinute.push(0);
    this.perMinute[minute] = Math.max(this.perMinute[minute] ?? 0, mib);
  }
}

/** Whether what grew in each minute has ceased to; undefined: too short to tell. */
export function isFlat(perMinute: readonly number[]): boolean | undefined {
  const third = Math.floor(perMinute.length / 3);
  if (third < 2) return undefined;
  const middle = average(perMinute.slice(third, 2 * third));
  const last = average(perMinute.slice(2 * third));
  return last <= middle * (1 + GROWTH_MAX) + SLACK_MIB;
}

/** 0: it is gone. */
function residentMib(pid: number): number {
  try {
    const found = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
    return Math.round(Number(found?.[1] ?? 0) / 1_024);
  } catch {
    return 0;
  }
}

function average(all: readonly number[]): number {
  return all.reduce((sum, each) => sum + each, 0) / all.length;
}
