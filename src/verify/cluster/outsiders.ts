/**
 * A majority that is whole, and members beside it that are not: cut off one way or the other, up and down, standing still, with
 * disks that stand still. They may be removed members, too.
 *
 * What must hold: the majority acknowledges something within ten election time-outs; from then on its leader leads on,
 * whatever the others do.
 * Source: the liveness phase of TigerBeetle's simulator; the outage of a partial partition at Cloudflare (November 2020).
 */
import { assert } from "../../base/assert.ts";
import type { Prng } from "../../base/prng.ts";
import { ELECTION_MS } from "./node.ts";
import type { Node } from "./node.ts";
import type { ClusterRun } from "./run.ts";

const WATCHED_MS: number = 4 * ELECTION_MS;
/** Who lacks no more than these is up to date soon. */
const NEAR_ENTRIES = 20;
/** A disk that stands still, ms. */
const STANDS_STILL_MS = 1e7;

export class Outsiders {
  readonly #run: ClusterRun;
  readonly #random: Prng;
  #others: readonly Node[] = [];
  #core: readonly Node[] = [];
  /** Those whose links stay as they were cut. */
  readonly #still = new Set<Node>();
  /** Those whose disks stand still. */
  readonly #stalled = new Set<Node>();

  constructor(run: ClusterRun, random: Prng) {
    this.#run = run;
    this.#random = random;
  }

  async run(): Promise<void> {
    const run = this.#run;
    this.#choose();
    if (this.#others.length === 0) return;
    for (const node of this.#others) {
      if (this.#random.chance(1, 2)) this.#still.add(node);
      this.#cutOff(node);
    }
    const disturb = (): void => this.#disturb();
    await run.acknowledgedAgain("a majority was left alone", disturb);
    await this.#pass(HEALING_MS);
    await this.#steady();
    await this.#end();
  }

  /** A majority of the voters, and everybody else. */
  #choose(): void {
    const run = this.#run;
    const members = run.leader()?.driver?.members() ?? [];
    const voters = members.filter(({ learner }) => !learner);
    // What one that is far behind needs to catch up is no matter of elections.
    const least = (run.leader()?.raft?.log.last ?? 0) - NEAR_ENTRIES;
    const usable = run.nodes.filter(
      ({ harm, id: own, raft }) =>
        harm === undefined &&
        raft?.isRepairing === false &&
        raft.log.last >= least &&
        voters.some(({ id }) => id === own),
    );
    const needed = Math.floor(voters.length / 2) + 1;
    if (usable.length < needed) return;
    const core = new Set<Node>();
    while (core.size < needed) core.add(this.#random.pick(usable));
    this.#core = [...core];
    this.#others = run.nodes.filter((node) => !core.has(node) && node.harm === undefined);
  }

  async #pass(ms: number): Promise<void> {
    const until = this.#run.scheduler.nowMs + ms;
    while (this.#run.scheduler.nowMs < until)
      await this.#run.acknowledgedAgain("a majority was left alone", () => this.#disturb());
  }

  /** Who leads the majority leads on. */
  async #steady(): Promise<void> {
    const run = this.#run;
    const before = run.leader();
    const term = before?.driver?.standing().term;
    // One of the others that is cut off from nobody may lead as well.
    if (before === undefined || !this.#core.includes(before)) return;
    await this.#pass(WATCHED_MS);
    assert(
      before.isLeading && before.driver?.standing().term === term,
      `${before.id} led a majority in term ${term} and was deposed: ${run.draw()}`,
    );
    await run.acknowledgedAgain("a majority was left alone for long", () => this.#disturb());
  }

  #disturb(): void {
    const { network } = this.#run;
    for (const node of this.#others)
      if (!this.#still.has(node) && this.#random.chance(1, 25)) this.#act(node);
    for (const node of this.#core) if (node.life === undefined) node.start();
    this.#run.note();
    if (this.#random.chance(1, 20)) network.tellCut();
  }

  #act(node: Node): void {
    const random = this.#random;
    switch (random.below(6)) {
      case 0:
        return node.life === undefined ? node.start() : node.crash();
      case 1:
        return node.life?.pause(random.below(1_000));
      case 2:
        this.#stall(node);
        return;
      default:
        return this.#cutOff(node);
    }
  }

  /** It hears others or does not, is heard or is not; by all of them, or by some. */
  #cutOff(node: Node): void {
    const random = this.#random;
    const { nodes, network } = this.#run;
    const [isDeaf, isMute, isPartial] = [
      random.chance(1, 2),
      random.chance(1, 2),
      random.chance(1, 3),
    ];
    for (const other of nodes) {
      if (other === node) continue;
      const links = [
        [`${other.id}>${node.id}`, isDeaf],
        [`${node.id}>${other.id}`, isMute],
      ] as const;
      for (const [link, isCut] of links) {
        if (isCut && !(isPartial && random.chance(1, 2))) network.cut.add(link);
        else network.cut.delete(link);
      }
    }
  }

  #stall(node: Node): void {
    if (node.disk.slowMs === 0) {
      this.#stalled.add(node);
      node.disk.slowMs = STANDS_STILL_MS;
    } else this.#mend(node);
  }

  /** What a disk that stands still was given would take for hours. */
  #mend(node: Node): void {
    node.disk.slowMs = 0;
    this.#stalled.delete(node);
    node.crash();
  }

  async #end(): Promise<void> {
    const run = this.#run;
    run.network.cut.clear();
    for (const node of this.#others) if (this.#stalled.has(node)) this.#mend(node);
    await run.pass(1_000);
  }
}

const HEALING_MS: number = 10 * ELECTION_MS;
