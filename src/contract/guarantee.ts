/** What an engine declares it gives and what a mechanism needs. Each list is ordered, weakest first. */

export const CONSISTENCY = ["best-effort", "serializable", "linearizable"] as const;
export const DURABILITY = ["process", "replica-async", "disk", "majority"] as const;
export const TIME = ["clients", "clients-bounded", "engine"] as const;
export const FENCING = ["none", "monotonic"] as const;
export const WATCH = ["polling", "resumable"] as const;

/** The levels of one engine. */
export interface Guarantee {
  readonly consistency: "best-effort" | "serializable" | "linearizable";
  /** What an acknowledged write survives: `process` is lost with the process. */
  readonly durability: "process" | "replica-async" | "disk" | "majority";
  /** Whose clock measures deadlines. */
  readonly time: "clients" | "clients-bounded" | "engine";
  readonly fencing: "none" | "monotonic";
  readonly watch: "polling" | "resumable";
}

/** Least levels; absent: any. */
export type Requirement = Partial<Guarantee>;

const ORDER = {
  consistency: CONSISTENCY,
  durability: DURABILITY,
  time: TIME,
  fencing: FENCING,
  watch: WATCH,
} as const;

/** The aspects in which `given` is weaker than `needed`. */
export function shortfall(given: Guarantee, needed: Requirement): readonly (keyof Guarantee)[] {
  const aspects = Object.keys(ORDER) as (keyof Guarantee)[];
  return aspects.filter((aspect) => {
    const least = needed[aspect];
    if (least === undefined) return false;
    const levels: readonly string[] = ORDER[aspect];
    return levels.indexOf(given[aspect]) < levels.indexOf(least);
  });
}
