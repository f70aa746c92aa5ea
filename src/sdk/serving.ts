/**
 * A data directory that is open in this process, for itself and, over the directory's local socket, for every other
 * process of the machine that opens it.
 *
 * Invariant: closing answers what others have in flight, lets go of the directory, and only then ends their
 * connections: whoever comes back finds it free and need not wait for a time to pass.
 */
import { SYSTEM } from "../contract/auth.ts";
import type { Keyspace } from "../contract/keyspace.ts";
import { hostClock } from "../host/clock.ts";
import { hostDisk } from "../host/disk.ts";
import { silentMeter } from "../ports/meter.ts";
import { Acceptor } from "../service/acceptor.ts";
import { acting } from "../service/auth/acting.ts";
import type { OwnOptions } from "./embedded.ts";
import { openReplica } from "./embedded.ts";

/** Throws DATA_DIR_IN_USE if another process has `directory`. */
export async function serveDirectory(directory: string, options: OwnOptions): Promise<Keyspace> {
  const { driver, keyspace } = await openReplica(hostDisk(directory), options);
  // Whoever may open the directory may read all of it: its users are for those who come over a network.
  const system = acting(driver, () => SYSTEM);
  const context = { driver: system, clock: hostClock, meter: silentMeter };
  const others = new Acceptor(context, options.label);
  driver.accept(others.accept);
  const close = async (): Promise<void> => {
    await others.drain();
    try {
      await keyspace.close();
    } finally {
      others.end();
    }
  };
  let closed: Promise<void> | undefined;
  return { ...keyspace, close: () => (closed ??= close()) };
}
