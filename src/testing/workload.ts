/**
 * The workload that comes with the simulator: locks and elections that write to guarded resources, edits of the keyspace,
 * leases, watches; what was asked and told is kept and judged by the checkers of histories.
 *
 * What must be, beside what they find: SIM-RES-1 to SIM-RES-3 at the resources; WL-1 to WL-3 (`workload-keyspace.ts`).
 */
import { QuorateError } from "../base/errors.ts";
import type { Header } from "../verify/history/history.ts";
import type { Resource } from "../verify/simulator/resource.ts";
import { owning } from "./ownership.ts";
import { pause } from "./pause.ts";
import type { Life, Process, World } from "./world.ts";
import type { Places } from "./workload-contention.ts";
import { CONTENTION, places, writes } from "./workload-contention.ts";
import { conclude, Counters, edit, follow, KEPT, presence, read } from "./workload-keyspace.ts";

/** Short ones are lost often. */
const SESSION_TTLS_MS: readonly number[] = [10_000, 2_000, 5_000];
/** Clients go on until so many operations have been begun. */
export const OPERATIONS_MIN = 500;
/** Between two acts of a client, ms, at most. */
const IDLE_MS = 300;

/** What is kept of a run: the clocks of its machines differ by 2 % at most, over leases of ten seconds. */
export const JUDGED: Header = { unitMs: 1, marginMs: 500, scope: [KEPT] };

interface Scene {
  readonly world: World;
  readonly ledger: Resource;
  readonly decrees: Resource;
  /** What the acts of contention write to, by name. */
  readonly others: Places;
  readonly counters: Counters;
}

type Act = (scene: Scene, life: Life) => Promise<number | undefined>;

/** The scenario. */
export async function workload(world: World): Promise<void> {
  const scene: Scene = {
    world,
    ledger: world.resource("ledger", { guard: true }),
    decrees: world.resource("decrees", { guard: true }),
    others: places(world),
    counters: new Counters(),
  };
  const clients = Array.from({ length: world.clients }, (_, at) =>
    world.process(`client-${at}`, (life) => client(scene, life), {
      sessionTtlMs: SESSION_TTLS_MS[at % SESSION_TTLS_MS.length],
    }),
  );
  const watcher = follow(world);
  const observer = observe(world);
  world.check("WL-1", () => scene.counters.check(world));
  await Promise.all(clients.map(({ done }) => done));
  await Promise.all([conclude(world).done, watcher.done, observer.done]);
}

const ACTS: readonly Act[] = [
  underLock,
  asLeader,
  shortly,
  ({ counters }, { q }) => counters.count(q),
  ({ counters }, { q }) => counters.count(q),
  (_, { q }) => read(q),
  (_, { q }) => edit(q),
  (_, { q }) => edit(q),
  (_, { q }) => edit(q),
  (_, life) => presence(life),
  ...CONTENTION.map(
    (each): Act =>
      ({ others }, { q, calm }) =>
        each(others, q, calm),
  ),
];

async function client(scene: Scene, life: Life): Promise<void> {
  const world: World = scene.world;
  let revision = 0;
  while (!life.calm.aborted || world.operations < OPERATIONS_MIN) {
    const act = ACTS[Math.floor(Math.random() * ACTS.length)] as Act;
    const seen = await patiently(() => act(scene, life));
    if (seen !== undefined) {
      world.expect(seen >= revision, `WL-2 ${life.name} read revision ${seen} after ${revision}`);
      revision = seen;
    }
    await pause(Math.random() * IDLE_MS);
  }
}

/** A failure of the engine ends the attempt, not the client; anything else is a finding. */
async function patiently<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (!QuorateError.is(error)) throw error;
    return undefined;
  }
}

async function underLock({ world, ledger }: Scene, { q, name, calm }: Life): Promise<undefined> {
  await owning(
    world,
    { process: name, noun: "lock", name: "ledger" },
    () => q.lock("ledger").tryAcquire({ waitMs: 5_000 }),
    (held) => writes(ledger, held, calm),
    (held) => held.release(),
  );
}

async function asLeader({ world, decrees }: Scene, { q, name, calm }: Life): Promise<undefined> {
  const signal = AbortSignal.any([calm, AbortSignal.timeout(8_000)]);
  await owning(
    world,
    { process: name, noun: "election", name: "decrees" },
    () => q.election("decrees").campaign({ signal, value: "a decree" }),
    (leading) => writes(decrees, leading, calm),
    (leading) => leading.resign(),
  );
}

/** A semaphore and a lock that are held for a moment: many grants, releases and waiters. */
async function shortly({ world }: Scene, { q, name }: Life): Promise<undefined> {
  await using permit = await q.semaphore("permits", { permits: 2 }).tryAcquire({ waitMs: 1_000 });
  if (!permit.ok) return;
  await owning(
    world,
    { process: name, noun: "lock", name: "short" },
    () => q.lock("short").tryAcquire({ waitMs: 1_000 }),
    () => pause(50),
    (held) => held.release(),
  );
}

/** Follows who leads. */
function observe(world: World): Process {
  return world.process("observer", async ({ q, name, life, calm }) => {
    for await (const leader of q.election("decrees").observe({ signal: calm })) {
      const seen = { process: name, stream: `${name} ${life}`, name: "decrees" };
      world.history?.tell({ type: "observed", ...seen, token: leader?.token ?? null });
    }
  });
}
