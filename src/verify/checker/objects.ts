/**
 * Linearizability of many objects, each for itself: a history is linearizable if and only if that of each object is.
 *
 * Invariants: I1 the searches take turns with growing shares, so that one that is hard does not hide another that is
 * quickly refuted. I2 the steps of all together are bounded; what is undecided then is unknown.
 * Source: Herlihy and Wing (1990), theorem 1 (locality); Horn and Kroening, "Faster Linearizability Checking via
 * P-Compositionality" (2015).
 */
import type { Operation } from "../history/history.ts";
import { Linearization, type SequentialModel, type Stuck } from "./linearize.ts";

export interface ObjectsVerdict {
  readonly result: "valid" | "invalid" | "unknown";
  readonly objects: number;
  readonly steps: number;
  /** Where it is invalid. */
  readonly stuck?: Stuck | undefined;
  /** Names of objects that are undecided. */
  readonly undecided: readonly string[];
}

const SHARE_MIN = 10_000;

/** Checks the operations of each object against `model`. */
export function checkObjects(
  operations: readonly Operation[],
  nameOf: (operation: Operation) => string,
  model: SequentialModel,
  stepsMax: number,
): ObjectsVerdict {
  const searches = new Map<string, Linearization>();
  for (const [name, own] of grouped(operations, nameOf))
    searches.set(name, new Linearization(model, own));
  const objects = searches.size;
  let steps = 0;
  for (let share = SHARE_MIN; searches.size > 0 && steps < stepsMax; share *= 2) {
    for (const [name, search] of searches) {
      steps += search.run(Math.min(share, stepsMax - steps));
      if (search.result === "invalid")
        return { result: "invalid", objects, steps, stuck: search.stuck, undecided: [] };
      if (search.result === "valid") searches.delete(name);
      if (steps >= stepsMax) break;
    }
  }
  const undecided = [...searches.keys()];
  return { result: undecided.length === 0 ? "valid" : "unknown", objects, steps, undecided };
}

function grouped(
  operations: readonly Operation[],
  nameOf: (operation: Operation) => string,
): ReadonlyMap<string, readonly Operation[]> {
  const groups = new Map<string, Operation[]>();
  for (const operation of operations) {
    if (operation.outcome.kind === "definite") continue;
    const name = nameOf(operation);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [operation]);
    else group.push(operation);
  }
  return groups;
}
