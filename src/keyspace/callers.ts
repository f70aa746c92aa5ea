/**
 * Callers: deduplication identities with the replies that may still be asked for again.
 *
 * Invariants: I1 a caller exists from its logged opening to its logged closing, never by being used. I2 a reply is
 * recorded in the entry of the writes it vouches for. I3 replies below `firstUnacked` are dropped and never asked for.
 * Source: Lee et al., RIFL (SOSP 2015) §3–4; Ongaro's dissertation §6.3.
 */
import { SlidingWindow } from "../base/sliding-window.ts";
import type { Reply, Request } from "../contract/requests.ts";

/** A reply and what it answers. */
export interface KeptReply {
  readonly request: Request["kind"];
  readonly reply: Reply;
}

export interface Caller {
  readonly id: bigint;
  /** The user who opened it and alone may use it while users are enabled; empty: opened without one. */
  readonly owner: string;
  firstUnacked: number;
  /** The highest sequence with a record. */
  newest: number;
  readonly replies: SlidingWindow<KeptReply>;
  /** Keyspace time of its last recorded command. */
  lastTime: number;
}

export class Callers {
  readonly #byId = new Map<bigint, Caller>();

  get count(): number {
    return this.#byId.size;
  }
  get(id: bigint): Caller | undefined {
    return this.#byId.get(id);
  }
  all(): Iterable<Caller> {
    return this.#byId.values();
  }
  open(id: bigint, time: number, owner = ""): void {
    this.#byId.set(id, {
      id,
      owner,
      firstUnacked: 1,
      newest: 0,
      replies: new SlidingWindow(),
      lastTime: time,
    });
  }
  close(id: bigint): void {
    this.#byId.delete(id);
  }

  record(id: bigint, sequence: number, firstUnacked: number, kept: KeptReply, time: number): void {
    const caller = this.#byId.get(id);
    if (caller === undefined) return;
    if (sequence >= caller.firstUnacked) caller.replies.set(sequence, kept);
    caller.newest = Math.max(caller.newest, sequence);
    caller.lastTime = time;
    if (firstUnacked <= caller.firstUnacked) return;
    caller.firstUnacked = firstUnacked;
    caller.replies.forgetBelow(firstUnacked);
  }

  /** Callers idle since before `since`: keyspace time, so that every replica would say the same. */
  idle(since: number): readonly bigint[] {
    const found: bigint[] = [];
    for (const caller of this.#byId.values()) if (caller.lastTime < since) found.push(caller.id);
    return found;
  }
}
