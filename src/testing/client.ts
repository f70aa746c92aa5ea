/** What a simulated process reaches the engine with: the product's own remote engine and SDK, on its machine's time. */
import type { Identity } from "../contract/plane.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import { optimistic } from "../engines/optimistic/pump.ts";
import { keyspaceTime } from "../engines/optimistic/time.ts";
import type { RemoteOptions } from "../engines/remote/remote.ts";
import { openRemote, REMOTE_GUARANTEE } from "../engines/remote/remote.ts";
import { Quorate } from "../sdk/quorate.ts";
import type { Machine } from "../verify/simulator/machine.ts";
import type { SimNetwork } from "../verify/simulator/network.ts";
import { CLIENT_PORT } from "../verify/simulator/network.ts";

/** As `connect` has it. */
export const SESSION_TTL_MS = 10_000;

export interface ClientParts {
  readonly machine: Machine;
  readonly network: SimNetwork;
  /** The names of the machines that serve. */
  readonly servers: readonly string[];
  readonly identity: Identity;
  readonly sessionTtlMs: number;
  /** What its keyspace is looked at through. */
  readonly through?: ((keyspace: Keyspace) => Keyspace) | undefined;
}

/** Connects from `machine`. Rejects with UNAVAILABLE if nobody answers in time. */
export async function connectTo(parts: ClientParts, signal?: AbortSignal): Promise<Quorate> {
  const { machine, network, servers, identity, sessionTtlMs, through = (same) => same } = parts;
  const { clock, random: entropy } = machine;
  const options: RemoteOptions = {
    addresses: servers.map((host) => ({ kind: "tcp", host, port: CLIENT_PORT })),
    network: network.of(machine),
    clock,
    entropy,
    label: `quorate://${servers.join()}`,
    guarantee: REMOTE_GUARANTEE,
    program: identity.service,
    evaluate: evaluateHere(machine),
  };
  const keyspace = through(await openRemote(options, signal));
  return new Quorate(keyspace, { identity, sessionTtlMs, clock, entropy });
}

/** Evaluates on `machine` what the engine does not know. */
export function evaluateHere({ clock, random }: Machine): NonNullable<RemoteOptions["evaluate"]> {
  return (keyspace, procedure, args, options) => {
    const now = keyspaceTime(keyspace, clock);
    return optimistic(keyspace, { clock, entropy: random, now })(procedure, args, options);
  };
}
