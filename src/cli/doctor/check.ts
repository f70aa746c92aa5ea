/** What one check of `doctor` says. */

export type Verdict = "ok" | "warn" | "fail";

/** One line of the report. `remedy` is empty only for `ok`. */
export interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  readonly found: string;
  readonly remedy: string;
  /** The figures behind `found`. */
  readonly figures?: Readonly<Record<string, number | string>> | undefined;
}

/** A check that found nothing wrong. */
export function good(name: string, found: string, figures?: Check["figures"]): Check {
  return { name, verdict: "ok", found, remedy: "", figures };
}

/** The value below which the share `at` of the samples lies. */
export function quantile(samples: readonly number[], at: number): number {
  const sorted = [...samples].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? 0;
}
