/** What the swarms of this folder run for a seed. */
import { DamagedRun } from "../../src/verify/cluster/damaged-run.ts";
import type { Node } from "../../src/verify/cluster/node.ts";
import type { RunReport } from "../../src/verify/cluster/run.ts";
import { runCluster } from "../../src/verify/cluster/run.ts";
import type { Hunted } from "../../src/verify/planted/hunt.ts";
import { hunt } from "../../src/verify/planted/hunt.ts";
import { TABLE } from "../../src/verify/planted/table.ts";

export async function cluster(seed: number): Promise<RunReport> {
  return await again(seed, () => runCluster({ seed }));
}

export interface Repairs {
  /** Times that a member was damaged. */
  readonly harmed: number;
  /** Members with a file set aside. */
  readonly repaired: number;
}

export async function damaged(seed: number): Promise<Repairs> {
  const run = new DamagedRun({ seed });
  return await again(seed, async () => {
    await run.disturb();
    await run.heal();
    await run.end();
    return { harmed: run.harmed, repaired: run.nodes.filter(wasRepaired).length };
  });
}

function wasRepaired({ disk }: Node): boolean {
  return disk.names().some((name) => name.endsWith(".damaged"));
}

/** Looks for the planted mistake `id`, from the seed of its row on. */
export async function planted(id: string, most: number): Promise<Hunted> {
  const row = TABLE.find((each) => each.id === id);
  if (row === undefined || row.swarm === "none") throw new Error(`${id} is not planted`);
  return await hunt(row, row.from ?? 1, most);
}

/** What `work` throws says how it is repeated. */
async function again<T>(seed: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`seed ${seed}: QUORATE_SEED=${seed} QUORATE_CLUSTERS=1`, { cause: error });
  }
}
