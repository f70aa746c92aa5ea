/**
 * Histories that are right, by seed: a simulated store with concurrent clients, lost answers, watches, leases, owners and
 * members. A checker must call each of them valid, and a mutated one invalid.
 *
 * Source: Jepsen's generators for the shape; the store is `keyspace-twin.ts`.
 */
import type { HistoryEvent } from "../history/history.ts";
import { KeyspaceClients } from "./keyspace-clients.ts";
import { Owners } from "./owners.ts";
import { RegisterClients } from "./registers.ts";
import { World } from "./world.ts";

export interface WorkloadOptions {
  readonly seed: number;
  /** Whether every call gets its answer; default false. */
  readonly lossless?: boolean | undefined;
  /** Whether most calls on the keyspace have to do with leases; default false. */
  readonly leasing?: boolean | undefined;
  /** Calls of each client; default 8. */
  readonly calls?: number | undefined;
  /** Clients of each kind; default 3. */
  readonly clients?: number | undefined;
}

/** The events of one right history. */
export function validHistory(options: WorkloadOptions): readonly HistoryEvent[] {
  const { seed, lossless = false, leasing = false, calls = 8, clients = 3 } = options;
  const world = new World({ seed, lossless });
  const keyspace = new KeyspaceClients(world, 4, leasing);
  const registers = new RegisterClients(world, 2);
  const lock = new Owners(world, { name: "orders", noun: "lock" });
  const election = new Owners(world, { name: "poller", noun: "election" });
  for (let each = 1; each <= clients; each++) {
    keyspace.client(`c${each}`, calls);
    registers.client(`r${each}`, calls);
    lock.process(`l${each}`, Math.ceil(calls / 3));
    election.process(`e${each}`, Math.ceil(calls / 4));
  }
  keyspace.watcher("w1", calls);
  keyspace.watcher("w2", calls);
  election.observer("o1", calls);
  for (const member of ["m1", "m2"]) keyspace.member(member, Math.ceil(calls / 2));
  world.after(world.delay() * 4, () => fault(world, "cut", "cut m1 off"));
  world.run();
  return world.events;
}

function fault(world: World, name: string, what: string): void {
  world.record({ type: "fault", fault: name, what, phase: "begin" });
  world.after(world.delay() * 4, () =>
    world.record({ type: "fault", fault: name, what, phase: "end" }),
  );
}
