/**
 * A seeded generator (xoshiro128**, Blackman and Vigna 2018) for simulation, jitter and property tests. Deterministic
 * on every runtime: 32-bit integer operations only. Not for secrets.
 */

/** A source of numbers that a seed determines. */
export interface Prng {
  /** A uniform integer in [0, 2^32). */
  u32(): number;
  /** A uniform integer in [0, bound). */
  below(bound: number): number;
  /** True with probability `numerator / denominator`. */
  chance(numerator: number, denominator: number): boolean;
  /** One of `items`. */
  pick<T>(items: readonly T[]): T;
}

/** The generator of `seed`. */
export function prng(seed: number): Prng {
  const state = new Uint32Array(4);
  let mix = seed >>> 0;
  for (let at = 0; at < 4; at++) {
    mix = (mix + 0x9e3779b9) >>> 0;
    let z = mix;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    state[at] = (z ^ (z >>> 16)) >>> 0;
  }
  const u32 = (): number => {
    const s1 = state[1] as number;
    const result = Math.imul(rotate(Math.imul(s1, 5), 7), 9) >>> 0;
    const shifted = s1 << 9;
    state[2] = (state[2] as number) ^ (state[0] as number);
    state[3] = (state[3] as number) ^ s1;
    state[1] = s1 ^ (state[2] as number);
    state[0] = (state[0] as number) ^ (state[3] as number);
    state[2] = (state[2] as number) ^ shifted;
    state[3] = rotate(state[3] as number, 11);
    return result;
  };
  const below = (bound: number): number => Math.floor((u32() / 0x1_0000_0000) * bound);
  return {
    u32,
    below,
    chance: (numerator, denominator) => below(denominator) < numerator,
    pick: (items) => items[below(items.length)] as (typeof items)[number],
  };
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
