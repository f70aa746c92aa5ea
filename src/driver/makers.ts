/**
 * What a driver makes its machines with: the one place where a simulation can put in a machine that makes a known mistake, to
 * show that it would be found. Nothing else passes any but `MAKERS`, or names this file.
 */
import type { Durable } from "../protocols/agreement/raft/core.ts";
import type { RaftOptions } from "../protocols/agreement/raft/options.ts";
import type { Raft } from "../protocols/agreement/raft/raft.ts";
import { startRaft } from "../protocols/agreement/raft/raft.ts";
import type { ReplicaParts } from "../replica/inputs.ts";
import { Replica } from "../replica/replica.ts";

export interface Makers {
  raft(options: RaftOptions, durable: Durable): Raft;
  replica(parts: ReplicaParts): Replica;
}

export const MAKERS: Makers = {
  raft: (options, durable) => startRaft(options, durable),
  replica: (parts) => new Replica(parts),
};
