/** A replica in this process, in memory or on a disk. Nothing here keeps the process alive but its own calls. */
import { prng } from "../base/prng.ts";
import { fireDue, prefixed } from "../contract/due.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import { procedureSet } from "../contract/procedure.ts";
import { openDriver } from "../driver/driver.ts";
import type { Driver } from "../driver/face.ts";
import {
  embeddedKeyspace,
  FILE_GUARANTEE,
  MEMORY_GUARANTEE,
} from "../engines/embedded/embedded.ts";
import type { RemoteOptions } from "../engines/remote/remote.ts";
import { hostClock } from "../host/clock.ts";
import { idle } from "../ports/clock.ts";
import { hostEntropy } from "../host/entropy.ts";
import { allProcedures } from "../mechanisms/procedures.ts";
import type { Clock } from "../ports/clock.ts";
import type { Disk } from "../ports/disk.ts";
import type { Entropy } from "../ports/entropy.ts";
import { react } from "../service/reactor.ts";

/**
 * Log after which a snapshot is written. What comes after the last one is read at a take-over, while sessions wait: in
 * a second or two, where leases last ten.
 */
const SNAPSHOT_LOG_BYTES = 64 << 20;

/** How a replica of this process is opened. */
export interface OwnOptions {
  readonly label: string;
  readonly program: string;
  readonly acceptClockJump: boolean | undefined;
  readonly strict: boolean;
  readonly evaluate: RemoteOptions["evaluate"];
  /** Time and randomness; default the host's. */
  readonly clock?: Clock | undefined;
  readonly entropy?: Entropy | undefined;
}

/** Everything is lost with the process. */
export async function openMemory(options: OwnOptions): Promise<Keyspace> {
  return (await openReplica(undefined, options)).keyspace;
}

/** A replica and its keyspace. Closing the keyspace closes both. Throws DATA_DIR_IN_USE if another process has `disk`. */
export async function openReplica(
  disk: Disk | undefined,
  options: OwnOptions,
): Promise<{ readonly driver: Driver; readonly keyspace: Keyspace }> {
  const { label, evaluate, clock = hostClock, entropy = hostEntropy } = options;
  const procedures = procedureSet(allProcedures);
  const driver = await openDriver({
    disk,
    clock,
    entropy,
    procedures,
    label,
    acceptClockJump: options.acceptClockJump,
    snapshotLogBytes: SNAPSHOT_LOG_BYTES,
    strict: options.strict ? prng(entropy.u32()) : undefined,
  });
  const guarantee = disk === undefined ? MEMORY_GUARANTEE : FILE_GUARANTEE;
  const keyspace = embeddedKeyspace({ driver, clock, guarantee, evaluate });
  const reacting = new AbortController();
  const fire = fireDue(procedures, prefixed);
  // Whoever connects goes first: the first look costs as much as connecting.
  clock.soon(() => void react(keyspace, idle(clock), fire, reacting.signal));
  const close = (): Promise<void> => {
    reacting.abort();
    return keyspace.close();
  };
  return { driver, keyspace: { ...keyspace, close } };
}
