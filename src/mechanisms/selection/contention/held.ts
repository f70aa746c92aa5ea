/**
 * What is held through a session: a token, a signal, and how to let go.
 *
 * Invariants: I1 after `release` begins, `signal` is aborted and nothing renews it. I2 disposal is idempotent, bounded in
 * time and never throws. I3 `token` grows with every owner of the object: a guard refuses a lower one.
 */
import type { Bytes } from "../../../base/bytes.ts";
import { fail, QuorateError } from "../../../base/errors.ts";
import type { Compare } from "../../../contract/requests.ts";
import type { CommitmentPlane, Session } from "../../../contract/plane.ts";

declare const tokenBrand: unique symbol;
/** A fencing token: a safe integer, larger for each later owner. */
export type FencingToken = number & { readonly [tokenBrand]: "token" };

export interface HeldParts {
  readonly object: string;
  /** The contender's key; of one that is held by several names, all of them. */
  readonly keys: readonly [string, ...string[]];
  readonly created: number;
  readonly token: number;
  readonly session: Session;
  readonly plane: CommitmentPlane;
  readonly release: () => Promise<void>;
  /** Listens to being asked back until `stop` aborts. */
  readonly revoked?: ((stop: AbortSignal) => Promise<QuorateError | undefined>) | undefined;
}

export class Held implements AsyncDisposable {
  readonly ok = true;
  readonly token: FencingToken;
  /** The contender's key, for guards that check who holds. */
  readonly key: string;
  /** All of them, of what is held by several names. */
  readonly keys: readonly string[];
  readonly created: number;
  readonly #parts: HeldParts;
  readonly #done: () => void;
  #following: Following | undefined;
  /** How it ended. */
  #over: string | undefined;
  /** It may be another's by now. */
  #inDoubt = false;
  /** The word that asked it back: it is still held. */
  #asked: QuorateError | undefined;
  #ending: AbortController | undefined;
  #releasing: Promise<void> | undefined;

  constructor(parts: HeldParts) {
    this.#parts = parts;
    this.token = parts.token as FencingToken;
    this.key = parts.keys[0];
    this.keys = parts.keys;
    this.created = parts.created;
    this.#done = parts.plane.busy();
    if (parts.revoked !== undefined) void this.#listen(parts.revoked, this.ending);
  }

  /**
   * Aborts when this is no longer owned, or was asked back; the reason says why (LOST, EXPIRED, SHUTDOWN, CANCELLED; REVOKED:
   * it is still owned until it is released).
   */
  get signal(): AbortSignal {
    // Reading the session's own signal makes a process that was stopped notice before it acts.
    const session = this.#parts.session.signal;
    this.#following ??= this.#follow(session);
    return this.#following.signal;
  }

  /** Milliseconds in which it is certainly still owned; 0 while it is being handed over. */
  remainingMs(): number {
    return this.#over !== undefined || this.#inDoubt ? 0 : this.#parts.session.remainingMs();
  }

  /** Throws the reason of the loss (LOST, EXPIRED, SHUTDOWN, CANCELLED; definite) if it is no longer owned. */
  assertHeld(): void {
    const { signal } = this;
    if (!signal.aborted) return;
    if (signal.reason !== this.#asked) throw signal.reason;
    // Having been asked back has taken nothing: only what came after it has.
    const session = this.#parts.session.signal;
    if (this.#over !== undefined) throw this.#ended(this.#over);
    if (session.aborted) throw this.#lost(session.reason);
  }

  /**
   * What must be true for this to be held: a comparison for a transaction of the keyspace, which is then refused once it has
   * been released, handed over or lost, however late it comes.
   */
  condition(): Compare {
    const key = (this.#parts.plane.prefix + this.key) as Bytes;
    return { key, result: "equal", target: { kind: "create", value: this.created } };
  }

  /** Whether it is held through this connection, under this namespace. */
  isOf({ keyspace, prefix }: CommitmentPlane): boolean {
    const { plane } = this.#parts;
    return plane.keyspace === keyspace && plane.prefix === prefix;
  }

  /** Lets go. Idempotent. Cost: one round trip and flush. If the engine cannot be told, it is told again
   * in the background for as long as the session lives. */
  release(): Promise<void> {
    return this.end("was released", this.#parts.release);
  }

  /** Ends the hold; `letGo` tells the engine, unless it knows. Only the first end counts. */
  protected end(what: string, letGo?: () => Promise<void>): Promise<void> {
    this.#releasing ??= this.#end(what, letGo);
    return this.#releasing;
  }

  /** While `inDoubt`, it is not certainly owned. */
  protected doubt(inDoubt: boolean): void {
    this.#inDoubt = inDoubt;
  }

  protected get session(): Session {
    return this.#parts.session;
  }

  /** Aborts when the hold ends, not when it is lost or asked back. */
  protected get ending(): AbortSignal {
    this.#ending ??= new AbortController();
    if (this.#over !== undefined) this.#ending.abort();
    return this.#ending.signal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  /** Made when it is asked for: most of what is held for a moment is released without anybody having looked. */
  #follow(session: AbortSignal): Following {
    const own = new AbortController();
    const abort = (reason: unknown): void => own.abort(reason);
    if (this.#over !== undefined) {
      abort(this.#ended(this.#over));
      return { signal: own.signal, stop: () => {}, abort };
    }
    const { signal: lost, stop } = this.#parts.plane.follow([session]);
    const onLost = (): void => abort(this.#lost(lost.reason));
    if (lost.aborted) onLost();
    else lost.addEventListener("abort", onLost, { once: true });
    if (this.#asked !== undefined) abort(this.#asked);
    return { signal: own.signal, stop, abort };
  }

  /** Why the session is gone, told of what was held through it. */
  #lost(reason: unknown): unknown {
    if (!QuorateError.is(reason)) return reason;
    const { failure, cause }: QuorateError = reason;
    const what = `${failure.what}; its token was ${this.token}`;
    return new QuorateError({ ...failure, object: this.#parts.object, what }, cause);
  }

  #ended(what: string): QuorateError {
    const remedy = "Acquire it again to go on.";
    return fail("CANCELLED", { object: this.#parts.object, what, remedy });
  }

  async #listen(
    revoked: (stop: AbortSignal) => Promise<QuorateError | undefined>,
    stop: AbortSignal,
  ): Promise<void> {
    const { plane, session } = this.#parts;
    const following = plane.follow([stop, session.signal]);
    this.#asked = await revoked(following.signal).catch(() => undefined);
    following.stop();
    if (this.#asked !== undefined) this.#following?.abort(this.#asked);
  }

  async #end(what: string, letGo: (() => Promise<void>) | undefined): Promise<void> {
    this.#over = what;
    if (this.#following !== undefined) this.#following.abort(this.#ended(what));
    this.#ending?.abort();
    try {
      await letGo?.();
    } finally {
      this.#following?.stop();
      this.#done();
    }
  }
}

interface Following {
  readonly signal: AbortSignal;
  readonly stop: () => void;
  readonly abort: (reason: unknown) => void;
}
