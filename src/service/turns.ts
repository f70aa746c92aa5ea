/**
 * The one thread, shared by all who bring it work: connections, handshakes, long answers.
 *
 * Who lately used little, and does not leave work undone, is *light*, the rest are *heavy*. Invariants: I1 in one turn of the event loop the heavy together
 * work for `TURN_MS`, and so do the light; what was begun before that was spent goes on for `TURN_MS` at most. I2 who has
 * more, or comes when it is spent, waits in line, the light ahead of the heavy; a heavy one waits if others do. I3 after a
 * turn in which those in line were served, there is one in which only the light are: what they brought is on its way to the
 * disk and back before the next. I4 none waits for ever: while heavy ones wait, one goes on in every second turn. I5 what
 * work causes later (`LATER_MS`) is owed: heavy ones who owe wait until as much time has passed, all of them together, and `REST_MAX_MS` at most.
 * Source: feedback queues (Corbató et al., *An Experimental Time-Sharing System*, 1962); here the queue is found from what
 * was used, not from the last turn alone. Leaves out: what finished work causes and nobody says of it.
 */
import { Allowance } from "../base/allowance.ts";
import { assert } from "../base/assert.ts";
import type { Clock } from "../ports/clock.ts";

/** What all may use of one turn of the event loop, ms. */
export const TURN_MS = 1;
/** Small pieces of work after which the clock is looked at. */
const LOOKED_AFTER = 16;
/** What counts as little: so many ms at once, and then this many of each second: some 300 requests. */
const LITTLE_MS = 2;
const LITTLE_MS_PER_SECOND = 50;
/**
 * What some work causes beyond the time that it takes, ms: the library's part, deliveries, and most of all collection, which
 * stops everybody for as long as there is to keep of what was made lately.
 */
export const LATER_MS = {
  /** A watch begins: of a client with as many as programs have, and of one with more (`MANY_WATCHES`). */
  watch: 0.05,
  watchOfMany: 0.2,
  /** A TLS handshake begins. */
  handshake: 2,
  /** A stream that came to nothing. */
  waste: 0.02,
} as const;
/**
 * Whose watches are more than so many, on one connection or stream, opens 5,000 of them in a second, not 20,000: what each
 * leaves to be kept makes collections longer for all.
 */
const MANY_WATCHES = 10_000;
/** Who owes rests no longer, however many owe: clients leave a server that is silent for a second (REM-12). */
const REST_MAX_MS = 250;
/** What took longer was hardly the work's doing: a collection, another program. */
const CHARGED_MS: number = TURN_MS;

/** What one more watch causes, ms, of a client that has `open` already. */
export function laterOfWatch(open: number): number {
  return open < MANY_WATCHES ? LATER_MS.watch : LATER_MS.watchOfMany;
}

export class Turns {
  readonly #clock: Clock;
  readonly #light = new Line();
  readonly #heavy = new Line();
  /** Heavy ones who owe: not in line until it is paid. */
  readonly #debtors = new Set<Turn>();
  /** When all that is owed has been waited for. */
  #paidMs = 0;
  #scheduled = false;
  #resting = false;
  /** The heavy were served in the last turn. */
  #served = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** For one who has work: `goOn` is called when it was told to wait, and need wait no more. */
  turn(goOn: () => void): Turn {
    return new Turn(this, goOn);
  }

  /** Does `work` to its end, in turns, and gives what it yielded; undefined if `isUnwanted` says in between that nobody wants it. */
  run<T>(work: Iterable<T>, isUnwanted: () => boolean): Promise<readonly T[] | undefined> {
    return new Promise((resolve, reject) => {
      const all: T[] = [];
      const pieces = work[Symbol.iterator]();
      const turn = this.turn(() => {
        if (isUnwanted()) return resolve(undefined);
        if (!turn.begin()) return;
        try {
          for (let next = pieces.next(); next.done !== true; next = pieces.next()) {
            all.push(next.value);
            if (turn.isOver("large")) return;
          }
          resolve(all);
        } catch (error) {
          reject(error as Error);
        } finally {
          turn.end();
        }
      });
      turn.goOn();
    });
  }

  /** For turns. */
  nowMs(): number {
    return this.#clock.monotonicMs();
  }

  /** For turns: whether one who comes may begin at once. */
  admits({ isLight, owes }: Standing, nowMs: number): boolean {
    if (isLight) return this.#light.hasTime;
    if (owes && nowMs < this.#paidMs) return false;
    return this.#heavy.hasTime && this.#heavy.waiting.size === 0;
  }

  /** For turns: work that ends `nowMs` took so long, and causes as much as `laterMs`. */
  spend(isLight: boolean, ms: number, laterMs: number, nowMs: number): void {
    if (ms + laterMs === 0) return;
    (isLight ? this.#light : this.#heavy).spentMs += ms + laterMs;
    // While one who owes works, nobody's debt is waited for.
    const paidMs = Math.max(this.#paidMs, nowMs - ms) + ms + laterMs;
    if (laterMs > 0) this.#paidMs = Math.min(paidMs, nowMs + REST_MAX_MS);
    this.#schedule();
  }

  /** For turns. */
  wait(turn: Turn, { isLight, owes }: Standing): void {
    const line = isLight ? this.#light.waiting : owes ? this.#debtors : this.#heavy.waiting;
    line.add(turn);
    this.#schedule();
  }

  /** For turns. */
  leave(turn: Turn): void {
    this.#light.waiting.delete(turn);
    this.#heavy.waiting.delete(turn);
    this.#debtors.delete(turn);
  }

  /** As long as anything has been spent, there is an end of this turn to come. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.soon(() => this.#next());
  }

  #next(): void {
    this.#scheduled = false;
    this.#light.serve();
    this.#heavy.spentMs = 0;
    const restMs = this.#debtors.size === 0 ? 0 : this.#paidMs - this.nowMs();
    if (restMs <= 0) this.#releaseDebtors();
    this.#served = !this.#served && this.#heavy.waiting.size > 0;
    if (this.#served) this.#heavy.serve();
    if (this.#light.waiting.size + this.#heavy.waiting.size > 0) this.#schedule();
    else if (this.#debtors.size > 0) this.#rest(restMs);
  }

  #releaseDebtors(): void {
    for (const turn of this.#debtors) this.#heavy.waiting.add(turn);
    this.#debtors.clear();
  }

  #rest(ms: number): void {
    if (this.#resting) return;
    this.#resting = true;
    this.#clock.after(Math.max(0, ms), () => {
      this.#resting = false;
      this.#schedule();
    });
  }
}

/** Whose turn comes when. */
interface Standing {
  readonly isLight: boolean;
  readonly owes: boolean;
}

/** Those who wait, first come first served, and what their kind has used of this turn. */
class Line {
  readonly waiting: Set<Turn> = new Set();
  spentMs = 0;

  get hasTime(): boolean {
    return this.spentMs < TURN_MS;
  }

  /** Begins a turn. */
  serve(): void {
    this.spentMs = 0;
    // Who has more to do gets in line again.
    for (const turn of this.waiting) {
      if (!this.hasTime) return;
      this.waiting.delete(turn);
      turn.serve();
    }
  }
}

/** The turns of one who has work. */
export class Turn {
  readonly #turns: Turns;
  /** Called when there need be no more waiting. */
  readonly goOn: () => void;
  readonly #usage = new Allowance(LITTLE_MS, LITTLE_MS_PER_SECOND);
  #state: "idle" | "called" | "working" = "idle";
  /** As it began. */
  #beganLight = true;
  #isLight = true;
  /** It is in line, also while it ends what it is at. */
  #waits = false;
  #beganMs = 0;
  #pieces = 0;
  /** What its last work causes. */
  #laterMs = 0;

  constructor(turns: Turns, goOn: () => void) {
    this.#turns = turns;
    this.goOn = goOn;
  }

  /** In line: `goOn` will be called. */
  get waits(): boolean {
    return this.#waits;
  }

  /** Whether work may begin now, which ends with `end`; else it waits. */
  begin(): boolean {
    assert(this.#state !== "working", "a turn begins once");
    if (this.#waits) return false;
    this.#beganMs = this.#turns.nowMs();
    if (this.#state !== "called") {
      this.#isLight = this.#usage.spend(this.#beganMs, 0);
      if (!this.#turns.admits(this.#standing, this.#beganMs)) {
        this.wait();
        return false;
      }
    }
    this.#beganLight = this.#isLight;
    this.#state = "working";
    this.#pieces = 0;
    this.#laterMs = 0;
    return true;
  }

  /** Asked after each piece of work: whether that was the last for now. Then it waits. */
  isOver(piece: "small" | "large" = "small"): boolean {
    if (this.#waits) return true;
    if (this.#state === "working") {
      if (piece === "small" && ++this.#pieces % LOOKED_AFTER !== 0) return false;
      if (this.#turns.nowMs() - this.#beganMs < TURN_MS) return false;
      // Whatever it used lately: the rest is too much to wait ahead of others.
      this.#isLight = false;
    }
    this.wait();
    return true;
  }

  /** The work causes as much beyond the time that it takes. */
  owes(ms: number): void {
    this.#laterMs += ms;
  }

  end(): void {
    assert(this.#state === "working", "what ends has begun");
    this.#state = "idle";
    const nowMs = this.#turns.nowMs();
    const tookMs = Math.min(nowMs - this.#beganMs, CHARGED_MS);
    if (!this.#usage.spend(nowMs, tookMs + this.#laterMs)) this.#isLight = false;
    this.#turns.spend(this.#beganLight, tookMs, this.#laterMs, nowMs);
  }

  /** Gets in line. */
  wait(): void {
    if (this.#waits) return;
    this.#waits = true;
    this.#turns.wait(this, this.#standing);
  }

  get #standing(): Standing {
    return { isLight: this.#isLight, owes: this.#laterMs > 0 };
  }

  /** Nothing more is to be done. */
  leave(): void {
    this.#waits = false;
    this.#turns.leave(this);
  }

  /** For `Turns`: it is the first of its line. */
  serve(): void {
    assert(this.#state === "idle", "who is served has ended the last turn");
    this.#waits = false;
    this.#state = "called";
    this.goOn();
    if (this.#state === "called") this.#state = "idle";
  }
}

/** Long work of one kind, one after the other: many at once would take their turns together. */
export class OneByOne {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work);
    this.#last = next.catch(() => {});
    return next;
  }
}
