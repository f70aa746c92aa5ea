/**
 * The stage of a simulated history: virtual time, seeded chance, and the recorder that sees calls begin and end.
 *
 * Invariants: I1 a seed gives one history. I2 what is recorded is in the order in which it happened. I3 a call takes effect
 * between its invocation and its return; one whose answer is lost at any time after its invocation, or never.
 */
import { type Prng, prng } from "../../base/prng.ts";
import type { Answer, Call } from "../history/calls.ts";
import type { HistoryEvent } from "../history/history.ts";

/** What the simulated object says: an answer, or why it refused. */
export type Effect = { readonly answer: Answer } | { readonly code: string };

interface Action {
  readonly at: number;
  readonly order: number;
  run(): void;
}

/** An event before it has its time. */
type Untimed<E> = E extends unknown ? Omit<E, "at"> : never;

export interface WorldOptions {
  readonly seed: number;
  /** Whether every call gets its answer. */
  readonly lossless: boolean;
}

const DELAY_MS = 12;
const PATIENCE_MS = 40;
const ODDS = 100;

export class World {
  readonly chance: Prng;
  readonly events: HistoryEvent[] = [];
  readonly lossless: boolean;
  now = 0;
  #actions: Action[] = [];
  #order = 0;
  #ops = 0;

  constructor({ seed, lossless }: WorldOptions) {
    this.chance = prng(seed);
    this.lossless = lossless;
  }

  /** Runs `run` when `delayMs` have passed. */
  after(delayMs: number, run: () => void): void {
    this.#actions.push({ at: this.now + delayMs, order: this.#order++, run });
  }

  record(event: Untimed<HistoryEvent>): void {
    this.events.push({ ...event, at: this.now } as HistoryEvent);
  }

  delay(): number {
    return this.chance.below(DELAY_MS) + 1;
  }

  percent(odds: number): boolean {
    return this.chance.chance(odds, ODDS);
  }

  /**
   * Carries out a call: `effect` happens at some moment in between, `next` when the caller goes on, with the answer if there
   * was one.
   */
  call(process: string, call: Call, effect: () => Effect, next: (answer?: Answer) => void): void {
    const op = ++this.#ops;
    this.record({ type: "invoke", process, op, call });
    const fate = this.lossless ? ODDS : this.chance.below(ODDS);
    if (fate < 10) {
      // Lost on its way there, or its answer on its way back; sometimes it is late.
      if (this.percent(60)) this.after(this.delay() * this.chance.pick([1, 1, 8]), effect);
      this.after(PATIENCE_MS, () => {
        if (this.percent(80)) this.record({ type: "indefinite", op, code: "TIMEOUT" });
        next();
      });
      return;
    }
    if (fate < 13) {
      this.after(this.delay(), () => {
        this.record({ type: "definite", op, code: "OVERLOADED" });
        next();
      });
      return;
    }
    this.after(this.delay(), () => {
      const came = effect();
      this.after(this.delay(), () => {
        if ("code" in came) this.record({ type: "definite", op, code: came.code });
        else this.record({ type: "answer", op, answer: came.answer });
        next("code" in came ? undefined : came.answer);
      });
    });
  }

  /** An operation whose answer comes when somebody else lets it. Gives how to record it. */
  begin(process: string, call: Call): (came: Effect) => void {
    const op = ++this.#ops;
    this.record({ type: "invoke", process, op, call });
    return (came) =>
      "code" in came
        ? this.record({ type: "definite", op, code: came.code })
        : this.record({ type: "answer", op, answer: came.answer });
  }

  /** Runs until nothing is left to do. */
  run(): void {
    while (this.#actions.length > 0) {
      let next = 0;
      for (const [at, action] of this.#actions.entries()) {
        const least = this.#actions[next] as Action;
        if (action.at < least.at || (action.at === least.at && action.order < least.order))
          next = at;
      }
      const action = this.#actions[next] as Action;
      this.#actions.splice(next, 1);
      this.now = action.at;
      action.run();
    }
  }
}
