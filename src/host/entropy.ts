/** Node's randomness, in blocks: a system call per number would be the cost of an id. */
import { randomFillSync } from "node:crypto";
import type { Entropy } from "../ports/entropy.ts";

const BLOCK = 256;
const block = new Uint32Array(BLOCK);
let next = BLOCK;

export const hostEntropy: Entropy = {
  u32: () => {
    if (next === BLOCK) {
      randomFillSync(block);
      next = 0;
    }
    return block[next++] as number;
  },
};
