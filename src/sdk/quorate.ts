/**
 * `Quorate`: the facade. Each noun is one line that calls the room's function; the handle it returns is synchronous and
 * holds nothing.
 */
import type { Bytes } from "../base/bytes.ts";
import { utf8 } from "../base/bytes.ts";
import type { Keyspace, WireState } from "../contract/keyspace.ts";
import type { CommitmentPlane, OnCommitment } from "../contract/plane.ts";
import type { Explained, ExplainOptions } from "../mechanisms/explain.ts";
import { explain } from "../mechanisms/explain.ts";
import { barrier } from "../mechanisms/selection/barrier/barrier.ts";
import type { BarrierHandle } from "../mechanisms/selection/barrier/barrier.ts";
import type { BarrierOptions } from "../mechanisms/selection/barrier/meeting.ts";
import type { Name } from "../mechanisms/selection/contention/layout.ts";
import { nameText } from "../mechanisms/selection/contention/layout.ts";
import type { DoubleBarrierHandle } from "../mechanisms/selection/double-barrier/double-barrier.ts";
import { doubleBarrier } from "../mechanisms/selection/double-barrier/double-barrier.ts";
import type { ElectionHandle, ElectionOptions } from "../mechanisms/selection/election/election.ts";
import { election } from "../mechanisms/selection/election/election.ts";
import type { GuardHandle } from "../mechanisms/selection/guard/stored-guard.ts";
import { storedGuard } from "../mechanisms/selection/guard/stored-guard.ts";
import type { LatchHandle, LatchOptions } from "../mechanisms/selection/latch/latch.ts";
import { latch } from "../mechanisms/selection/latch/latch.ts";
import type { LockHandle, LockOptions } from "../mechanisms/selection/lock/lock.ts";
import { lock } from "../mechanisms/selection/lock/lock.ts";
import type { LocksHandle, LocksOptions } from "../mechanisms/selection/locks/locks.ts";
import { locks } from "../mechanisms/selection/locks/locks.ts";
import type { RwLockHandle, RwLockOptions } from "../mechanisms/selection/rwlock/rwlock.ts";
import { rwlock } from "../mechanisms/selection/rwlock/rwlock.ts";
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

  constructor(commitment: CommitmentPlane) {
    this.commitment = commitment;
  }

  /** One owner at a time, in order of asking. */
  lock(name: Name, options?: LockOptions): LockHandle {
    return lock(this, name, options);
  }
  /** Several names at once, all or none: the same locks as those of each name. */
  locks(names: readonly Name[], options?: LocksOptions): LocksHandle {
    return locks(this, names, options);
  }
  /** Many readers or one writer. */
  rwlock(name: Name, options?: RwLockOptions): RwLockHandle {
    return rwlock(this, name, options);
  }
  /** A number of permits, shared in order of asking. */
  semaphore(name: Name, options: SemaphoreOptions): SemaphoreHandle {
    return semaphore(this, name, options);
  }
  /** One leader at a time. */
  election(name: Name, options?: ElectionOptions): ElectionHandle {
    return election(this, name, options);
  }
  /** What is called `name` and held or waited for, of every noun: by whom, since when, and why who waits is not served. */
  explain(name: Name, options?: ExplainOptions): Promise<readonly Explained[]> {
    return explain(this, name, options);
  }
  /** Refuses an owner that has been replaced, in any process: the rule of the fencing token, stored. */
  guard(name: Name): GuardHandle {
    return storedGuard(this, name);
  }
  /** Opens when it has been counted down to nothing, for all who wait. */
  latch(name: Name, options: LatchOptions): LatchHandle {
    return latch(this, name, options);
  }
  /** Nobody goes on until all parties have arrived; again and again. */
  barrier(name: Name, options: BarrierOptions): BarrierHandle {
    return barrier(this, name, options);
  }
  /** Parties begin together and end together. */
  doubleBarrier(name: Name, options: BarrierOptions): DoubleBarrierHandle {
    return doubleBarrier(this, name, options);
  }
  /** The same nouns under a prefix of their own; the same connection and session. */
  namespace(name: Name): Nouns {
    const under = `${this.commitment.prefix}${utf8(`ns/${nameText(name, "namespace").replaceAll("%", "%25").replaceAll("/", "%2F")}/`)}`;
    return new Nouns({ ...this.commitment, prefix: under as Bytes });
  }
}

export class Quorate extends Nouns implements AsyncDisposable {
  readonly #plane: OwnedPlane;
  readonly #keyspace: Keyspace;
  #closed: Promise<void> | undefined;

  constructor(keyspace: Keyspace, options: PlaneOptions) {
    const plane = commitmentPlane(keyspace, options);
    super(plane);
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

  /**
   * Ends the session, which releases what it holds, and the connection. Idempotent, bounded, never throws. Later calls
   * fail with CLOSED, which says `because`, by default the line of this call.
   */
  close(options: { readonly because?: string | undefined } = {}): Promise<void> {
    this.#closed ??= this.#plane
      .close(options.because ?? callerOf())
      .finally(() => this.#keyspace.close());
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close({ because: callerOf() });
  }
}

/** The line that called the method that calls this, as stacks write it. */
function callerOf(): string | undefined {
  const [, , , caller] = new Error("where").stack?.split("\n") ?? [];
  return caller?.trim();
}
