/** What disturbs a simulated cluster, at random, beat by beat. */
import type { Prng } from "../../base/prng.ts";
import type { ClusterFaults } from "./faults.ts";
import { damageEnd, damageLog, damageSnapshot } from "./harm.ts";
import type { Node } from "./node.ts";
import { recordOf } from "./node.ts";
import type { ClusterRun } from "./run.ts";

/** Of those that are down, how many come back in a beat; in ten thousand. */
const COMES_BACK = 800;
/** Within this others have found a machine again that stood still. */
const RECONNECTS_MS = 300;
/** Most machines of a run. */
const NODES_MAX = 9;

type Act = (node: Node) => void;

export class Disturbances {
  readonly #run: ClusterRun;
  readonly #faults: ClusterFaults;
  readonly #random: Prng;
  readonly #acts: readonly (readonly [number, Act])[];
  #cutUntil = 0;
  readonly counts = { crashes: 0, kills: 0, cuts: 0, changes: 0, transfers: 0, harms: 0 };

  constructor(run: ClusterRun, faults: ClusterFaults, random: Prng) {
    this.#run = run;
    this.#faults = faults;
    this.#random = random;
    this.#acts = this.#plan();
  }

  beat(): void {
    const { network, nodes, scheduler } = this.#run;
    if (scheduler.nowMs >= this.#cutUntil && network.cut.size > 0) network.cut.clear();
    for (const [rate, act] of this.#acts)
      if (this.#random.chance(rate, 10_000)) act(this.#victim());
    this.#run.note();
    for (const node of nodes)
      if (node.life === undefined && !node.isRetired && this.#random.chance(COMES_BACK, 10_000))
        node.start();
    if (this.#faults.harm > 0) this.replaceHarmed();
  }

  /** Somebody, or whoever leads: what befalls a leader shows more. */
  #victim(): Node {
    const leader = this.#random.chance(1, 3) ? this.#run.leader() : undefined;
    return leader ?? this.#random.pick(this.#run.nodes);
  }

  #plan(): readonly (readonly [number, Act])[] {
    const random = this.#random;
    const faults = this.#faults;
    const { counts } = this;
    return [
      [faults.crash, (node) => this.#crash(node)],
      [faults.crashAll, () => this.#run.nodes.forEach((node) => this.#crash(node))],
      [
        faults.kill,
        (node) => {
          if (node.life !== undefined) counts.kills++;
          node.kill();
        },
      ],
      [faults.cut, () => this.#cutLinks()],
      [faults.reset, ({ id }) => this.#run.network.reset(id, random.pick(this.#run.nodes).id)],
      [faults.pause, (node) => this.#pause(node)],
      [
        faults.slowDisk,
        ({ disk }) => {
          disk.slowMs = disk.slowMs > 0 ? 0 : random.pick([5, 40, 700]);
        },
      ],
      [
        faults.badDisk,
        ({ disk }) => {
          disk.failWith = random.pick(["EIO: i/o error, write", "ENOSPC: no space left on device"]);
          disk.failAfter = random.below(4);
        },
      ],
      [
        faults.jump,
        ({ life }) => life?.jump(random.pick([-86_400_000, -3_600_000, 3_600_000, 86_400_000])),
      ],
      [faults.change, () => this.#change()],
      [
        faults.transfer,
        ({ id }) => {
          counts.transfers++;
          this.#run.order({ kind: "transfer", to: id });
        },
      ],
      [faults.harm, (node) => this.#harm(node)],
    ];
  }

  #crash(node: Node): void {
    if (node.life === undefined) return;
    this.counts.crashes++;
    if (this.#random.chance(1, 2)) node.crash();
    else node.crashInWrite();
  }

  #pause(node: Node): void {
    const random = this.#random;
    // While others stand still as well nobody can take over, mostly.
    const isOnly = this.#run.nodes.every(({ life }) => life?.isPaused !== true);
    if (!isOnly && random.chance(7, 8)) return;
    const leader = random.chance(3, 4) ? this.#run.leader() : undefined;
    const { life } = leader ?? node;
    const deafMs = random.chance(3, 4) ? random.below(RECONNECTS_MS) : undefined;
    life?.pause(random.below(random.pick([400, 2_000, 2_000])), deafMs);
  }

  #cutLinks(): void {
    const random = this.#random;
    const { nodes, network, scheduler } = this.#run;
    // Half of all, or whoever leads with few others.
    const leader = random.chance(1, 2) ? this.#run.leader() : undefined;
    const outOf = leader === undefined ? 2 : 4;
    const aside = new Set(
      nodes.filter((node) => node === leader || random.chance(1, outOf)).map(({ id }) => id),
    );
    const isOneWay = random.chance(1, 2);
    for (const { id: from } of nodes) {
      for (const { id: to } of nodes) {
        const isCut = isOneWay
          ? aside.has(from) && !aside.has(to)
          : aside.has(from) !== aside.has(to);
        if (isCut) network.cut.add(`${from}>${to}`);
      }
    }
    if (random.chance(1, 2)) network.tellCut();
    this.#cutUntil = scheduler.nowMs + random.below(random.pick([400, 2_500]));
    this.counts.cuts++;
  }

  /** Takes a member in, has one that learns vote, or lets one go. */
  #change(): void {
    const random = this.#random;
    const members = this.#run.leader()?.driver?.members() ?? [];
    const learner = members.find((member) => member.learner);
    if (learner !== undefined && random.chance(3, 4))
      return this.#run.order({ kind: "promote", id: learner.id });
    if (members.length > 1 && random.chance(members.length - 1, 5))
      return this.#run.order({ kind: "remove", id: random.pick(members).id });
    this.#takeIn();
  }

  #takeIn(): void {
    const { nodes } = this.#run;
    if (nodes.length >= NODES_MAX) return;
    const id = nodes.length + 1;
    this.#run.order({ kind: "add", member: recordOf(id) });
    this.#run.add(id).start();
  }

  /** Damages a member's disk while it is down, or takes it away, where the others can do without. */
  #harm(node: Node): void {
    const random = this.#random;
    const members = this.#run.leader()?.driver?.members() ?? [];
    const voters = members.filter(({ learner }) => !learner);
    // As long as nobody else is missing, and everybody knows everybody's directory, what is gone is not needed.
    const isWhole = voters.length >= 3 && members.length === voters.length && this.#areWhole();
    if (!isWhole || !voters.some(({ id }) => id === node.id)) return;
    this.counts.harms++;
    node.crash();
    const { disk } = node;
    switch (random.below(8)) {
      case 0:
      case 1:
        node.loseDisk();
        node.harm = "gone";
        break;
      case 2:
        damageEnd(disk, random);
        node.harm = "damaged";
        break;
      case 3:
      case 4:
        damageSnapshot(disk, random);
        node.harm = "damaged";
        break;
      default:
        damageLog(disk, random);
    }
    node.start();
  }

  /** Everybody is up, has what it ever had, and knows who the others are; whoever is harmed is a member no more. */
  #areWhole(): boolean {
    const sound = this.#run.nodes.filter(({ harm }) => harm === undefined);
    const ids = new Set(sound.map(({ id }) => id));
    return sound.every(({ driver }) => {
      const members = driver?.members() ?? [];
      const isKnown = members.every(({ id, identity }) => ids.has(id) && identity !== "");
      return isKnown && members.length > 0 && driver?.standing().isRepairing === false;
    });
  }

  /** Lets go of a member whose disk cannot be mended, after it was switched off, and takes another in. */
  replaceHarmed(): void {
    const { nodes, network } = this.#run;
    for (const node of nodes) {
      const isMended = node.harm === "damaged" && node.driver?.standing().isRepairing === false;
      if (isMended) node.harm = undefined;
      const isOut =
        node.harm !== undefined && (node.refusedToStart || network.refused.has(node.id));
      if (!isOut || node.isRetired) continue;
      node.isRetired = true;
      node.crash();
    }
    const members = this.#run.leader()?.driver?.members() ?? [];
    const gone = nodes.find(
      ({ id, isRetired }) => isRetired && members.some((each) => each.id === id),
    );
    const learner = members.find((member) => member.learner);
    if (gone !== undefined) this.#run.order({ kind: "remove", id: gone.id });
    else if (learner !== undefined) this.#run.order({ kind: "promote", id: learner.id });
    else if (members.length > 0 && members.length < 3 && this.counts.harms > 0) this.#takeIn();
  }
}
