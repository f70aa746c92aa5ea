/**
 * Whether the operations on one object can be put in an order that is correct one at a time and keeps real time: the
 * search of Wing and Gong with Lowe's cache.
 *
 * Invariants: I1 an operation is placed only while no other one that is not placed has returned before it was invoked.
 * I2 a set of placed operations with the state that they lead to is visited once; sets are compared exactly, never by
 * hash. I3 an operation without a known outcome may be placed anywhere after its invocation, or nowhere. I4 the search
 * can be interrupted and gone on with, so that a caller can bound it.
 * Source: Wing and Gong, "Testing and Verifying Concurrent Objects" (1993); Lowe, "Testing for Linearizability" (2017), §4;
 * Athalye's porcupine for the list of calls and returns. Deviations: operations without outcome are tried last and have
 * no return in the list, and of equal ones the eldest goes first; a set is written as its first gap and what is beyond.
 */
import { must } from "../../base/assert.ts";
import type { Operation } from "../history/history.ts";

/** One object, one operation at a time. States are text; equal states are equal text. */
export interface SequentialModel {
  readonly initial: string;
  /** The state after the operation, or undefined where its answer cannot be given. */
  step(state: string, operation: Operation): string | undefined;
  /** Operations that do the same and say the same have equal text. */
  classOf(operation: Operation): string;
}

/** How far the best order came. */
export interface Stuck {
  /**
   * The operation before whose return there is no order. The shortest prefix that has none ends with that return, if what
   * is under way by then may be left out but otherwise comes to what it came to.
   */
  readonly blocked: Operation;
  /** Operations of the longest order, last one last. */
  readonly order: readonly Operation[];
  readonly state: string;
}

const END = -1;
const ORDER_SHOWN = 5;
const BITS = 16;

export class Linearization {
  readonly #model: SequentialModel;
  /** Those that returned come first, each kind by invocation. */
  readonly #operations: readonly Operation[];
  readonly #returned: number;
  readonly #classes: Int32Array;
  /** For an operation without outcome: the one before it in its class, or END. */
  readonly #elder: Int32Array;
  /** The list: entry 2n is the call of operation n, 2n + 1 its return. `#head` is in front of the first. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #head: number;
  readonly #placed: Uint8Array;
  #low = 0;
  #left: number;
  readonly #stack: number[] = [];
  readonly #states: number[] = [];
  readonly #highs: number[] = [];
  #state = 0;
  #high = END;
  #entry: number;
  /** Whether operations without outcome are being tried. */
  #guessing = false;
  readonly #seen = new Set<string>();
  readonly #stateIds = new Map<string, number>();
  readonly #stateTexts: string[] = [];
  /** By state and class. */
  readonly #steps = new Map<number, number>();
  #classCount = 0;
  #stuck: Stuck | undefined;
  #stuckAt = END;
  /** Undefined while the search goes on. */
  result: "valid" | "invalid" | undefined;

  constructor(model: SequentialModel, operations: readonly Operation[]) {
    this.#model = model;
    const sure = operations.filter((each) => Number.isFinite(each.returned));
    const unsure = operations.filter((each) => !Number.isFinite(each.returned));
    this.#operations = [...sure, ...unsure];
    this.#returned = sure.length;
    this.#left = sure.length;
    const count = this.#operations.length;
    this.#placed = new Uint8Array(count);
    this.#classes = new Int32Array(count);
    this.#elder = new Int32Array(count).fill(END);
    this.#classify();
    this.#head = 2 * count;
    this.#next = new Int32Array(2 * count + 1).fill(END);
    this.#previous = new Int32Array(2 * count + 1).fill(END);
    this.#link();
    this.#entry = this.#first();
    this.#intern(model.initial);
  }

  #classify(): void {
    const classes = new Map<string, number>();
    const last = new Map<number, number>();
    for (const [at, operation] of this.#operations.entries()) {
      const text = this.#model.classOf(operation);
      const known = classes.get(text) ?? classes.size;
      classes.set(text, known);
      this.#classes[at] = known;
      if (at < this.#returned) continue;
      this.#elder[at] = last.get(known) ?? END;
      last.set(known, at);
    }
    this.#classCount = classes.size;
  }

  #link(): void {
    const entries = this.#operations.flatMap(({ invoked, returned }, at) => {
      const call = { place: invoked, entry: 2 * at };
      return at < this.#returned ? [call, { place: returned, entry: 2 * at + 1 }] : [call];
    });
    entries.sort((a, b) => a.place - b.place);
    let before = this.#head;
    for (const { entry } of entries) {
      this.#next[before] = entry;
      this.#previous[entry] = before;
      before = entry;
    }
  }

  /** Searches on for at most `steps` steps; gives how many it took. */
  run(steps: number): number {
    let taken = 0;
    while (this.result === undefined && taken < steps) {
      if (this.#left === 0) this.result = "valid";
      else taken += this.#walk();
    }
    return taken;
  }

  /** Where an invalid search came furthest. */
  get stuck(): Stuck {
    return must(
      this.#stuck,
      "an order was not found, so there is a place where the search stopped",
    );
  }

  /** One entry of the list. */
  #walk(): number {
    const entry = this.#entry;
    if (entry === END || (entry & 1) === 1) {
      if (this.#guessing) this.#back(entry);
      else this.#guess();
      return 1;
    }
    const at = entry >> 1;
    const unsure = at >= this.#returned;
    this.#entry = this.#next[entry] as number;
    if (unsure !== this.#guessing || !this.#eldest(at)) return 1;
    const state = this.#step(at);
    // One without outcome that changes nothing might as well be left out.
    if (state === END || (unsure && state === this.#state)) return 1;
    this.#place(at, state);
    return 1;
  }

  /** None of those that returned fits: those without outcome are next. */
  #guess(): void {
    this.#guessing = true;
    this.#entry = this.#first();
  }

  #first(): number {
    return this.#next[this.#head] as number;
  }

  #eldest(at: number): boolean {
    const elder = this.#elder[at] as number;
    return elder === END || this.#placed[elder] === 1;
  }

  /** Places the operation unless what comes of it has been tried. */
  #place(at: number, state: number): void {
    const high = at < this.#returned ? Math.max(this.#high, at) : this.#high;
    this.#placed[at] = 1;
    const low = this.#low;
    while (this.#low < this.#returned && this.#placed[this.#low] === 1) this.#low++;
    const key = this.#key(state, high);
    if (this.#seen.has(key)) {
      this.#placed[at] = 0;
      this.#low = low;
      return;
    }
    this.#seen.add(key);
    this.#stack.push(at);
    this.#states.push(this.#state);
    this.#highs.push(this.#high);
    this.#state = state;
    this.#high = high;
    if (at < this.#returned) this.#left--;
    this.#unlink(2 * at);
    if (at < this.#returned) this.#unlink(2 * at + 1);
    this.#guessing = false;
    this.#entry = this.#first();
  }

  /** Nothing fits in front of the return at `entry`. */
  #back(entry: number): void {
    if (entry !== END) this.#note(entry >> 1);
    const at = this.#stack.pop();
    if (at === undefined) {
      this.result = "invalid";
      return;
    }
    this.#state = this.#states.pop() as number;
    this.#high = this.#highs.pop() as number;
    this.#placed[at] = 0;
    if (at < this.#returned) {
      this.#low = Math.min(this.#low, at);
      this.#left++;
      this.#relink(2 * at + 1);
    }
    this.#relink(2 * at);
    this.#guessing = at >= this.#returned;
    this.#entry = this.#next[2 * at] as number;
  }

  #unlink(entry: number): void {
    const before = this.#previous[entry] as number;
    const behind = this.#next[entry] as number;
    this.#next[before] = behind;
    if (behind !== END) this.#previous[behind] = before;
  }

  /** In the reverse order of `#unlink`, its neighbours are still what they were. */
  #relink(entry: number): void {
    const before = this.#previous[entry] as number;
    const behind = this.#next[entry] as number;
    this.#next[before] = entry;
    if (behind !== END) this.#previous[behind] = entry;
  }

  #step(at: number): number {
    const key = this.#state * this.#classCount + (this.#classes[at] as number);
    const found = this.#steps.get(key);
    if (found !== undefined) return found;
    const text = this.#stateTexts[this.#state] as string;
    const after = this.#model.step(text, this.#operations[at] as Operation);
    const state = after === undefined ? END : this.#intern(after);
    this.#steps.set(key, state);
    return state;
  }

  #intern(text: string): number {
    const known = this.#stateIds.get(text);
    if (known !== undefined) return known;
    const made = this.#stateTexts.length;
    this.#stateIds.set(text, made);
    this.#stateTexts.push(text);
    return made;
  }

  #key(state: number, high: number): string {
    let key = `${state},${this.#low},`;
    key += this.#bits(this.#low, high + 1);
    return `${key},${this.#bits(this.#returned, this.#operations.length)}`;
  }

  /** From the lowest bit up, so that the end of a range needs no mark. */
  #bits(from: number, to: number): string {
    let out = "";
    for (let at = from; at < to; at += BITS) {
      let bits = 0;
      const end = Math.min(at + BITS, to);
      for (let each = at; each < end; each++) bits |= (this.#placed[each] as number) << (each - at);
      out += String.fromCharCode(bits);
    }
    return out;
  }

  #note(at: number): void {
    const blocked = this.#operations[at] as Operation;
    if (blocked.returned <= this.#stuckAt) return;
    this.#stuckAt = blocked.returned;
    const order = this.#stack
      .slice(-ORDER_SHOWN)
      .map((each) => this.#operations[each] as Operation);
    this.#stuck = { blocked, order, state: this.#stateTexts[this.#state] as string };
  }
}
