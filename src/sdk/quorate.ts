/**
 * `Quorate`: the facade. Each noun is one line that calls the room's function; the handle it returns is synchronous and
 * holds nothing.
 */
import type { Bytes } from "../base/bytes.ts";
import { utf8 } from "../base/bytes.ts";
import { fail } from "../base/errors.ts";
import type { Card } from "../contract/card.ts";
import type { Guarantee } from "../contract/guarantee.ts";
import { shortfall } from "../contract/guarantee.ts";
import type { Keyspace, WireState } from "../contract/keyspace.ts";
import type { CommitmentPlane, OnCommitment } from "../contract/plane.ts";
import type { Name } from "../mechanisms/selection/contention/layout.ts";
import { nameText } from "../mechanisms/selection/contention/layout.ts";
import { electionCard } from "../mechanisms/selection/election/card.ts";
import type { ElectionHandle, ElectionOptions } from "../mechanisms/selection/election/election.ts";
import { election } from "../mechanisms/selection/election/election.ts";
import { lockCard } from "../mechanisms/selection/lock/card.ts";
import type { LockHandle, LockOptions } from "../mechanisms/selection/lock/lock.ts";
import { lock } from "../mechanisms/selection/lock/lock.ts";
import { rwlockCard } from "../mechanisms/selection/rwlock/card.ts";
import type { RwLockHandle } from "../mechanisms/selection/rwlock/rwlock.ts";
import { rwlock } from "../mechanisms/selection/rwlock/rwlock.ts";
import { semaphoreCard } from "../mechanisms/selection/semaphore/card.ts";
import type {
  SemaphoreHandle,
  SemaphoreOptions,
} from "../mechanisms/selection/semaphore/semaphore.ts";
import { semaphore } from "../mechanisms/selection/semaphore/semaphore.ts";
import type { OwnedPlane, PlaneOptions } from "./plane.ts";
import { commitmentPlane } from "./plane.ts";
import type { ConnectionState } from "./states.ts";
import { states } from "./states.ts";

/** The nouns, over any commitment plane: a connection, or a namespace of one. */
export class Nouns implements OnCommitment {
  readonly commitment: CommitmentPlane;
  readonly #accept: Guarantee["consistency"];

  constructor(commitment: CommitmentPlane, accept: Guarantee["consistency"] = "linearizable") {
    this.commitment = commitment;
    this.#accept = accept;
  }

  /** Throws GUARANTEE (definite) if the engine is too weak for the noun and that was not accepted by name. */
  #strongEnough(card: Card, name: Name): this {
    const { guarantee, label } = this.commitment.keyspace;
    const weak = shortfall(guarantee, card.requires);
    if (
      weak.length === 0 ||
      (weak.join() === "consistency" && guarantee.consistency === this.#accept)
    )
      return this;
    throw fail("GUARANTEE", {
      object: `${card.noun} ${nameText(name, card.noun)}`,
      what: weak
        .map((each) => `${label} gives ${guarantee[each]}, it needs ${card.requires[each] ?? ""}`)
        .join("; "),
      remedy: `Use file: or quorate:, or connect with { accept: "${guarantee.consistency}" } and guard the resource with the token.`,
    });
  }

  /** One owner at a time, in order of asking. */
  lock(name: Name, options?: LockOptions): LockHandle {
    return lock(this.#strongEnough(lockCard, name), name, options);
  }
  /** Many readers or one writer. */
  rwlock(name: Name, options?: { readonly label?: string | undefined }): RwLockHandle {
    return rwlock(this.#strongEnough(rwlockCard, name), name, options);
  }
  /** A fixed number of permits, shared in order of asking. */
  semaphore(name: Name, options: SemaphoreOptions): SemaphoreHandle {
    return semaphore(this.#strongEnough(semaphoreCard, name), name, options);
  }
  /** One leader at a time. */
  election(name: Name, options?: ElectionOptions): ElectionHandle {
    return election(this.#strongEnough(electionCard, name), name, options);
  }
  /** The same nouns under a prefix of their own; the same connection and session. */
  namespace(name: Name): Nouns {
    const under = `${this.commitment.prefix}${utf8(`ns/${nameText(name, "namespace").replaceAll("%", "%25").replaceAll("/", "%2F")}/`)}`;
    return new Nouns({ ...this.commitment, prefix: under as Bytes }, this.#accept);
  }
}

export class Quorate extends Nouns implements AsyncDisposable {
  readonly #plane: OwnedPlane;
  readonly #keyspace: Keyspace;
  #closed: Promise<void> | undefined;

  constructor(
    keyspace: Keyspace,
    options: PlaneOptions & { readonly accept?: Guarantee["consistency"] | undefined },
  ) {
    const plane = commitmentPlane(keyspace, options);
    super(plane, options.accept);
    this.#plane = plane;
    this.#keyspace = keyspace;
  }

  /** Calls `listener` with the state of the connection, now and at each change. Returns how to stop. */
  observe(listener: (state: WireState) => void): () => void {
    return this.#keyspace.observe(listener);
  }

  /** The state now and at each change, until the connection is closed or `signal` aborts. */
  states(options?: {
    readonly signal?: AbortSignal | undefined;
  }): AsyncGenerator<ConnectionState, void> {
    return states(this.#keyspace, (listener) => this.#plane.onLost(listener), options?.signal);
  }

  /** Calls `listener` when what is held has been lost (not when it is closed). Returns how to stop. */
  onLost(listener: (reason: unknown) => void): () => void {
    return this.#plane.onLost(listener);
  }

  /** Ends the session, which releases what it holds, and the connection. Idempotent, bounded, never throws. */
  close(): Promise<void> {
    this.#closed ??= this.#plane.close().then(() => this.#keyspace.close());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
