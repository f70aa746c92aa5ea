/**
 * What can be handed to somebody who waits, in one step: no moment without an owner, and the next one is chosen.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { CallOptions } from "../../../contract/keyspace.ts";
import { sleep } from "../../../ports/clock.ts";
import type { Holder } from "./acquire.ts";
import { requireWait } from "./arguments.ts";
import type { Contended } from "./contended.ts";
import { ask } from "./contended.ts";
import { handOver, stay } from "./granted.ts";
import { tell } from "./tell.ts";
import { Held } from "./held.ts";
import type { HeldParts } from "./held.ts";
import { prefixEnd } from "./layout.ts";

export interface HandOverOptions extends CallOptions {
  /** A waiter's key, `service@host` or label; default: who is served next. */
  readonly to?: string | undefined;
  /** How long to wait for one to come, ms; default 0. */
  readonly waitMs?: number | undefined;
}

export type HandedOver =
  | {
      readonly ok: true;
      /** Who owns it now. */
      readonly to: string;
    }
  | { readonly ok: false; readonly reason: "nobody"; readonly why: string };

/** A hold with one owner, which can be handed over. */
export class HeldAlone extends Held {
  readonly #on: Contended;
  /** Hand-overs that it has asked for, and how many of them may be carried out unnoticed. */
  #asked = 0;
  #open = 0;

  constructor(parts: HeldParts, on: Contended) {
    super(parts);
    this.#on = on;
  }

  /**
   * Gives it to one who waits; afterwards `signal` is aborted with CANCELLED. From the moment that the engine is asked
   * until it answers, this does not certainly own it (`remainingMs` is 0); after an indefinite failure until it is known,
   * and the hand-over can come no more. Throws what ended it if it
   * is no longer owned, INVALID beside a claim on several names. Cost: one round trip and flush; the object is owned by grant from
   * then on, until nobody contends.
   */
  async handover(options: HandOverOptions = {}): Promise<HandedOver> {
    const { to, waitMs = 0, signal, timeoutMs } = options;
    const { plane, prefix, object, shared } = this.#on;
    if (shared === true) throw this.#shared();
    requireWait(object, waitMs);
    const until = plane.clock.monotonicMs() + waitMs;
    const args = { prefix, key: this.key, created: this.created, to };
    for (;;) {
      this.assertHeld();
      const { result, revision } = await this.#asks((number) =>
        ask(this.#on, handOver, { ...args, number }, { signal, timeoutMs }),
      );
      if (result.state === "done") {
        await this.end(`was handed over to ${result.to}`);
        return { ok: true, to: result.to };
      }
      if (result.state === "absent") throw this.#lost();
      this.#answered();
      const leftMs = until - plane.clock.monotonicMs();
      if (leftMs <= 0) {
        const why = to === undefined ? "nobody waits for it" : `${to} does not wait for it`;
        return { ok: false, reason: "nobody", why: `${object}: ${why}` };
      }
      await this.#somebodyComes(revision, leftMs, signal);
    }
  }

  /** Asks the engine to hand over: until it has answered, it may have. */
  async #asks<T>(ask: (number: number) => Promise<T>): Promise<T> {
    const number = ++this.#asked;
    this.#open++;
    this.doubt(true);
    try {
      return await ask(number);
    } catch (error) {
      if (QuorateError.is(error) && error.outcome === "definite") this.#answered();
      else void tell(this.#on.plane, this.session, () => this.#findOut(number));
      throw error;
    }
  }

  /** It was not handed over by one of those that were asked for. */
  #answered(): void {
    this.#open--;
    this.doubt(this.#open > 0);
  }

  /** Whether it was handed over, though nobody said so; if not, it will not be: an engine may be late. */
  async #findOut(number: number): Promise<void> {
    if (this.ending.aborted) return;
    const { key, created } = this;
    const { result } = await ask(this.#on, stay, { key, created, number });
    if (result.owns) this.#answered();
    else await this.end("was handed over, or taken away, while nobody knew");
  }

  #shared(): Error {
    const what = "is shared with etcd programs, which go by age alone";
    const remedy = "Release it: the oldest that waits owns it then.";
    return fail("INVALID", { object: this.#on.object, what, remedy });
  }

  #lost(): Error {
    const what = "is not owned by this any more";
    return fail("LOST", { object: this.#on.object, what, remedy: "Acquire it again." });
  }

  /** Resolves when somebody has joined since `revision`, the time is over, `signal` aborts or this is no longer held. */
  async #somebodyComes(
    revision: number,
    leftMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { plane } = this.#on;
    const { keyspace, prefix, clock } = plane;
    const key = (prefix + this.#on.prefix) as Bytes;
    const over = new AbortController();
    const following = plane.follow([this.ending, this.session.signal, signal, over.signal]);
    const request = { key, end: prefixEnd(key), startRevision: revision + 1 };
    const joined = (async (): Promise<void> => {
      for await (const batch of keyspace.watch(request, { signal: following.signal }))
        if (batch.events.some(({ kind }) => kind === "put")) return;
    })().catch(() => {});
    const bound = leftMs === Infinity ? [] : [sleep(clock, leftMs, following.signal)];
    await Promise.race([joined, ...bound]);
    over.abort();
    following.stop();
  }
}

export const alone: Holder<HeldAlone> = (parts, on) => new HeldAlone(parts, on);
