/**
 * Carries out faults: what each kind does to the world, and how it ends. All of them are over when the time of faults is:
 * from then on everything must be able to go on.
 *
 * Invariants: I1 no fault outlasts the time of faults. I2 a fault that finds nothing to hit does nothing.
 */
import { SYSTEM } from "../../contract/auth.ts";
import type { Machine } from "./machine.ts";
import type { ClientFault, Fault, FaultKind, ServerFault } from "./plan.ts";
import { CLIENT_FAULTS } from "./plan.ts";
import { replaceServer } from "./replacement.ts";
import type { SimServer } from "./server.ts";
import type { SimProcess } from "./supervised.ts";
import type { SimWorld } from "./world.ts";

/** Largest difference of a wall clock from the world's, ms, and of a clock's rate from 1. */
const SKEW_MAX_MS = 3_600_000;
const DRIFT_MAX = 0.02;
/** Latency that a slow network adds at most, between servers and elsewhere, and a slow disk to each operation, ms. */
export const SLOW_SERVERS_MS = 400;
const SLOW_NETWORK_MS = 2_000;
const SLOW_DISK_MS = 400;
/** Most revisions that a compaction leaves: few, so that who lags a little has lost something. */
const HISTORY_LEFT_MAX = 4;

/** Does to `world` what `fault` says. */
export function inflict(world: SimWorld, fault: Fault): void {
  const { kind, target } = fault;
  const forMs = Math.min(fault.forMs, world.faultsLeftMs);
  if (kind === "jump-clock" || kind === "drift-clock") return disturbClock(world, kind, fault);
  if (isOfClient(kind)) {
    const victim = pick(world.runningProcesses, target);
    if (victim !== undefined) hitClient(world, victim, kind, forMs, fault.way);
    return;
  }
  hitServer(world, serverFor(world, kind, target), kind, forMs, fault.way);
}

function isOfClient(kind: FaultKind): kind is ClientFault {
  return CLIENT_FAULTS.some((each) => each === kind);
}

/** Whom a fault of servers befalls: the leader, if it is meant and there is one. */
function serverFor({ servers, leader }: SimWorld, kind: ServerFault, target: number): SimServer {
  const drawn = servers[target % servers.length] as SimServer;
  return kind.endsWith("-leader") ? (leader ?? drawn) : drawn;
}

/** What befalls a client. */
function hitClient(
  world: SimWorld,
  victim: SimProcess,
  kind: ClientFault,
  forMs: number,
  way: number,
): void {
  const { machine } = victim;
  switch (kind) {
    case "cut":
      return cut(world, machine);
    case "partition":
      return partition(world, machine, serversFor(world, way), forMs, way);
    case "slow-network":
      return slowNetwork(world, machine, forMs, way % SLOW_NETWORK_MS);
    case "pause-client":
      return way % 2 === 0 ? pause(world, machine, forMs) : world.pauseInWrite(machine, forMs);
    case "crash-client":
      return crashProcess(world, victim, forMs, way % 2 === 0);
  }
}

/** What befalls a server, or all of them. */
function hitServer(
  world: SimWorld,
  victim: SimServer,
  kind: ServerFault,
  forMs: number,
  way: number,
): void {
  switch (kind) {
    case "pause-server":
    case "pause-leader":
      return pause(world, victim.machine, forMs);
    case "crash-server":
    case "crash-leader":
      return crashServer(world, victim, forMs, way % 2 === 0);
    case "stop-server":
    case "stop-leader":
      return stopServer(world, victim, forMs);
    case "slow-disk":
      return slowDisk(world, victim, forMs, way % SLOW_DISK_MS);
    case "fail-disk":
      return failDisk(world, victim, way % 6);
    case "cut-server":
      return cut(world, victim.machine);
    case "partition-servers":
      return partition(world, victim.machine, othersFor(world, victim, way), forMs, way);
    case "slow-server":
      return slowNetwork(world, victim.machine, forMs, way % SLOW_SERVERS_MS);
    case "transfer":
      return transfer(world, victim);
    case "replace-server":
      return replaceServer(world, victim, forMs);
    case "compact":
      return compact(world, way % (HISTORY_LEFT_MAX + 1));
    case "power":
      for (const server of world.servers) crashServer(world, server, forMs, true);
  }
}

function disturbClock(
  world: SimWorld,
  kind: "jump-clock" | "drift-clock",
  { target, way }: Fault,
): void {
  const off = (way / 0xffff_ffff) * 2 - 1;
  const machines = [...world.servers, ...world.runningProcesses].map(({ machine }) => machine);
  const machine = machines[target % machines.length] as Machine;
  if (kind === "jump-clock") jump(world, machine, off * SKEW_MAX_MS);
  else drift(world, machine, 1 + off * DRIFT_MAX);
}

function pick<T>(all: readonly T[], target: number): T | undefined {
  return all[target % Math.max(1, all.length)];
}

/** From whom a client is cut off: all servers, or one; with them the world, in which the resources are, or not. */
function serversFor({ servers, fate }: SimWorld, way: number): readonly Machine[] {
  const machines = servers.map(({ machine }) => machine);
  const some = (way >>> 5) % 2 === 0 ? machines : [pick(machines, way >>> 8) as Machine];
  return (way >>> 4) % 2 === 0 ? some : [...some, fate];
}

/** From whom a server is cut off: all others, or one. */
function othersFor({ servers }: SimWorld, victim: SimServer, way: number): readonly Machine[] {
  const others = servers.filter((each) => each !== victim).map(({ machine }) => machine);
  return (way >>> 4) % 2 === 0 ? others : others.slice(0, 1);
}

/** Breaks the connections of a machine. */
export function cut(world: SimWorld, machine: Machine): void {
  const count = world.network.cut(machine);
  if (count > 0) world.strike(machine, "loses its connections");
}

/** Nothing passes between a machine and some others, one way or both, as `way` says. */
export function partition(
  world: SimWorld,
  machine: Machine,
  others: readonly Machine[],
  forMs: number,
  way: number,
): void {
  if (others.length === 0) return;
  const { fate, network, timeline } = world;
  const shut = others.flatMap((other) =>
    [
      { from: machine, to: other },
      { from: other, to: machine },
    ].filter((_, at) => way % 3 !== at),
  );
  const text = shut.map(({ from, to }) => `${from.name} → ${to.name}`).join(", ");
  world.strike(machine, `nothing passes for ${ms(forMs)}: ${text}`);
  for (const { from, to } of shut) network.shut(from, to);
  fate.in(forMs, () => {
    for (const { from, to } of shut) network.open(from, to);
    timeline.add(machine.name, `everything passes again: ${text}`);
  });
}

export function slowNetwork(world: SimWorld, machine: Machine, forMs: number, byMs: number): void {
  world.strike(machine, `its network takes up to ${ms(byMs)} longer for ${ms(forMs)}`);
  world.network.slow(machine, byMs);
  world.fate.in(forMs, () => world.network.slow(machine, 0));
}

export function pause(world: SimWorld, machine: Machine, forMs: number): void {
  if (!machine.isOn) return;
  world.strike(machine, `stands still for ${ms(forMs)}`);
  machine.standStill(forMs);
  world.fate.in(forMs, () => world.timeline.add(machine.name, "goes on"));
}

export function crashProcess(
  world: SimWorld,
  victim: SimProcess,
  forMs: number,
  silent: boolean,
): void {
  world.strike(
    victim.machine,
    `${silent ? "loses its power" : "is killed"}, comes back after ${ms(forMs)}`,
  );
  victim.kill(silent);
  world.fate.in(forMs, () => victim.revive());
}

export function crashServer(
  world: SimWorld,
  server: SimServer,
  forMs: number,
  silent: boolean,
): void {
  if (!server.machine.isOn) return;
  const how = silent ? "loses its power" : "is killed";
  world.strike(server.machine, `${how}, with what its disk had not promised, for ${ms(forMs)}`);
  server.crash(silent);
  world.fate.in(forMs, () => server.restart());
}

export function stopServer(world: SimWorld, server: SimServer, forMs: number): void {
  if (!server.serves) return;
  world.strike(server.machine, `stops in good order, is started again after ${ms(forMs)}`);
  server.stopAndStart(forMs);
}

export function slowDisk(world: SimWorld, server: SimServer, forMs: number, eachMs: number): void {
  const text = `every operation of its disk takes ${ms(eachMs)} longer for ${ms(forMs)}`;
  world.strike(server.machine, text);
  server.speed.slow(forMs, eachMs);
}

/** A write or flush of a server's disk fails, after so many that do not. */
export function failDisk(world: SimWorld, server: SimServer, after: number): void {
  world.strike(server.machine, `a write of its disk will fail, after ${after} more`);
  server.failWrite(after);
  world.whenCalm(() => server.mendDisk());
}

export function jump(world: SimWorld, machine: Machine, skewMs: number): void {
  world.strike(machine, `its wall clock jumps: it is ${ms(Math.round(skewMs))} off now`);
  machine.skew(skewMs);
}

export function drift(world: SimWorld, machine: Machine, rate: number): void {
  world.strike(machine, `its clocks go ${rate.toFixed(4)} times as fast from now on`);
  machine.drift(rate);
}

/** Leadership is to go to a server, if another one leads. */
export function transfer(world: SimWorld, to: SimServer): void {
  const { leader } = world;
  if (leader === undefined || leader === to || leader.cluster === undefined) return;
  world.strike(leader.machine, `is to hand leadership over to ${to.name}`);
  const { cluster } = leader;
  leader.machine.in(0, () => cluster.order({ kind: "transfer", to: to.id }, () => {}));
}

/** The history of the keyspace goes, up to `left` revisions ago. */
export function compact(world: SimWorld, left: number): void {
  const { leader } = world;
  const { driver } = leader ?? {};
  if (leader === undefined || driver === undefined) return;
  const { revision: newest, compactRevision } = driver.status();
  const revision = newest - left;
  if (revision <= compactRevision) return;
  world.strike(leader.machine, `is to forget the history before revision ${revision}`);
  const order = { kind: "compact", revision } as const;
  leader.machine.in(0, () => driver.submit(order, undefined, () => {}, SYSTEM));
}

function ms(value: number): string {
  return Math.abs(value) < 1_000 ? `${value} ms` : `${(value / 1_000).toFixed(3)} s`;
}
