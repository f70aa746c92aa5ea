/** Randomness as a port: ids must differ between processes, and a simulation must own them. */

/** A source of unpredictable numbers. */
export interface Entropy {
  /** A uniform integer in [0, 2^32). */
  u32(): number;
}

/** A positive 63-bit integer, never zero: the form of lease ids and caller ids. */
export function id63(entropy: Entropy): bigint {
  const high = BigInt(entropy.u32() & 0x7fff_ffff);
  const id = (high << 32n) | BigInt(entropy.u32());
  return id === 0n ? 1n : id;
}
