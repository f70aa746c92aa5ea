/**
 * Reads that wait for their leader to be confirmed, and the rounds of heartbeats that confirm it.
 *
 * Invariants: I1 a read is confirmed only by a round that began after it. I2 one round is under way; what arrives
 * meanwhile shares the next one. Source: Ongaro's dissertation §6.4 and §6.4.1.
 */
import { assert } from "../../../base/assert.ts";
import type { MemberId } from "./messages.ts";

interface Waiting {
  readonly id: number;
  readonly index: number;
}

export class ReadQueue {
  /** Wait for a round to begin. */
  #waiting: Waiting[] = [];
  /** Wait for the round under way. */
  #asked: Waiting[] = [];
  #round = 0;
  #began = 0;
  #isOpen = false;
  /** Highest round that each member has answered. */
  #answered = new Map<MemberId, number>();
  /** When the newest confirmed round began, in ticks. */
  confirmedAt: number = -Infinity;

  get size(): number {
    return this.#waiting.length + this.#asked.length;
  }
  /** The round that heartbeats ask for. */
  get round(): number {
    return this.#round;
  }
  /** A round can begin and somebody waits for it. */
  get isDue(): boolean {
    return !this.#isOpen && this.#waiting.length > 0;
  }
  get isOpen(): boolean {
    return this.#isOpen;
  }

  add(id: number, index: number): void {
    assert(id > (this.#waiting.at(-1)?.id ?? this.#asked.at(-1)?.id ?? -1), "read ids ascend");
    this.#waiting.push({ id, index });
  }

  begin(ticks: number): void {
    assert(!this.#isOpen, "I2: one round is under way");
    this.#round++;
    this.#began = ticks;
    this.#isOpen = true;
    this.#asked = this.#waiting;
    this.#waiting = [];
  }

  answered(member: MemberId, round: number): void {
    assert(round <= this.#round, "a round is answered after it began");
    this.#answered.set(member, Math.max(round, this.#answered.get(member) ?? 0));
  }

  hasAnswered(member: MemberId): boolean {
    return this.#answered.get(member) === this.#round;
  }

  /** The round is confirmed; returns the reads that it confirms. */
  confirm(): readonly Waiting[] {
    assert(this.#isOpen, "only a round under way is confirmed");
    this.#isOpen = false;
    this.confirmedAt = this.#began;
    const asked = this.#asked;
    this.#asked = [];
    return asked;
  }

  /** Takes all that wait, without a round. */
  takeWaiting(): readonly Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    return waiting;
  }

  /** Gives all up; returns their ids. Rounds go on from where they were, so that a late answer fits none. */
  clear(): readonly number[] {
    const ids = [...this.#asked, ...this.#waiting].map(({ id }) => id);
    this.#asked = [];
    this.#waiting = [];
    this.#isOpen = false;
    this.#answered.clear();
    this.confirmedAt = -Infinity;
    return ids;
  }

  copy(): ReadQueue {
    const copied = new ReadQueue();
    copied.#waiting = this.#waiting.slice();
    copied.#asked = this.#asked.slice();
    copied.#round = this.#round;
    copied.#began = this.#began;
    copied.#isOpen = this.#isOpen;
    copied.#answered = new Map(this.#answered);
    copied.confirmedAt = this.confirmedAt;
    return copied;
  }

  fingerprint(ticks: number): string {
    const list = (reads: readonly Waiting[]): string =>
      reads.map(({ id, index }) => `${id}@${index}`).join(" ");
    const answered = [...this.#answered].map(
      ([member, round]) => `${member}:${this.#round - round}`,
    );
    const age = this.confirmedAt === -Infinity ? "-" : ticks - this.confirmedAt;
    return [list(this.#waiting), list(this.#asked), this.#isOpen, age, ...answered].join(";");
  }
}
