/** The faults of a simulated run, and how a seed draws them. */
import type { Prng } from "../../base/prng.ts";

/** What can go wrong, and how much of it, in a run. 0: not at all. */
export interface Faults {
  /** In a hundred. */
  readonly loss: number;
  readonly repeat: number;
  /** Greatest delay of a message, in moments. */
  readonly delay: number;
  /** Greatest time that a flush takes, in moments. */
  readonly flush: number;
  /** In ten thousand, at each moment. */
  readonly cut: number;
  readonly crash: number;
  readonly pause: number;
  readonly notice: number;
  /** A member whose time is up sooner than the others'. */
  readonly campaign: number;
  readonly change: number;
  readonly transfer: number;
  readonly snapshot: number;
}

/** What befalls whoever has just been elected, and snapshots on their way. 0: nothing, as soon as anything else. */
export interface LateFaults {
  /** Of a hundred that are elected, how many crash, with others or alone, or are cut off within some ticks. */
  readonly fall: number;
  /** Of a hundred that are elected, how many are asked for a change of members at once. */
  readonly hasty: number;
  /** Of a hundred of its links, how many carry no entries, but all else. */
  readonly narrow: number;
  /** By how many entries less than this a refusal's hint may lie before where the logs part; 0: by none. */
  readonly hint: number;
  /** Of a hundred messages of a leader, how many tell of nothing committed. */
  readonly hush: number;
  /** Greatest time that the writing of a chunk takes, in moments; 0: that of a flush. */
  readonly chunk: number;
  /** Snapshots, in ten thousand at each moment, of members that take many and keep no log before them; others keep much. 0: none does. */
  readonly snapshots: number;
}

/** Every run has its own mix, and most have one fault that is far more frequent than the others. */
export function drawFaults(random: Prng): Faults {
  const drawn = drawMix(random);
  const loud = random.pick(["cut", "crash", "campaign", "change", "change", "transfer"] as const);
  return { ...drawn, [loud]: Math.min(3_000, drawn[loud] * random.pick([1, 3, 8])) };
}

export const NOTHING_LATE: LateFaults = {
  fall: 0,
  hasty: 0,
  narrow: 0,
  hint: 0,
  hush: 0,
  chunk: 0,
  snapshots: 0,
};

export function drawLateFaults(random: Prng): LateFaults {
  if (random.chance(1, 3)) return NOTHING_LATE;
  return {
    fall: random.pick([0, 30, 70, 90]),
    hasty: random.pick([0, 40, 90]),
    narrow: random.pick([0, 40, 60, 60]),
    hint: random.pick([0, 0, 4, 12]),
    hush: random.pick([0, 80, 99]),
    chunk: random.pick([0, 40, 100, 100]),
    snapshots: random.pick([0, 1_000, 3_000]),
  };
}

function drawMix(random: Prng): Faults {
  const some = (bound: number): number => (random.chance(1, 2) ? 0 : 1 + random.below(bound));
  return {
    loss: some(25),
    repeat: some(20),
    delay: random.pick([1, 2, 6, 20]),
    flush: random.pick([1, 1, 4, 30]),
    cut: some(300),
    crash: some(400),
    pause: some(40),
    notice: some(400),
    campaign: some(600),
    change: some(600),
    transfer: some(200),
    snapshot: some(200),
  };
}
