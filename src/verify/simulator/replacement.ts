/**
 * A server that is lost for good and replaced, as whoever runs a cluster does it: the others let go of the member and take a
 * new one in, which starts with the same name and addresses on an empty disk.
 *
 * Invariants: I1 the next is lost only when all are there, vote, and know each other, so that a majority has kept everything.
 * I2 what was begun is brought to its end, whatever else goes wrong, and after the time of faults too.
 */
import { must } from "../../base/assert.ts";
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
  const { id: lost, name } = victim;
  const peerUrl = peerUrlOf(name);
  await sleep(world.here.clock, afterMs);
  await ordered(world, { kind: "remove", id: lost }, (members) =>
    members.every(({ id }) => id !== lost),
  );
  // Whoever leads next may still have to apply that the lost one was let go.
  const isNew = ({ id, peerUrls }: PeerAddress): boolean => id !== lost && peerUrls[0] === peerUrl;
  const add = { kind: "add", name: "", peerUrls: [peerUrl], learner: false } as const;
  const members = await ordered(world, add, (all) => all.some(isNew));
  const { id } = must(members.find(isNew), "it was taken in");
  world.timeline.add(name, `is replaced by member ${id}, whose disk is empty`);
  const others = members.filter((each) => each.id !== id && each.id !== lost);
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
