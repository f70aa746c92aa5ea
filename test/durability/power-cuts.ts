/** A world of the crash test, from its first power cut to its last. */
import { World } from "./world.ts";

const CYCLES = 50;

export interface Cuts {
  readonly crashes: number;
  readonly acknowledgements: number;
}

/** What world `seed` came to; `honest`: its disk keeps what it promises. Throws what the world found to be lost. */
export async function powerCuts(seed: number, honest: boolean): Promise<Cuts> {
  const world = new World({ seed, honest });
  try {
    for (let cycle = 0; cycle < CYCLES; cycle++) await world.cycle();
  } catch (error) {
    throw new Error(
      `seed ${seed}, power cut ${world.crashes}: QUORATE_SEED=${seed} QUORATE_CRASHES=${CYCLES}`,
      { cause: error },
    );
  }
  const { crashes, acknowledgements } = world;
  return { crashes, acknowledgements };
}
