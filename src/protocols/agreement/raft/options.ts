/** How a Raft machine is set up: bounds, time-outs in ticks, and where its randomness comes from. */
import { fail } from "../../../base/errors.ts";
import type { MemberId } from "./messages.ts";

export interface RaftOptions {
  readonly id: MemberId;
  /** A uniform integer in [0, bound): spreads election time-outs. */
  readonly random: (bound: number) => number;
  /**
   * Ticks without a leader after which an election begins, at the least; each time-out is drawn from [n, 2n). Default
   * 10. Less: faster failover, more needless elections under load. Must exceed `heartbeatTicks`.
   */
  readonly electionTicks?: number | undefined;
  /** Ticks between heartbeats; default 1. */
  readonly heartbeatTicks?: number | undefined;
  /** Most bytes of entries in one message; one entry always goes. Default 1 MiB. */
  readonly appendBytesMax?: number | undefined;
  /** Most messages with entries on their way to one follower; default 256. More hides latency, less bounds memory. */
  readonly inflightMessagesMax?: number | undefined;
  /** Most bytes of entries on their way to one follower; default 16 MiB. */
  readonly inflightBytesMax?: number | undefined;
  /** Bytes of entries that are not committed, beyond which proposals are refused; default 64 MiB. */
  readonly uncommittedBytesMax?: number | undefined;
  /** Bytes of entries not yet on stable storage, beyond which a follower takes no more; default 64 MiB. */
  readonly unwrittenBytesMax?: number | undefined;
  /** Bytes of committed entries handed out and not yet said to be applied; default 16 MiB. */
  readonly applyBytesMax?: number | undefined;
  /** Reads that wait for confirmation, beyond which they are refused; default 16,384. */
  readonly readsMax?: number | undefined;
  /**
   * Confirms reads by a leader's lease, without asking. Assumes that the clocks that give ticks run at the same rate in
   * all members to within `marginTicks` in `electionTicks`, do not stop with the process, and that every tick that is due is given
   * before a read. Absent: every read asks a majority. All members must agree on it.
   */
  readonly lease?: { readonly marginTicks: number } | undefined;
}

export type ResolvedOptions = {
  readonly [K in keyof Omit<RaftOptions, "lease">]-?: NonNullable<RaftOptions[K]>;
} & {
  /** 0: no lease. */
  readonly leaseTicks: number;
};

/** Fills in defaults. Throws CONFIG (definite) for what contradicts itself. */
export function resolveRaftOptions(options: RaftOptions): ResolvedOptions {
  const electionTicks = options.electionTicks ?? 10;
  const heartbeatTicks = options.heartbeatTicks ?? 1;
  const resolved = {
    id: options.id,
    random: options.random,
    electionTicks,
    heartbeatTicks,
    appendBytesMax: options.appendBytesMax ?? 1 << 20,
    inflightMessagesMax: options.inflightMessagesMax ?? 256,
    inflightBytesMax: options.inflightBytesMax ?? 16 << 20,
    uncommittedBytesMax: options.uncommittedBytesMax ?? 64 << 20,
    unwrittenBytesMax: options.unwrittenBytesMax ?? 64 << 20,
    applyBytesMax: options.applyBytesMax ?? 16 << 20,
    readsMax: options.readsMax ?? 16_384,
    leaseTicks: options.lease === undefined ? 0 : electionTicks - options.lease.marginTicks,
  };
  const wrong = (what: string): never => {
    throw fail("CONFIG", {
      object: `raft member ${options.id}`,
      what,
      remedy: "Correct the options of the cluster.",
    });
  };
  if (!Number.isSafeInteger(options.id) || options.id < 1) wrong("an id is an integer above 0");
  if (heartbeatTicks < 1 || electionTicks <= heartbeatTicks)
    wrong("electionTicks must be greater than heartbeatTicks, which must be at least 1");
  if (options.lease !== undefined) {
    // Two ticks are lost to counting whole ones, one at each end.
    if (options.lease.marginTicks < 2 || resolved.leaseTicks < 1)
      wrong("a lease's margin is at least 2 ticks and less than electionTicks");
  }
  for (const [name, value] of Object.entries(resolved)) {
    if (name.endsWith("Max") && !(Number.isSafeInteger(value) && (value as number) > 0))
      wrong(`${name} is an integer above 0`);
  }
  return resolved;
}
