/** What happened in a run, as people read it: when, to whom, what. Bound: the last so many lines are kept. */
import type { Agenda } from "./agenda.ts";
import type { Trace } from "./trace.ts";

export interface Line {
  /** Virtual time, ms since the world began. */
  readonly atMs: number;
  readonly who: string;
  readonly what: string;
}

const LINES_MAX = 4_000;
const WIDTH_MAX = 160;

export class Timeline {
  readonly #agenda: Agenda;
  readonly #trace: Trace;
  #lines: Line[] = [];
  /** Lines that are not kept any more. */
  dropped = 0;

  constructor(agenda: Agenda, trace: Trace) {
    this.#agenda = agenda;
    this.#trace = trace;
  }

  /** Part of the run: two runs of one plan say the same. */
  add(who: string, what: string): void {
    this.#trace.text(who);
    this.#trace.text(what);
    this.detail(who, what);
  }

  /** For people only: may be left out of a run without making it another one. */
  detail(who: string, what: string): void {
    const shown = what.length > WIDTH_MAX ? `${what.slice(0, WIDTH_MAX - 1)}…` : what;
    this.#lines.push({ atMs: this.#agenda.nowMs, who, what: shown });
    if (this.#lines.length < 2 * LINES_MAX) return;
    this.dropped += LINES_MAX;
    this.#lines = this.#lines.slice(LINES_MAX);
  }

  get lines(): readonly Line[] {
    return this.#lines;
  }
}

/** One line each, in columns. */
export function timelineText(lines: readonly Line[]): string {
  const width = lines.reduce((most, { who }) => Math.max(most, who.length), 0);
  return lines
    .map(({ atMs, who, what }) => `${seconds(atMs).padStart(10)}  ${who.padEnd(width)}  ${what}`)
    .join("\n");
}

export function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3)} s`;
}
