/** What a look at a cluster on this machine finds, and how it is shown. */
import type { Condition, CrewMember } from "./crew.ts";
import { urlOf } from "./plan.ts";

/** One member at one look. Figures are absent where it does not answer. */
export interface Look {
  readonly name: string;
  readonly url: string;
  readonly pid: number | undefined;
  readonly condition: Condition;
  readonly role?: "leader" | "follower" | undefined;
  readonly term?: number | undefined;
  readonly applied?: number | undefined;
  /** Entries behind the one that is ahead. */
  readonly behind?: number | undefined;
  readonly requestsPerS?: number | undefined;
  readonly said?: string | undefined;
}

/** What one member told. */
export interface Told {
  readonly isLeader: boolean;
  readonly term: number;
  readonly applied: number;
  /** Since it was started. */
  readonly requests: number;
  readonly atMs: number;
}

export function looksOf(
  crew: readonly CrewMember[],
  told: ReadonlyMap<string, Told>,
  before: ReadonlyMap<string, Told>,
): readonly Look[] {
  const last = Math.max(0, ...[...told.values()].map(({ applied }) => applied));
  return crew.map(({ plan, pid, condition, said }) => {
    const { name } = plan;
    const shown = { name, url: urlOf(plan), pid, condition };
    const now = told.get(name);
    if (now === undefined) return { ...shown, said: condition === "ended" ? said : undefined };
    const { isLeader, term, applied } = now;
    const role = isLeader ? "leader" : "follower";
    return {
      ...shown,
      role,
      term,
      applied,
      behind: last - applied,
      requestsPerS: rateOf(now, before.get(name)),
    };
  });
}

function rateOf(now: Told, before: Told | undefined): number | undefined {
  // Fewer than before: it has been started anew.
  if (before === undefined || now.requests < before.requests) return undefined;
  const seconds = (now.atMs - before.atMs) / 1_000;
  return seconds > 0 ? Math.round((now.requests - before.requests) / seconds) : undefined;
}

/** As one line. */
export function line(looks: readonly Look[]): string {
  return looks
    .map(({ name, condition, role, term, applied }) =>
      role === undefined
        ? `${name}=${condition}`
        : `${name}=${role} term=${term} applied=${applied}`,
    )
    .join("  ");
}

const HEAD = ["", "member", "url", "pid", "state", "term", "applied", "behind", "requests/s"];
const WIDTHS = [2, 8, 28, 8, 10, 6, 12, 8, 12];

/** As a screen, on which one member is chosen. */
export function screen(looks: readonly Look[], chosen: number): string {
  const rows = looks.map((look, at) => {
    const { name, url, pid, condition, role, term, applied, behind, requestsPerS } = look;
    const state = condition === "running" ? (role ?? "no answer") : condition;
    const figures = [term, applied, behind, requestsPerS].map((each) => String(each ?? ""));
    return [at === chosen ? ">" : "", name, url, String(pid ?? ""), state, ...figures];
  });
  const text = [HEAD, ...rows].map((cells) =>
    cells
      .map((cell, at) => cell.padEnd(WIDTHS[at] ?? 0))
      .join("")
      .trimEnd(),
  );
  const said = looks.flatMap((look) =>
    look.said ? [`${look.name}: ${look.said.split("\n").at(-1)}`] : [],
  );
  const all = looks.map(({ url }) => url.replace("quorate://", "")).join(",");
  return `${[
    ...text,
    "",
    ...said,
    `  quorate status --url quorate://${all}`,
    "",
    `  1-${looks.length} choose   k kill or start   s stop or go on   q or ^C end all`,
  ].join("\n")}\n`;
}
