/**
 * What the simulated workload does with each way to own something: ranked, handed over, asked back, several names at once,
 * for reading and writing, until a deadline, and together. Every owner writes to a resource that belongs to what it owns.
 */
import type { Quorate } from "../sdk/quorate.ts";
import type { Resource, Writer } from "../verify/simulator/resource.ts";
import { pause } from "./pause.ts";
import type { World } from "./world.ts";

/** The resources. */
export interface Places {
  readonly ranked: Resource;
  readonly left: Resource;
  readonly right: Resource;
  readonly page: Resource;
  readonly leased: Resource;
}

export function places(world: World): Places {
  const of = (name: string): Resource => world.resource(name, { guard: true });
  return {
    ...{ ranked: of("ranked"), left: of("left"), right: of("right") },
    ...{ page: of("page"), leased: of("leased") },
  };
}

type Act = (on: Places, q: Quorate, calm: AbortSignal) => Promise<undefined>;

/** The acts. */
export const CONTENTION: readonly Act[] = [
  ranked,
  one,
  both,
  readPage,
  writePage,
  leased,
  asksBack,
  meets,
];

/** Writes a few times, as long as it is not told that it no longer owns. */
export async function writes(resource: Resource, held: Writer, calm: AbortSignal): Promise<void> {
  for (let at = 0; at < 3 && !calm.aborted; at++) {
    await pause(100 + Math.random() * 1_200);
    if (held.signal?.aborted === true) return;
    const written = await resource.write(held, `row ${at}`);
    if (!written.ok) return;
  }
}

function sometimes(): boolean {
  return Math.random() < 0.5;
}

/** A lock whose owners are granted: by rank, after a delay when one died, asked back, handed over. */
async function ranked(
  { ranked: place }: Places,
  q: Quorate,
  calm: AbortSignal,
): Promise<undefined> {
  await using held = await q.lock("ranked").tryAcquire({
    waitMs: 6_000,
    priority: Math.floor(Math.random() * 3),
    barging: sometimes(),
    revocable: sometimes(),
    ...(sometimes() ? { lockDelayMs: 1_000 } : {}),
  });
  if (!held.ok) return;
  await writes(place, held, calm);
  if (sometimes() && !held.signal.aborted) await held.handover();
}

async function asksBack(_: Places, q: Quorate): Promise<undefined> {
  await q.lock("ranked").revoke({ reason: "somebody asks" });
}

async function one({ left }: Places, q: Quorate, calm: AbortSignal): Promise<undefined> {
  await using held = await q.lock("left").tryAcquire({ waitMs: 4_000 });
  if (held.ok) await writes(left, held, calm);
}

async function both({ left, right }: Places, q: Quorate, calm: AbortSignal): Promise<undefined> {
  await using held = await q.locks(["left", "right"]).tryAcquire({ waitMs: 4_000 });
  if (!held.ok) return;
  await writes(left, held, calm);
  if (!held.signal.aborted) await writes(right, held, calm);
}

async function readPage(_: Places, q: Quorate): Promise<undefined> {
  await using held = await q.rwlock("page").tryRead({ waitMs: 4_000 });
  if (held.ok) await pause(Math.random() * 500);
}

async function writePage({ page }: Places, q: Quorate, calm: AbortSignal): Promise<undefined> {
  await using held = await q.rwlock("page").tryWrite({ waitMs: 4_000 });
  if (held.ok) await writes(page, held, calm);
}

/** Until a deadline, without a session. */
async function leased({ leased: place }: Places, q: Quorate): Promise<undefined> {
  const lease = await q.lock("leased").lease({ ttlMs: 1_000 + Math.random() * 4_000 });
  if (!lease.ok) return;
  await pause(Math.random() * 1_000);
  await place.write({ token: lease.token, key: lease.id }, "a row");
  if (sometimes()) await q.lock("leased").releaseLease(lease.id);
}

/** Two parties, for as long as both have the patience. */
async function meets(_: Places, q: Quorate): Promise<undefined> {
  await q.barrier("meeting", { parties: 2 }).arrive({ waitMs: 2_000 });
}
