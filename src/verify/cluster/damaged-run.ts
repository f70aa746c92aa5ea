/**
 * A simulated cluster of which a log is damaged now and then, at one member at a time and while it is down, in a way that
 * the others can mend: whatever else goes wrong.
 */
import { damageLog } from "./harm.ts";
import type { Node } from "./node.ts";
import type { RunOptions } from "./run.ts";
import { ClusterRun } from "./run.ts";

/** In ten thousand, at each beat. */
const RATE = 400;
/** Of two voters the other one alone does not decide, and what a leader alone had is nowhere else. */
const VOTERS_MIN = 3;

export class DamagedRun extends ClusterRun {
  /** How often something was damaged. */
  harmed = 0;
  #patient: Node | undefined;
  #voters = VOTERS_MIN;

  constructor(options: RunOptions) {
    super({ ...options, members: VOTERS_MIN, faults: { harm: 0, ...options.faults } });
  }

  override async pass(ms: number): Promise<void> {
    await super.pass(ms);
    if (this.#patient?.driver?.standing().isRepairing === false) this.#patient = undefined;
    this.#voters = this.leader()?.raft?.config.voters.length ?? this.#voters;
    const isDue = this.random.chance(RATE, 10_000) && this.#voters >= VOTERS_MIN;
    const down = this.nodes.filter(({ life }) => life === undefined);
    if (!isDue || this.#patient !== undefined || down.length === 0) return;
    this.#patient = this.random.pick(down);
    damageLog(this.#patient.disk, this.random);
    this.harmed++;
  }
}
