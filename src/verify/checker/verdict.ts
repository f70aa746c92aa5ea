/**
 * What a check comes to.
 *
 * Invariants: I1 `unknown` is a failure: whoever checks treats it as one. I2 an invalid verdict has a violation, which
 * names the rule and the operations that cannot stand together.
 */
import type { Operation } from "../history/history.ts";

export const CHECKS = [
  "keyspace",
  "register",
  "lock",
  "resource",
  "watch",
  "lease",
  "state",
] as const;
export type CheckName = (typeof CHECKS)[number];
export type Result = "valid" | "invalid" | "unknown";

/** One breach of one rule. */
export interface Violation {
  /** Id of the rule in docs/spec/history.md. */
  readonly rule: string;
  /** What cannot be, in a sentence without a full stop. */
  readonly what: string;
  /** Place of the event at which it shows. */
  readonly place: number;
  /** Operations that have to do with it; the first one could not be placed. */
  readonly operations: readonly number[];
  /** The watch that it concerns. */
  readonly watch?: string | undefined;
}

export interface Verdict {
  readonly check: CheckName;
  readonly result: Result;
  /** What was looked at, by name. */
  readonly counts: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
}

/** More would not be read; the first ones tell. */
const VIOLATIONS_MAX = 20;

/** Gathers violations; the verdict is invalid if there is one. */
export class Findings {
  readonly #violations: Violation[] = [];

  get any(): boolean {
    return this.#violations.length > 0;
  }

  add(violation: Violation): void {
    if (this.#violations.length < VIOLATIONS_MAX) this.#violations.push(violation);
  }

  verdict(check: CheckName, counts: Readonly<Record<string, number>>, unknown = false): Verdict {
    const violations = this.#violations.toSorted((a, b) => a.place - b.place);
    const result = violations.length > 0 ? "invalid" : unknown ? "unknown" : "valid";
    return { check, result, counts, violations };
  }
}

/** How an operation reads in a message. */
export function named({ process, id, call }: Operation): string {
  return `${call.kind} ${id} of ${process}`;
}
