/**
 * How much of what is applied stays in the Raft machine's log: a bounded end, for members that are a little behind. Who
 * is further behind gets a snapshot, which is made when it is asked for.
 *
 * Invariants: I1 who has no other member to feed keeps nothing. I2 while a snapshot is on its way the entries after it
 * stay, up to a greater bound: else the member would need another one when it has it.
 */
import type { Entry } from "../protocols/agreement/raft/messages.ts";
import { entryBytes } from "../protocols/agreement/raft/messages.ts";
import type { Raft } from "../protocols/agreement/raft/raft.ts";

/** How many times the usual may stay while a snapshot is on its way. */
const HELD_TIMES = 8;

export class LogTail {
  readonly #raft: Raft;
  readonly #bytesMax: number;
  /** Of applied entries that are kept. */
  #bytes = 0;

  constructor(raft: Raft, bytesMax: number) {
    this.#raft = raft;
    this.#bytesMax = bytesMax;
    const { log } = raft;
    if (log.first <= log.commit)
      for (const entry of log.slice(log.first, log.commit, Infinity))
        this.#bytes += entryBytes(entry);
  }

  applied(entries: readonly Entry[]): void {
    for (const entry of entries) this.#bytes += entryBytes(entry);
  }

  /** A snapshot took the log's place. */
  installed(): void {
    this.#bytes = 0;
  }

  /** Up to where entries need not stay, now that those up to `index` are applied; undefined: all may stay. */
  surplus(index: number): number | undefined {
    const { voters, outgoing, learners } = this.#raft.config;
    if (voters.length === 1 && outgoing.length + learners.length === 0) {
      this.#bytes = 0;
      return index;
    }
    // A quarter more than is wanted is let grow, so that dropping is cheap.
    const bytesMax = this.#bytesMax * (this.isFeeding ? HELD_TIMES : 1);
    if (this.#bytes <= bytesMax * 1.25) return undefined;
    const { log } = this.#raft;
    let at = log.first;
    for (; this.#bytes > bytesMax && at <= index; at++) {
      const entry = log.at(at);
      if (entry === undefined) break;
      this.#bytes -= entryBytes(entry);
    }
    return at - 1;
  }

  /** Some member gets a snapshot. */
  get isFeeding(): boolean {
    for (const { state } of this.#raft.progress.values()) if (state === "snapshot") return true;
    return false;
  }

  /** With a snapshot at `index` to be had, nothing is dropped that was to stay. */
  kept(index: number): number {
    return Math.min(index, this.#raft.log.first - 1);
  }
}
