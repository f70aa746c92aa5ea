/** The faults of a simulated run of whole drivers, and how a seed draws them. */
import type { Prng } from "../../base/prng.ts";

/** What can go wrong. Rates are in ten thousand, at each beat of the run. 0: not at all. */
export interface ClusterFaults {
  /** Of messages, in a hundred. */
  readonly loss: number;
  readonly repeat: number;
  readonly delayMs: number;
  readonly cut: number;
  /** A connection breaks, and is there again at once. */
  readonly reset: number;
  readonly crash: number;
  /** Power is lost everywhere. */
  readonly crashAll: number;
  /** A process ends, its machine goes on. */
  readonly kill: number;
  readonly pause: number;
  readonly slowDisk: number;
  readonly badDisk: number;
  /** Of wall clocks. */
  readonly jump: number;
  /** Of monotonic clocks, in a hundred, either way. */
  readonly drift: number;
  readonly change: number;
  readonly transfer: number;
  /** The disk of a member is damaged, or gone; the member is repaired, or replaced. Then nothing else changes who is one. */
  readonly harm: number;
}

export const NO_FAULTS: ClusterFaults = {
  loss: 0,
  repeat: 0,
  delayMs: 1,
  cut: 0,
  reset: 0,
  crash: 0,
  crashAll: 0,
  kill: 0,
  pause: 0,
  slowDisk: 0,
  badDisk: 0,
  jump: 0,
  drift: 0,
  change: 0,
  transfer: 0,
  harm: 0,
};

const LOUD = [
  "cut",
  "cut",
  "crash",
  "crash",
  "kill",
  "reset",
  "pause",
  "pause",
  "slowDisk",
  "change",
  "transfer",
] as const;

/** Where disks are harmed, members are up often enough to do without one. */
const HARMED = { change: 0, crash: 30, crashAll: 0, kill: 30, cut: 30, pause: 0 } as const;

/** Every run has its own mix, and one fault that is far more frequent than the others. */
export function drawClusterFaults(random: Prng): ClusterFaults {
  const drawn = drawMix(random);
  const loud = random.pick(LOUD);
  const mix = { ...drawn, [loud]: Math.min(1_000, (50 + drawn[loud]) * random.pick([1, 3, 8])) };
  return random.chance(1, 4) ? { ...mix, ...HARMED, harm: 600 + random.below(900) } : mix;
}

function drawMix(random: Prng): ClusterFaults {
  const some = (bound: number): number => (random.chance(1, 2) ? 0 : 1 + random.below(bound));
  return {
    loss: some(20),
    repeat: some(20),
    delayMs: random.pick([1, 2, 10, 60]),
    cut: some(250),
    reset: some(300),
    crash: some(500),
    crashAll: random.chance(3, 4) ? 0 : some(40),
    kill: some(200),
    pause: some(600),
    slowDisk: some(60),
    badDisk: some(40),
    jump: some(60),
    drift: random.pick([0, 0, 2, 10]),
    change: some(200),
    transfer: some(200),
    harm: 0,
  };
}
