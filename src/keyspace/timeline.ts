/**
 * Which revision was the newest at a past keyspace time: what trimming the history by age goes by.
 *
 * Invariants: I1 times and revisions ascend. I2 at most 1,024 instants are kept however long history is: when there are
 * more, every second one goes and the next ones are noted half as often.
 */

/** Instants remembered: one a second for seventeen minutes, one in 85 s for a day. */
const INSTANTS_MAX = 1_024;
const STEP_MS = 1_000;

export interface Instant {
  readonly time: number;
  readonly revision: number;
}

export class Timeline {
  #instants: Instant[] = [];
  #stepMs = STEP_MS;

  /** Oldest first. */
  get instants(): readonly Instant[] {
    return this.#instants;
  }

  /** Notes that `revision` is the newest at `time`, unless something was noted shortly before. */
  note(time: number, revision: number): void {
    const last = this.#instants.at(-1);
    if (last !== undefined && time - last.time < this.#stepMs) return;
    this.#instants.push({ time, revision });
    if (this.#instants.length <= INSTANTS_MAX) return;
    this.#instants = this.#instants.filter((_, at) => at % 2 === 0);
    this.#stepMs *= 2;
  }

  /** The newest revision that another had followed by `time`; forgets what was before it. */
  passed(time: number): number | undefined {
    let gone = 0;
    while ((this.#instants[gone + 1]?.time ?? Infinity) <= time) gone++;
    if (gone === 0) return undefined;
    const { revision } = this.#instants[gone - 1] as Instant;
    this.#instants = this.#instants.slice(gone);
    return revision;
  }

  /** Goes on from what another noted; false if that is not in order. */
  load(instants: readonly Instant[]): boolean {
    const ordered = instants.every(({ time, revision }, at) => {
      const before = instants[at - 1];
      return before === undefined || (before.time < time && before.revision <= revision);
    });
    if (!ordered || instants.length > INSTANTS_MAX) return false;
    this.#instants = [...instants];
    const spanMs = (instants.at(-1)?.time ?? 0) - (instants[0]?.time ?? 0);
    while (this.#stepMs * INSTANTS_MAX < spanMs) this.#stepMs *= 2;
    return true;
  }
}
