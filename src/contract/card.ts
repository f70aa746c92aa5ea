/** A mechanism's card: the six answers and the facts that docs, `explain` and the console read. Nothing repeats them. */
import type { Requirement } from "./guarantee.ts";

export type Room =
  | "membership"
  | "ordering"
  | "selection"
  | "agreement"
  | "assignment"
  | "aggregation"
  | "suppression"
  | "convergence";

export interface Card {
  readonly noun: string;
  readonly room: Room;
  readonly plane: "commitment" | "intent";
  /** Who participates, what is the structure, what needs resolving, how, what if it fails, how fast. */
  readonly answers: {
    readonly who: string;
    readonly shape: string;
    readonly what: string;
    readonly how: string;
    readonly failure: string;
    readonly speed: string;
  };
  readonly guarantee: string;
  readonly requires: Requirement;
  /** Cost of each verb in round trips and flushes. */
  readonly cost: Readonly<Record<string, string>>;
  readonly failureModes: readonly string[];
  /** Keys and values as any client of the engine can read them. */
  readonly layout: readonly string[];
}
