/**
 * Who owns: pure decisions over contenders by age. No arrival, departure or passing of time can take ownership from an
 * owner, so nobody needs to promote anybody (the *queued* class).
 */

/** A contender as the rules see it; `weight` is what it takes, `shared` whether it is a reader. */
export interface Contender {
  readonly key: string;
  readonly shared: boolean;
  readonly weight: number;
}

/** What must hold for a contender to own. */
export type Rule =
  /** Nobody is older. */
  | { readonly kind: "first" }
  /** A writer: nobody is older. A reader: no older writer. Phases change in order of arrival. */
  | { readonly kind: "phase" }
  /** What it and all older ones take together is within the permits. */
  | { readonly kind: "permits"; readonly permits: number };

/** Whether the contender at `at` (by age) owns, and if not, whose going it must await. */
export function decide(
  rule: Rule,
  byAge: readonly Contender[],
  at: number,
): { readonly owns: true } | { readonly owns: false; readonly behind: Contender } {
  const behind = obstacle(rule, byAge, at);
  return behind === undefined ? { owns: true } : { owns: false, behind };
}

function obstacle(rule: Rule, byAge: readonly Contender[], at: number): Contender | undefined {
  const mine = byAge[at];
  switch (rule.kind) {
    case "first":
      return byAge[at - 1];
    case "phase":
      return mine?.shared === true
        ? byAge.slice(0, at).findLast((older) => !older.shared)
        : byAge[at - 1];
    case "permits": {
      const taken = byAge.slice(0, at + 1).reduce((sum, each) => sum + each.weight, 0);
      return taken <= rule.permits ? undefined : byAge[at - 1];
    }
  }
}
