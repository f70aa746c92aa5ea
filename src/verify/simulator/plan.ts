/**
 * The plan of a run: everything about it that is decided beforehand, drawn from a seed. A plan can be made smaller by
 * leaving out faults, clients or time, and written as one word that gives it back.
 *
 * Invariants: I1 a seed and what was left out determine the plan. I2 leaving out one fault leaves the others as they were.
 * Source: the swarm of TigerBeetle and Groce et al., "Swarm Testing" (ISSTA 2012): each seed switches off a random subset
 * of the kinds of fault, so that rare combinations come up.
 */
import { fail } from "../../base/errors.ts";
import type { Prng } from "../../base/prng.ts";
import { prng } from "../../base/prng.ts";

/** What can go wrong with clients and their connections. */
export const CLIENT_FAULTS = [
  "cut",
  "partition",
  "slow-network",
  "pause-client",
  "crash-client",
] as const;
/** What can go wrong with servers; those of the leader and between servers find nothing to hit where there is one. */
export const SERVER_FAULTS = [
  "pause-server",
  "crash-server",
  "stop-server",
  "slow-disk",
  "fail-disk",
  "cut-server",
  "partition-servers",
  "slow-server",
  "pause-leader",
  "crash-leader",
  "stop-leader",
  "transfer",
  "replace-server",
  "compact",
  "power",
] as const;
/** What can go wrong with any machine. */
export const CLOCK_FAULTS = ["jump-clock", "drift-clock"] as const;

export type ClientFault = (typeof CLIENT_FAULTS)[number];
export type ServerFault = (typeof SERVER_FAULTS)[number];
/** What can go wrong. */
export type FaultKind = ClientFault | ServerFault | (typeof CLOCK_FAULTS)[number];

export const FAULT_KINDS: readonly FaultKind[] = [
  ...CLIENT_FAULTS,
  ...SERVER_FAULTS,
  ...CLOCK_FAULTS,
];

/** After these somebody else leads, or the same one anew. */
const UNSEATING: readonly FaultKind[] = ["crash-leader", "stop-leader", "power"];
/** Of so many faults one unseats the leader, where a space asks for a number of them. */
const UNSEATED_EACH = 4;

/** One thing that goes wrong. */
export interface Fault {
  /** Its place in what the seed drew. */
  readonly number: number;
  readonly kind: FaultKind;
  readonly atMs: number;
  readonly forMs: number;
  /** Chooses whom it hits, among those that are there then. */
  readonly target: number;
  /** Chooses between the ways in which it can happen. */
  readonly way: number;
}

export interface Plan {
  readonly seed: number;
  /** How many servers there are. */
  readonly servers: number;
  /** How many clients a scenario that asks is told to make. */
  readonly clients: number;
  /** How long things go wrong, ms; then everything heals. */
  readonly faultsMs: number;
  readonly faults: readonly Fault[];
  /** How many faults the seed drew; more than `faults` has, if some were left out. */
  readonly drawn: number;
}

/** What plans are drawn from. */
export interface PlanSpace {
  readonly kinds: readonly FaultKind[];
  /** How many servers there may be: each seed draws one of these. */
  readonly servers: readonly number[];
  /** At least so many faults, every fourth of which unseats the leader; absent: from none on, and no such order. */
  readonly faultsMin?: number | undefined;
  /** Fewest clients; default 1. */
  readonly clientsMin?: number | undefined;
  /** Most clients. */
  readonly clientsMax: number;
  /** How long things go wrong, ms. */
  readonly faultsMs: number;
}

/** How long each kind lasts, ms: half of them less than a tenth of this, the others from three tenths on. */
const LASTS_MS: Readonly<Record<FaultKind, number>> = {
  cut: 0,
  partition: 20_000,
  "slow-network": 15_000,
  "pause-client": 25_000,
  "crash-client": 10_000,
  "pause-server": 12_000,
  "crash-server": 8_000,
  "stop-server": 4_000,
  "slow-disk": 10_000,
  "fail-disk": 0,
  "cut-server": 0,
  "partition-servers": 12_000,
  "slow-server": 10_000,
  "pause-leader": 8_000,
  "crash-leader": 6_000,
  "stop-leader": 4_000,
  transfer: 0,
  "replace-server": 4_000,
  compact: 0,
  power: 2_000,
  "jump-clock": 0,
  "drift-clock": 0,
};
/** On average one fault in so much time, of all kinds together, at most. */
const EVERY_MS = 1_500;

/** A generator of its own for each use, so that one use more leaves the others as they were. */
export function stream(seed: number, use: string): Prng {
  let mix = seed >>> 0;
  for (let at = 0; at < use.length; at++)
    mix = Math.imul(mix ^ use.charCodeAt(at), 0x01000193) >>> 0;
  return prng(mix);
}

/** What `seed` draws from `space`. */
export function drawPlan(seed: number, space: PlanSpace): Plan {
  const { faultsMs, clientsMax, clientsMin = 1, faultsMin = 0 } = space;
  const random = stream(seed, "plan");
  const kinds = space.kinds.filter(() => random.chance(1, 2));
  const clients = clientsMin + random.below(clientsMax - clientsMin + 1);
  const most = Math.max(faultsMin, Math.ceil(faultsMs / EVERY_MS));
  const count = kinds.length === 0 ? 0 : faultsMin + random.below(most - faultsMin + 1);
  const times = Array.from({ length: count }, () => random.below(faultsMs));
  times.sort((a, b) => a - b);
  const unseating = space.kinds.filter((kind) => faultsMin > 0 && UNSEATING.includes(kind));
  const faults = times.map((atMs, number) => {
    const unseats = unseating.length > 0 && number % UNSEATED_EACH === UNSEATED_EACH - 1;
    return drawFault(seed, number, atMs, unseats ? unseating : kinds);
  });
  const servers = stream(seed, "servers").pick(space.servers);
  return { seed, servers, clients, faultsMs, faults, drawn: count };
}

function drawFault(seed: number, number: number, atMs: number, kinds: readonly FaultKind[]): Fault {
  const random = stream(seed, `fault ${number}`);
  const kind = random.pick(kinds);
  const share = random.chance(1, 2) ? random.below(100) / 1_000 : 0.3 + random.below(701) / 1_000;
  const forMs = Math.round(LASTS_MS[kind] * share);
  return { number, kind, atMs, forMs, target: random.u32(), way: random.u32() };
}

/** `plan` with only these of its faults. */
export function keeping(plan: Plan, faults: readonly Fault[]): Plan {
  return { ...plan, faults };
}

/** The word that gives the plan back: the seed, and what was left out. */
export function planText(plan: Plan, space: PlanSpace): string {
  const whole = drawPlan(plan.seed, space);
  const parts = [String(plan.seed)];
  if (plan.servers !== whole.servers) parts.push(`s${plan.servers}`);
  if (plan.clients !== whole.clients) parts.push(`c${plan.clients}`);
  if (plan.faultsMs !== whole.faultsMs) parts.push(`t${plan.faultsMs}`);
  if (plan.faults.length !== whole.faults.length)
    parts.push(`f${plan.faults.map(({ number }) => number).join(".")}`);
  return parts.join("-");
}

/** Most servers of a simulated world. */
export const SERVERS_MAX = 7;
/** Most clients that the word of a plan can ask for. */
const CLIENTS_MAX = 999;

/** The plan that `text` names. Throws INVALID. */
export function parsePlan(text: string, space: PlanSpace): Plan {
  const found = /^(\d{1,10})(?:-s(\d))?(?:-c(\d{1,3}))?(?:-t(\d{1,9}))?(?:-f([\d.]*))?$/.exec(text);
  if (found === null || Number(found[1]) > 0xffff_ffff) {
    throw fail("INVALID", {
      object: `seed ${text}`,
      what: "is no seed of a simulation",
      remedy: "Give a whole number from 0 to 4294967295, or what a report printed.",
    });
  }
  const [, seed, servers, clients, faultsMs, kept] = found;
  within(text, "servers", servers, SERVERS_MAX);
  within(text, "clients", clients, CLIENTS_MAX);
  const whole = drawPlan(Number(seed), space);
  const numbers = kept
    ?.split(".")
    .filter((each) => each !== "")
    .map(Number);
  return {
    ...whole,
    servers: servers === undefined ? whole.servers : Number(servers),
    clients: clients === undefined ? whole.clients : Number(clients),
    faultsMs: faultsMs === undefined ? whole.faultsMs : Number(faultsMs),
    faults: whole.faults.filter(({ number }) => numbers?.includes(number) !== false),
  };
}

/** Throws INVALID if `count`, as `text` gives it, cannot be simulated. */
function within(text: string, what: string, count: string | undefined, most: number): void {
  if (count === undefined || (Number(count) >= 1 && Number(count) <= most)) return;
  throw fail("INVALID", {
    object: `seed ${text}`,
    what: `asks for ${Number(count)} ${what}`,
    remedy: `Give 1 to ${most} ${what}, or what a report printed.`,
  });
}
