/** What a run found wrong. */
export interface Violation {
  /** What was broken, as a short name: two failures of one rule are taken for the same mistake. */
  readonly rule: string;
  /** Virtual time, ms since the world began. */
  readonly atMs: number;
  readonly text: string;
  readonly cause?: unknown;
}
