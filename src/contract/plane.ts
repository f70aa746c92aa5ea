/**
 * The commitment plane as a mechanism sees it: the keyspace, the session that holds things in it, and the process's
 * own time and randomness. `Quorate` carries one; every room's function takes anything that carries one.
 */
import type { Bytes } from "../base/bytes.ts";
import type { Clock } from "../ports/clock.ts";
import type { Entropy } from "../ports/entropy.ts";
import type { Guarantee } from "./guarantee.ts";
import type { Keyspace } from "./keyspace.ts";

/** Who a process says it is; shown to whoever waits for it. */
export interface Identity {
  readonly service: string;
  readonly host: string;
  readonly pid: number;
}

/**
 * The lease holder of a connection: one heartbeat for everything held through it. It measures its own assumptions and
 * aborts before the engine can expire it.
 */
export interface Session {
  readonly lease: bigint;
  readonly ttlMs: number;
  /** Aborts, with a `QuorateError` (LOST, EXPIRED, SHUTDOWN) as reason, when what is held must no longer be relied on. */
  readonly signal: AbortSignal;
  /** Milliseconds in which the lease is certainly still held; 0 after loss. */
  remainingMs(): number;
  /** A number not used before in this session: distinguishes two holds of one object. */
  nextHold(): number;
  /** The engine has said that it no longer has the lease: ends the session with EXPIRED, unless it has ended. */
  gone(): void;
}

export interface CommitmentPlane {
  readonly keyspace: Keyspace;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly identity: Identity;
  /** A consistency that was accepted by name for mechanisms that need more. */
  readonly accept?: Guarantee["consistency"] | undefined;
  /** Before every key: the namespace; empty by default. */
  readonly prefix: Bytes;
  /**
   * The connection's session, opened at first use; a lost one is replaced by a new one at the next call. Aborting, or
   * the end of `timeoutMs`, ends this wait for it (ABORTED, TIMEOUT, definite), not the attempt, which others share.
   */
  session(signal?: AbortSignal | undefined, timeoutMs?: number | undefined): Promise<Session>;
  /** Aborts when the connection is closed. */
  readonly closing: AbortSignal;
  /** Counts work in progress, which keeps the process alive; call the returned function when it is done. */
  busy(): () => void;
  /** An `AbortSignal` that follows all of `signals`, and how to stop following. */
  follow(signals: readonly (AbortSignal | undefined)[]): {
    readonly signal: AbortSignal;
    readonly stop: () => void;
  };
}

/** Anything that carries a commitment plane: `q`, or a library's own wrapper. */
export interface OnCommitment {
  readonly commitment: CommitmentPlane;
}
