/**
 * A known mistake that is put into every member of a simulated cluster, or into its clients: where it goes, not what it is.
 *
 * A port is wrapped where the mistake can be made there; else a rule of a machine is replaced (`driver/makers.ts`). Only this
 * floor can do either.
 */
import type { Prng } from "../../base/prng.ts";
import type { Driver } from "../../driver/face.ts";
import type { Makers } from "../../driver/makers.ts";
import { MAKERS } from "../../driver/makers.ts";
import type { Peers } from "../../driver/peers.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Disk } from "../../ports/disk.ts";
import type { RaftOptions } from "../../protocols/agreement/raft/options.ts";
import { startRaft } from "../../protocols/agreement/raft/raft.ts";
import type { Rules } from "../../protocols/agreement/raft/rules.ts";
import { RULES } from "../../protocols/agreement/raft/rules.ts";
import type { ReplicaParts } from "../../replica/inputs.ts";
import { Replica } from "../../replica/replica.ts";
import type { ReplicaRules } from "../../replica/rules.ts";
import { REPLICA_RULES } from "../../replica/rules.ts";
import type { Life } from "./scheduler.ts";

/** How clients behave, and the resource that locks protect. */
export interface ClientRules {
  /** Whoever has waited for a lock looks whether it is still in the queue. */
  readonly looksAgain: boolean;
  /** A lease's time counts from the moment at which its renewal was asked for. */
  readonly countsFromAsking: boolean;
  /** The resource refuses tokens lower than one that it has seen. */
  readonly resourceChecks: boolean;
}

export const CLIENT_RULES: ClientRules = {
  looksAgain: true,
  countsFromAsking: true,
  resourceChecks: true,
};

/** What a mistake changes; what is absent is as it should be. */
export interface Plant {
  readonly raft?: Partial<Rules>;
  readonly replica?: Partial<ReplicaRules>;
  readonly clients?: Partial<ClientRules>;
  /** How a Raft machine is started. */
  options?(options: RaftOptions): RaftOptions;
  parts?(parts: ReplicaParts): ReplicaParts;
  disk?(disk: Disk, random: Prng): Disk;
  peers?(peers: Peers): Peers;
  driver?(driver: Driver, random: Prng): Driver;
  clock?(life: Life): Clock;
}

/** What makes the machines of members with this mistake. */
export function makersOf(plant: Plant | undefined): Makers {
  if (plant === undefined) return MAKERS;
  const { raft, replica } = plant;
  return {
    raft: (options, durable) =>
      startRaft(plant.options?.(options) ?? options, durable, { ...RULES, ...raft }),
    replica: (parts) =>
      new Replica(plant.parts?.(parts) ?? parts, { ...REPLICA_RULES, ...replica }),
  };
}
