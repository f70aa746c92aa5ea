/**
 * One direction of one connection between two members: bytes come from `source` and go to `sink` as the rule in force says.
 *
 * Invariants: I1 what is passed on is a prefix of what came, in its order: a direction that has swallowed bytes passes nothing
 * on any more, and is reset when it would. I2 what waits is bounded: while bytes are held or delayed no more than
 * `WAITING_BYTES_MAX` are taken, the rest stays in the kernel, as it does when packets are lost. I3 an end is passed on
 * behind the bytes in front of it.
 */
import type { Socket } from "node:net";
import type { LinkRule } from "./rules.ts";
import { PASS } from "./rules.ts";

const WAITING_BYTES_MAX = 4 << 20;

interface Waiting {
  readonly bytes: Buffer;
  readonly dueMs: number;
}

export class Flow {
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #reset: () => void;
  #rule: LinkRule = PASS;
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #hasSwallowed = false;
  #hasEnded = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: Socket, sink: Socket, reset: () => void) {
    this.#source = source;
    this.#sink = sink;
    this.#reset = reset;
    source.on("data", (bytes: Buffer) => this.take(bytes));
    source.on("end", () => this.#end());
    source.on("close", () => this.#end());
    sink.on("drain", () => this.#advance());
  }

  set rule(rule: LinkRule) {
    this.#rule = rule;
    if (rule.kind === "cut") this.#reset();
    else if (this.#hasSwallowed && rule.kind !== "swallow") this.#reset();
    else this.#advance();
  }

  take(bytes: Buffer): void {
    if (this.#rule.kind === "swallow") {
      this.#hasSwallowed = true;
      return;
    }
    const delayMs = this.#rule.kind === "delay" ? this.#rule.ms : 0;
    this.#waiting.push({ bytes, dueMs: performance.now() + delayMs });
    this.#waitingBytes += bytes.length;
    this.#advance();
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#advance();
  }

  /** Passes on what is due, and takes more where there is room. */
  #advance(): void {
    clearTimeout(this.#timer);
    if (this.#rule.kind === "swallow") {
      this.#source.resume();
      return;
    }
    const isHeld = this.#rule.kind === "hold";
    while (!isHeld && !this.#sink.writableNeedDrain) {
      const [first] = this.#waiting;
      const dueInMs = (first?.dueMs ?? 0) - performance.now();
      if (first === undefined || dueInMs > 0) {
        if (first !== undefined) this.#timer = setTimeout(() => this.#advance(), dueInMs);
        break;
      }
      this.#waiting.shift();
      this.#waitingBytes -= first.bytes.length;
      if (!this.#sink.destroyed) this.#sink.write(first.bytes);
    }
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#source.pause();
    else this.#source.resume();
    // Whoever went away is missed by the other side only when that can hear of it.
    if (this.#hasEnded && !isHeld && this.#waiting.length === 0) this.#sink.end();
  }
}
