/**
 * A server that is lost for good and replaced, as whoever runs a cluster does it: the others let go of the member and take a
 * new one in, which starts with the same name and addresses on an empty disk.
 *
 * Invariants: I1 the next is lost only when all are there, vote, and know each other, so that a majority has kept everything.
 * I2 what was begun is brought to its end, whatever else goes wrong, and after the time of faults too.
 */
import type { ClusterOrder } from "../../contract/cluster.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import { sleep } from "../../ports/clock.ts";
import { peerUrlOf } from "./membership.ts";
import type { SimServer } from "./server.ts";
import type { SimWorld } from "./world.ts";

/** Between two attempts to order something, ms. */
const AGAIN_MS = 200;

/** Loses `victim` and has it replaced `afterMs` later, if the others can do without. */
export function replaceServer(world: SimWorld, victim: SimServer, afterMs: number): void {
  if (world.servers.length < 3 || !world.servers.every((each) => isSound(each, world))) return;
  world.strike(victim.machine, "is lost for good, with its disk");
  victim.lose();
  void replaced(world, victim, afterMs);
}

/** It is up, has all that it ever had, and knows all servers as voters that have been seen. */
function isSound({ driver }: SimServer, { servers }: SimWorld): boolean {
  const members = driver?.members() ?? [];
  const isWhole = members.every(
    ({ id, learner, identity }) =>
      !learner && identity !== "" && servers.some((each) => each.id === id),
  );
  const isThere = driver?.standing().isRepairing === false;
  return isThere && isWhole && members.length === servers.length;
}

async function replaced(world: SimWorld, victim: SimServer, afterMs: number): Promise<void> {
  const { clock } = world.here;
  const { id: lost, name } = victim;
  const peerUrls = [peerUrlOf(name)];
  await sleep(clock, afterMs);
  const isNamed = (members: readonly PeerAddress[]): boolean =>
    members.some(({ id }) => id === lost);
  await ordered(world, { kind: "remove", id: lost }, (members) => !isNamed(members));
  const found = (members: readonly PeerAddress[]): PeerAddress | undefined =>
    members.find((each) => each.peerUrls.includes(peerUrls[0] as string));
  const add = { kind: "add", name: "", peerUrls, learner: false } as const;
  const members = await ordered(world, add, (each) => found(each) !== undefined);
  const { id } = found(members) as PeerAddress;
  world.timeline.add(name, `is replaced by member ${id}, whose disk is empty`);
  const others = members.filter((each) => each.id !== id);
  victim.replace(id, others, world.disk(`${name} ${id}`));
}

/** Has whoever leads carry `order` out until it `isDone`; gives the members as they are then. */
async function ordered(
  world: SimWorld,
  order: ClusterOrder,
  isDone: (members: readonly PeerAddress[]) => boolean,
): Promise<readonly PeerAddress[]> {
  for (;;) {
    const { cluster, driver, machine } = world.leader ?? {};
    const members = driver?.members() ?? [];
    // What a leader has applied is decided.
    if (members.length > 0 && isDone(members)) return members;
    if (cluster !== undefined) machine?.in(0, () => cluster.order(order, () => {}));
    await sleep(world.here.clock, AGAIN_MS);
  }
}
