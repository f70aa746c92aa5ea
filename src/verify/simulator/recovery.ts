/**
 * What must come of a world in which nothing goes wrong any more: its servers serve, something new is acknowledged soon,
 * and in the end all of them are in the same state.
 *
 * Rules: SIM-LIVE-2 within ten election timeouts of healing something new is acknowledged. SIM-STATE-1 members that have
 * applied as much are in the same state, to the byte, and all come to apply as much.
 */
import { utf8 } from "../../base/bytes.ts";
import { SYSTEM } from "../../contract/auth.ts";
import type { Driver } from "../../driver/face.ts";
import { sleep } from "../../ports/clock.ts";
import { stateSum } from "../state-sum.ts";
import { SLOW_SERVERS_MS } from "./faults.ts";
import type { SimServer } from "./server.ts";
import type { SimWorld } from "./world.ts";

const ELECTIONS = 10;
/** How long a server may take to be back: one that stops in good order waits for what is in flight. */
const BACK_MS = 30_000;
/** How long members may take to have applied as much. */
const AGREED_MS = 30_000;
const LOOK_MS = 10;

/** Of a member in the end. */
export interface StateSum {
  readonly member: string;
  readonly revision: number;
  readonly compactRevision: number;
  readonly sum: number;
}

/** Begins when nothing goes wrong any more. Resolves when something new was acknowledged, or that has been found wrong. */
export async function recover(world: SimWorld): Promise<void> {
  const { clock } = world.here;
  const fromMs = world.agenda.nowMs;
  // What was slowed down is still on its way.
  await sleep(clock, SLOW_SERVERS_MS);
  while (!world.servers.every(({ serves }) => serves)) {
    if (world.agenda.nowMs - fromMs > BACK_MS) {
      const away = world.servers.filter(({ serves }) => !serves).map(({ name }) => name);
      return world.found("SIM-LIVE-2", `${BACK_MS} ms after the faults not back: ${away.join()}`);
    }
    await sleep(clock, LOOK_MS);
  }
  const healedMs = world.agenda.nowMs;
  const withinMs = ELECTIONS * world.shape.electionMs;
  let acknowledged = false;
  for (let at = 0; !acknowledged; at++) {
    if (world.agenda.nowMs - healedMs > withinMs) {
      const text = `nothing new is acknowledged ${withinMs} ms after healing: ${standings(world)}`;
      return world.found("SIM-LIVE-2", text);
    }
    ask(world.leader, at, () => (acknowledged = true));
    await sleep(clock, LOOK_MS);
  }
}

function ask(leader: SimServer | undefined, at: number, acknowledged: () => void): void {
  const { driver } = leader ?? {};
  if (leader === undefined || driver === undefined) return;
  const put = { kind: "put", key: utf8("healed"), value: utf8(String(at)) } as const;
  leader.machine.in(0, () =>
    driver.submit(
      put,
      undefined,
      ({ ok }) => {
        if (ok) acknowledged();
      },
      SYSTEM,
    ),
  );
}

/** Waits until all have applied as much, and says what they have; empty if that has been found wrong. */
export async function agreed(world: SimWorld): Promise<readonly StateSum[]> {
  const fromMs = world.agenda.nowMs;
  const indices = (): readonly (bigint | number | undefined)[] =>
    world.servers.map(({ driver }) => driver?.status().commitIndex);
  while (indices().some((index, _, [first]) => index === undefined || index !== first)) {
    if (world.agenda.nowMs - fromMs > AGREED_MS) {
      world.found("SIM-STATE-1", `no agreement in ${AGREED_MS} ms: ${standings(world)}`);
      return [];
    }
    await sleep(world.here.clock, LOOK_MS);
  }
  const sums: StateSum[] = [];
  for (const { name, driver } of world.servers)
    if (driver !== undefined) sums.push(await sumOf(name, driver));
  const [first] = sums;
  const other = sums.find(({ sum }) => sum !== first?.sum);
  if (other !== undefined && first !== undefined)
    world.found(
      "SIM-STATE-1",
      `${first.member} and ${other.member} are in different states at revision ${first.revision}: ${standings(world)}`,
    );
  return sums;
}

async function sumOf(member: string, driver: Driver): Promise<StateSum> {
  const { revision, compactRevision } = driver.status();
  return { member, revision, compactRevision, sum: await stateSum(driver) };
}

function standings({ servers }: SimWorld): string {
  return servers
    .map(({ name, driver }) => {
      if (driver === undefined) return `${name} is down`;
      const { role, term } = driver.standing();
      return `${name} ${role} of term ${term}, applied ${driver.status().commitIndex}`;
    })
    .join("; ");
}
