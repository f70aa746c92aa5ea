/**
 * The links of a simulated Raft cluster: messages are lost, repeated, delayed past each other; links are cut in one
 * direction, or carry no entries; refusals hint worse, and leaders tell of less, than they could.
 */
import type { Prng } from "../../base/prng.ts";
import type { Message } from "../../protocols/agreement/raft/messages.ts";
import type { Faults, LateFaults } from "./faults.ts";
import { NOTHING_LATE } from "./faults.ts";

type WireFaults = Pick<Faults, "loss" | "repeat" | "delay">;

export class SimWire {
  readonly #random: Prng;
  /** Of the late faults: a stream of its own. */
  readonly #chance: Prng;
  #faults: WireFaults;
  #late: LateFaults;
  readonly #due = new Map<number, Message[]>();
  /** Links as `from>to`. */
  readonly #cut = new Set<string>();
  #cutUntil = 0;
  /** Links that carry no entries. */
  readonly #narrow = new Set<string>();

  constructor(random: Prng, chance: Prng, faults: WireFaults, late: LateFaults) {
    this.#random = random;
    this.#chance = chance;
    this.#faults = faults;
    this.#late = late;
  }

  send(message: Message, now: number): void {
    if (this.#isLost(message) || this.#random.chance(this.#faults.loss, 100)) return;
    const sent = this.#worse(message);
    this.#put(sent, now);
    if (this.#random.chance(this.#faults.repeat, 100)) this.#put(sent, now);
  }

  take(now: number): readonly Message[] {
    const due = this.#due.get(now) ?? [];
    this.#due.delete(now);
    return due;
  }

  isCut(from: number, to: number): boolean {
    return this.#cut.has(`${from}>${to}`);
  }

  cut(from: number, to: number): void {
    this.#cut.add(`${from}>${to}`);
  }

  /** All that is cut is so until then. */
  cutUntil(moment: number): void {
    this.#cutUntil = moment;
  }

  mendAt(now: number): void {
    if (now >= this.#cutUntil) this.#cut.clear();
  }

  /** Draws which links of a member carry entries. */
  narrow(from: number, others: readonly number[]): void {
    if (this.#late.narrow === 0) return;
    for (const to of others) {
      if (this.#chance.chance(this.#late.narrow, 100)) this.#narrow.add(`${from}>${to}`);
      else this.#narrow.delete(`${from}>${to}`);
    }
  }

  /** From now on nothing goes wrong. */
  heal(): void {
    this.#faults = { loss: 0, repeat: 0, delay: 1 };
    this.#late = NOTHING_LATE;
    this.#cut.clear();
    this.#narrow.clear();
  }

  /** Nothing but speed rests on a refusal's hint, or on when a follower learns what is committed. */
  #worse(message: Message): Message {
    const { hint, hush } = this.#late;
    if (message.kind === "appendRefused" && hint > 0) {
      const hintIndex = Math.max(0, message.hintIndex - this.#chance.below(hint));
      return { ...message, hintIndex };
    }
    const tellsCommit = message.kind === "append" || message.kind === "heartbeat";
    const isHushed = tellsCommit && hush > 0 && this.#chance.chance(hush, 100);
    return isHushed ? { ...message, commit: 0 } : message;
  }

  #isLost(message: Message): boolean {
    if (this.#cut.size === 0 && this.#narrow.size === 0) return false;
    const link = `${message.from}>${message.to}`;
    const hasEntries = message.kind === "append" && message.entries.length > 0;
    return this.#cut.has(link) || (hasEntries && this.#narrow.has(link));
  }

  #put(message: Message, now: number): void {
    const at = now + 1 + this.#random.below(this.#faults.delay);
    const due = this.#due.get(at);
    if (due === undefined) this.#due.set(at, [message]);
    else due.push(message);
  }
}
