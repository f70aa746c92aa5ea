/**
 * Removes what was compacted from memory, in slices, and tells whoever waits for it to be gone.
 *
 * Invariant: one removal runs at a time; one that a pin held back is tried again when a pin is released, whoever had it.
 */
import type { Failure } from "../base/errors.ts";
import type { Reply } from "../contract/requests.ts";
import type { Base } from "../keyspace/base.ts";
import type { Clock } from "../ports/clock.ts";
import { runInSlices } from "./slices.ts";

export class Compaction {
  readonly #clock: Clock;
  readonly #failed: (error: unknown) => void;
  /** Called when something that waited has been answered. */
  readonly #answered: () => void;
  #base: Base;
  #running = false;
  #compactedTo = 0;
  /** Answers that wait until what they compacted is gone. */
  #waiting: { readonly revision: number; readonly answer: (last?: Failure) => void }[] = [];

  constructor(base: Base, clock: Clock, answered: () => void, failed: (error: unknown) => void) {
    this.#base = base;
    this.#clock = clock;
    this.#answered = answered;
    this.#failed = failed;
    this.#follow(base);
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  replaced(base: Base): void {
    this.#base.onReleased = (): void => {};
    this.#base = base;
    this.#compactedTo = 0;
    this.#follow(base);
    this.#answer();
  }

  /** Whoever releases a pin may be in the middle of something. */
  #follow(base: Base): void {
    base.onReleased = (): void => this.#clock.soon(() => this.#work());
  }

  /** Something was applied. */
  applied(): void {
    if (this.#base.compactRevision > this.#compactedTo) this.#work();
  }

  /** `done`, once what was compacted up to `revision` is gone from memory. */
  whenGone(revision: number, done: (reply: Reply) => void): (reply: Reply) => void {
    return (reply) => {
      if (!reply.ok) return done(reply);
      const answer = (last?: Failure): void =>
        done(last === undefined ? reply : { ok: false, failure: last });
      this.#waiting.push({ revision, answer });
      this.#answer();
    };
  }

  #answer(): void {
    if (this.#running) return;
    const gone = this.#base.versions.watchableFrom;
    const ready = this.#waiting.filter(({ revision }) => revision <= gone);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter(({ revision }) => revision > gone);
    for (const { answer } of ready) answer();
    this.#answered();
  }

  /** Removes what no pin holds back. */
  #work(): void {
    const base = this.#base;
    if (this.#running || base.settled) return;
    this.#running = true;
    this.#compactedTo = base.compactRevision;
    runInSlices(this.#clock, base.compactWork()).then(() => {
      this.#running = false;
      this.#answer();
      this.applied();
    }, this.#failed);
  }

  /** Nothing more will be removed. */
  stop(reason: Failure): void {
    for (const { answer } of this.#waiting.splice(0)) answer(reason);
  }
}
