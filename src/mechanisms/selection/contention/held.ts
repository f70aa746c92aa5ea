/**
 * What is held through a session: a token, a signal, and how to let go.
 *
 * Invariants: I1 after `release` begins, `signal` is aborted and nothing renews it. I2 disposal is idempotent, bounded in
 * time and never throws. I3 `token` grows with every owner of the object: a guard refuses a lower one.
 */
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
  readonly #released = new AbortController();
  readonly #following: ReturnType<CommitmentPlane["follow"]>;
  readonly #done: () => void;
  #releasing: Promise<void> | undefined;

  constructor(parts: HeldParts) {
    this.#parts = parts;
    this.token = parts.token as FencingToken;
    this.key = parts.key;
    this.created = parts.created;
    this.#following = parts.plane.follow([parts.session.signal, this.#released.signal]);
    this.#done = parts.plane.busy();
  }

  /** Aborts when this is no longer owned; the reason says why (LOST, EXPIRED, SHUTDOWN, CANCELLED). */
  get signal(): AbortSignal {
    // Reading the session's own signal makes a process that was stopped notice before it acts.
    void this.#parts.session.signal;
    return this.#following.signal;
  }

  /** Milliseconds in which it is certainly still owned. */
  remainingMs(): number {
    return this.#following.signal.aborted ? 0 : this.#parts.session.remainingMs();
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

  async #release(): Promise<void> {
    this.#released.abort(
      fail("CANCELLED", {
        object: this.#parts.object,
        what: "was released",
        remedy: "Acquire it again to go on.",
      }),
    );
    try {
      await this.#parts.release();
    } finally {
      this.#following.stop();
      this.#done();
    }
  }
}
