/**
 * Who owns: pure decisions over contenders by age. No arrival, departure or passing of time can take ownership from an
 * owner, so nobody needs to promote anybody (the *queued* class).
 */

/** A contender as the rules see it; `weight` is what it takes, `shared` whether it is a reader. */
export interface Contender {
  readonly key: string;
  readonly shared: boolean;
  readonly weight: number;
  /** Create revision: its age. Infinity of one that is about to join. */
  readonly created: number;
}

/** What must hold for a contender to own. */
export type Rule =
  /** Nobody is older. */
  | { readonly kind: "first" }
  /** A writer: nobody is older. A reader: no older writer. Phases change in order of arrival. */
  | { readonly kind: "phase" }
  /** What it and all older ones take together is within the permits, or it was created by `kept`. */
  | {
      readonly kind: "permits";
      readonly permits: number;
      /** Create revision of the youngest that owned when the number was changed: a lower one takes from nobody. */
      readonly kept?: number | undefined;
    };

/** Whose going the contender at `at` (by age) must await; undefined if it owns. */
export function obstacle(
  rule: Rule,
  byAge: readonly Contender[],
  at: number,
): Contender | undefined {
  const mine = byAge[at];
  switch (rule.kind) {
    case "first":
      return byAge[at - 1];
    case "phase":
      return mine?.shared === true
        ? byAge.slice(0, at).findLast((older) => !older.shared)
        : byAge[at - 1];
    case "permits": {
      if (mine !== undefined && mine.created <= (rule.kept ?? 0)) return undefined;
      const taken = byAge.slice(0, at + 1).reduce((sum, each) => sum + each.weight, 0);
      // One that asks for more than there is owns never, though nobody is in front of it.
      return taken <= rule.permits ? undefined : (byAge[at - 1] ?? mine);
    }
  }
}

/** The rule with another number of permits, under which all who own go on owning. */
export function resized(
  rule: Rule & { readonly kind: "permits" },
  byAge: readonly Contender[],
  permits: number,
): Rule & { readonly kind: "permits" } {
  // Owners are a prefix by age, so the youngest of them stands for all.
  const kept = byAge.findLast((_, at) => obstacle(rule, byAge, at) === undefined)?.created ?? 0;
  return { kind: "permits", permits, kept };
}
