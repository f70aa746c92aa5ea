/**
 * What is held through a session: a token, a signal, and how to let go.
 *
 * Invariants: I1 after `release` begins, `signal` is aborted and nothing renews it. I2 disposal is idempotent, bounded in
 * time and never throws. I3 `token` grows with every owner of the object: a guard refuses a lower one.
 */
import type { QuorateError } from "../../../base/errors.ts";
import { fail } from "../../../base/errors.ts";
import type { CommitmentPlane, Session } from "../../../contract/plane.ts";

declare const tokenBrand: unique symbol;
/** A fencing token: a safe integer, larger for each later owner. */
export type FencingToken = number & { readonly [tokenBrand]: "token" };

export interface HeldParts {
  readonly object: string;
  readonly key: string;
  readonly created: number;
  readonly token: number;
  readonly session: Session;
  readonly plane: CommitmentPlane;
  readonly release: () => Promise<void>;
}

export class Held implements AsyncDisposable {
  readonly ok = true;
  readonly token: FencingToken;
  /** The contender's key, for guards that check who holds. */
  readonly key: string;
  readonly created: number;
  readonly #parts: HeldParts;
  readonly #done: () => void;
  #following: Following | undefined;
  #over = false;
  #releasing: Promise<void> | undefined;

  constructor(parts: HeldParts) {
    this.#parts = parts;
    this.token = parts.token as FencingToken;
    this.key = parts.key;
    this.created = parts.created;
    this.#done = parts.plane.busy();
  }

  /** Aborts when this is no longer owned; the reason says why (LOST, EXPIRED, SHUTDOWN, CANCELLED). */
  get signal(): AbortSignal {
    // Reading the session's own signal makes a process that was stopped notice before it acts.
    const session = this.#parts.session.signal;
    this.#following ??= this.#follow(session);
    return this.#following.signal;
  }

  /** Milliseconds in which it is certainly still owned. */
  remainingMs(): number {
    return this.#over ? 0 : this.#parts.session.remainingMs();
  }

  /** Throws the reason of the loss (LOST, EXPIRED, SHUTDOWN, CANCELLED; definite) if it is no longer owned. */
  assertHeld(): void {
    if (this.signal.aborted) throw this.signal.reason;
  }

  /** Lets go. Idempotent. Cost: one round trip and flush. If the engine cannot be told, it is told again
   * in the background for as long as the session lives. */
  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Made when it is asked for: most of what is held for a moment is released without anybody having looked. */
  #follow(session: AbortSignal): Following {
    const own = new AbortController();
    const { signal, stop } = this.#parts.plane.follow([session, own.signal]);
    if (this.#over) own.abort(this.#released());
    return { signal, stop, abort: (reason) => own.abort(reason) };
  }

  #released(): QuorateError {
    return fail("CANCELLED", {
      object: this.#parts.object,
      what: "was released",
      remedy: "Acquire it again to go on.",
    });
  }

  async #release(): Promise<void> {
    this.#over = true;
    this.#following?.abort(this.#released());
    try {
      await this.#parts.release();
    } finally {
      this.#following?.stop();
      this.#done();
    }
  }
}

interface Following {
  readonly signal: AbortSignal;
  readonly stop: () => void;
  readonly abort: (reason: QuorateError) => void;
}
