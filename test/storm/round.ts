/** What goes wrong in one round of a storm, drawn as a whole: a seed means the same rounds however long each step takes. */
import type { Prng } from "../../src/base/prng.ts";

export const ROUND_MS = 5_000;
/** Of a round: by then everything has been undone. */
const OVER_MS = 4_000;
const BEGINS_MS_MAX = 2_000;
const LASTS_MS_MIN = 300;
const DOWN_MS = { least: 100, most: 1_500 };
/** Writes of one thread after which a disk refuses them; a member under load makes so many in a second or two. */
const WRITES_MAX = 40;

export interface Disturbance {
  readonly member: string;
  readonly afterMs: number;
  readonly forMs: number;
  readonly what:
    | { readonly kind: "stop" }
    /** One way: it does not hear the others, or is not heard. */
    | {
        readonly kind: "part";
        readonly others: readonly string[];
        readonly isDeaf: boolean;
        readonly rule: "hold" | "swallow";
      };
}

export interface Round {
  readonly victim: string;
  /** Between its death and its start. */
  readonly downMs: number;
  /** Its disk refuses writes from this one on. */
  readonly failingWrite: number | undefined;
  /** Of another member. */
  readonly disturbance: Disturbance | undefined;
}

export function drawnRound(random: Prng, names: readonly string[]): Round {
  const one = <T>(of: readonly T[]): T => of[random.below(of.length)] as T;
  const between = (least: number, most: number): number => least + random.below(most - least);
  const victim = one(names);
  const rest = names.filter((name) => name !== victim);
  const downMs = between(DOWN_MS.least, DOWN_MS.most);
  const failingWrite = random.below(4) === 0 ? between(1, WRITES_MAX) : undefined;
  if (rest.length === 0) return { victim, downMs, failingWrite, disturbance: undefined };
  const member = one(rest);
  const afterMs = random.below(BEGINS_MS_MAX);
  const forMs = between(LASTS_MS_MIN, OVER_MS - BEGINS_MS_MAX);
  const all = names.filter((name) => name !== member);
  const others = random.below(2) === 0 ? all : [one(all)];
  const isDeaf = random.below(2) === 0;
  const part = { kind: "part", others, isDeaf, rule: one(["hold", "swallow"] as const) } as const;
  const what = random.below(2) === 0 ? ({ kind: "stop" } as const) : part;
  return { victim, downMs, failingWrite, disturbance: { member, afterMs, forMs, what } };
}
