/**
 * Messages that wait for one connection, bounded in bytes: the oldest make room, because a Raft machine repeats what is
 * still needed and the newest say more. Entries are shared with the log, so a queue costs references until it is written.
 */
import type { Message } from "../../protocols/agreement/raft/messages.ts";
import { entryBytes } from "../../protocols/agreement/raft/messages.ts";

const MESSAGE_BYTES = 64;

/** What a message counts for, bytes. */
export function messageBytes(message: Message): number {
  if (message.kind === "chunk") return MESSAGE_BYTES + message.data.length;
  if (message.kind !== "append") return MESSAGE_BYTES;
  return message.entries.reduce((sum, entry) => sum + entryBytes(entry), MESSAGE_BYTES);
}

export class LaneQueue {
  readonly #bytesMax: number;
  #messages: Message[] = [];
  /** Where the oldest is. */
  #head = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get isEmpty(): boolean {
    return this.#head === this.#messages.length;
  }

  /** Returns how many older messages had to go. The newest is always kept. */
  push(message: Message): number {
    this.#messages.push(message);
    this.#bytes += messageBytes(message);
    let dropped = 0;
    for (; this.#bytes > this.#bytesMax && this.#messages.length - this.#head > 1; dropped++)
      this.shift();
    return dropped;
  }

  /** The oldest. */
  shift(): Message | undefined {
    const message = this.#messages[this.#head];
    if (message === undefined) return undefined;
    this.#bytes -= messageBytes(message);
    this.#head++;
    if (this.#head * 2 >= this.#messages.length) {
      this.#messages = this.#messages.slice(this.#head);
      this.#head = 0;
    }
    return message;
  }

  clear(): void {
    this.#messages = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
