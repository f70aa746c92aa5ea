/**
 * Bytes that are nearly right, for decoders: each input is made from a seed, so that a failure is repeated by one.
 * `QUORATE_FUZZ` is the number of inputs of each decoder, `QUORATE_SEED` the first seed; `npm run fuzz` sets them.
 */
import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import { Malformed } from "../../src/base/codec.ts";
import type { Prng } from "../../src/base/prng.ts";
import { prng } from "../../src/base/prng.ts";

export const INPUTS = Number(process.env["QUORATE_FUZZ"] ?? 50_000);
const SEED = Number(process.env["QUORATE_SEED"] ?? 1);
const SLOWEST_MS = 100;
/** Few inputs, as when one is replayed, say nothing about how the fuzz is spread. */
export const WHOLE: boolean = INPUTS >= 10_000;
/** Values at which lengths, counts and signs turn over. */
const EDGES: readonly number[] = [0, 1, 0x7f, 0x80, 0xff];

/** Changes a few places of `array`: bits, edge values, runs of one byte, pieces copied elsewhere. */
export function mutate(random: Prng, array: Uint8Array): void {
  if (array.length === 0) return;
  for (let left = 1 + random.below(4); left > 0; left--) {
    const at = random.below(array.length);
    const end = Math.min(array.length, at + 1 + random.below(16));
    switch (random.below(4)) {
      case 0:
        array[at] = (array[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        array[at] = random.pick(EDGES);
        break;
      case 2:
        array.fill(random.pick(EDGES), at, end);
        break;
      case 3:
        array.copyWithin(random.below(array.length), at, end);
    }
  }
}

/** Runs `read` on `INPUTS` inputs: any error but Malformed fails, and so does one that takes long. */
export function fuzz(read: (random: Prng) => boolean): {
  readonly accepted: number;
  readonly slowestMs: number;
} {
  let accepted = 0;
  let slowestMs = 0;
  for (let seed = SEED; seed < SEED + INPUTS; seed++) {
    const started = performance.now();
    try {
      if (read(prng(seed))) accepted++;
    } catch (error) {
      if (!(error instanceof Malformed))
        throw new Error(`QUORATE_SEED=${seed} QUORATE_FUZZ=1: ${String(error)}`, { cause: error });
    }
    let tookMs = performance.now() - started;
    // A pause of the machine is not the decoder's: what is slow must be slow again.
    if (tookMs > SLOWEST_MS) tookMs = Math.min(tookMs, again(read, seed));
    assert.ok(tookMs <= SLOWEST_MS, `QUORATE_SEED=${seed} QUORATE_FUZZ=1 takes ${tookMs} ms`);
    slowestMs = Math.max(slowestMs, tookMs);
  }
  return { accepted, slowestMs };
}

/** How long the same input takes of the processor, ms: what the machine does meanwhile does not count. */
function again(read: (random: Prng) => boolean, seed: number): number {
  const started = process.cpuUsage();
  try {
    read(prng(seed));
  } catch {
    // Judged above.
  }
  const { user, system } = process.cpuUsage(started);
  return (user + system) / 1_000;
}
