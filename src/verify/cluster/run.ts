/**
 * A cluster of whole drivers under virtual time and seeded faults, with clients that know what they were promised and
 * whose every call is recorded: the general swarm.
 *
 * Each seed switches on some of the faults: messages lost, repeated, delayed past each other; links cut in one direction;
 * machines that lose power with what they had not flushed, in a write too, processes that end, stand still, have slow, failing or
 * damaged disks; clocks that drift, jump and are coarse; members that come and go; leadership handed over. Then everything heals, and in some runs
 * a majority is left alone with the others, who go on as badly as they can (`outsiders.ts`). What must hold:
 * `promises.ts`; throughout, no member stops or refuses what it has, and who leads has a disk that goes on. Source: the two phases are TigerBeetle's; switching faults off at random is Groce's swarm testing (ISSTA
 * 2012).
 */
import { assert, AssertionFailure } from "../../base/assert.ts";
import type { Prng } from "../../base/prng.ts";
import { prng } from "../../base/prng.ts";
import { utf8 } from "../../base/bytes.ts";
import { SYSTEM } from "../../contract/auth.ts";
import type { Procedure } from "../../contract/procedure.ts";
import { procedureSet } from "../../contract/procedure.ts";
import type { Formats } from "../../contract/formats.ts";
import { FORMATS } from "../../contract/formats.ts";
import type { Reply, Request } from "../../contract/requests.ts";
import type { Driver } from "../../driver/face.ts";
import type { PeerAddress } from "../../driver/peers.ts";
import { allProcedures } from "../../mechanisms/procedures.ts";
import type { MemberOrder } from "../../replica/members.ts";
import type { ClientWorld } from "./asker.ts";
import { Asker, Facts } from "./asker.ts";
import { count, work } from "./client.ts";
import { Disturbances } from "./disturbances.ts";
import type { ClusterFaults } from "./faults.ts";
import { drawClusterFaults } from "./faults.ts";
import { callKeyspace, readOn } from "./keyspace-client.ts";
import { SimNetwork } from "./network.ts";
import type { NodeOptions } from "./node.ts";
import { ELECTION_MS, Node, recordOf } from "./node.ts";
import { Outsiders } from "./outsiders.ts";
import type { Resource } from "./owner.ts";
import { own } from "./owner.ts";
import type { Plant } from "./plant.ts";
import { CLIENT_RULES } from "./plant.ts";
import { checkHistory, checkKept, sameMembers, sameState } from "./promises.ts";
import { Recording } from "./recording.ts";
import { Scheduler } from "./scheduler.ts";
import { watchKeyspace } from "./watcher.ts";

const procedures = procedureSet([count as Procedure<never, unknown>, ...allProcedures]);
/** How often something is disturbed, ms. */
const BEAT_MS = 10;
/** Ten election time-outs. */
export const HEALED_MS: number = 10 * ELECTION_MS;
/** Who votes had, not longer ago than this, what was committed then. */
const CAUGHT_UP_MS: number = 3 * ELECTION_MS;
/** A member looks at its clock that much later than it should. */
const STALL_SLACK_MS = 100;
/** Until a cluster that heals has brought everybody up to date. */
const SETTLED_MS = 30_000;

export interface RunOptions {
  readonly seed: number;
  readonly members?: number | undefined;
  /** Virtual time under faults, ms; default 2,000. */
  readonly disturbedMs?: number | undefined;
  readonly faults?: Partial<ClusterFaults> | undefined;
  /** How many; default: as the seed draws. */
  readonly clients?: number | undefined;
  readonly shape?: Partial<Shape> | undefined;
  /** How long clients wait for answers, and how long these take; default: as the seed draws. */
  readonly answers?: Pick<ClientWorld, "timeoutMs" | "answerMs"> | undefined;
  /** A mistake that all members, or all clients, make. */
  readonly plant?: Plant | undefined;
  /** Of the programs that begin. */
  readonly formats?: Formats | undefined;
}

/** What decides how often snapshots are written, how they travel, and how often leaders change. */
export type Shape = Pick<
  NodeOptions,
  "tailBytes" | "chunkBytes" | "snapshotLogBytes" | "electionMs"
>;

export interface RunReport {
  readonly acknowledged: number;
  readonly counted: number;
  readonly terms: number;
  readonly crashes: number;
  readonly kills: number;
  readonly cuts: number;
  readonly changes: number;
  readonly transfers: number;
  readonly harms: number;
  readonly failures: readonly string[];
  readonly events: number;
  /** Of the recorded history. */
  readonly recorded: number;
  /** What the checkers looked at, by name. */
  readonly checked: Readonly<Record<string, number>>;
  readonly healedMs: number;
  /** Of the state in the end: equal for equal seeds. */
  readonly state: number;
}

/** Runs one seed; throws what went wrong. */
export async function runCluster(options: RunOptions): Promise<RunReport> {
  const run = new ClusterRun(options);
  await run.disturb();
  await run.heal();
  return run.end();
}

export class ClusterRun {
  readonly random: Prng;
  readonly scheduler: Scheduler = new Scheduler();
  readonly network: SimNetwork;
  readonly nodes: Node[] = [];
  readonly world: ClientWorld;
  readonly #options: RunOptions;
  readonly #faults: ClusterFaults;
  readonly #askers: { readonly asker: Asker; isDone: boolean }[] = [];
  readonly #resources = new Map<string, Resource>();
  readonly #failed: unknown[] = [];
  readonly #failures: string[] = [];
  readonly #shape: Shape;
  readonly #disturbances: Disturbances;
  /** How far the leader had committed, and when. */
  readonly #commits: { readonly atMs: number; readonly index: number }[] = [];
  #healedMs = 0;

  constructor(options: RunOptions) {
    const random = prng(options.seed);
    this.#options = options;
    this.random = random;
    this.network = new SimNetwork(this.scheduler, random);
    this.scheduler.grainMs = random.pick([0, 0, 0, 25]);
    this.#faults = { ...drawClusterFaults(random), ...options.faults };
    this.#disturbances = new Disturbances(this, this.#faults, random);
    this.world = {
      scheduler: this.scheduler,
      nodes: this.nodes,
      facts: new Facts(),
      recording: new Recording(this.scheduler),
      rules: { ...CLIENT_RULES, ...options.plant?.clients },
      timeoutMs: random.pick([60, 150, 700, 2_500]),
      answerMs: random.pick([1, 1, 10, 500]),
      valueBytes: random.pick([400, 400, 4_000]),
      ...options.answers,
    };
    const size = options.members ?? random.pick([1, 2, 3, 3, 3, 4, 5]);
    this.#shape = {
      tailBytes: random.pick([1, 4_000, 1 << 20]),
      chunkBytes: random.pick([200, 5_000, 256 << 10]),
      snapshotLogBytes: random.pick([8 << 10, 32 << 10, 128 << 10, 1 << 20]),
      electionMs: random.pick([60, 120, ELECTION_MS]),
      ...options.shape,
    };
    const initial = Array.from({ length: size }, (_, at) => addressOf(at + 1));
    for (const { id } of initial) this.add(id, initial);
    for (const node of this.nodes) {
      if (options.clients === undefined) node.disk.slowMs = random.pick([0, 0, 0, 4, 15]);
      node.start();
    }
    const { loss, repeat, delayMs } = this.#faults;
    Object.assign(this.network.faults, { loss, repeat, delayMs });
    this.addClients(options.clients ?? random.pick([1, 2, 4]));
    if (options.clients === undefined) this.#addRecorded();
  }

  addClients(count: number): void {
    for (let left = count; left > 0; left--) this.#add(work);
  }

  /** Those whose history is checked: what each does is drawn, so that runs differ in what they are about. */
  #addRecorded(): void {
    const { random } = this;
    this.#add(readOn);
    for (let left = random.pick([1, 2, 3]); left > 0; left--) this.#add(callKeyspace);
    for (let left = random.pick([0, 1, 3]); left > 0; left--) this.#add(watchKeyspace);
    for (let left = random.pick([0, 2, 3]); left > 0; left--)
      this.#add((asker) => own(asker, this.#resources));
  }

  #add(works: (asker: Asker) => Promise<void>): void {
    const asker = new Asker(this.#askers.length + 1, this.world, prng(this.random.u32()));
    const seat = { asker, isDone: false };
    this.#askers.push(seat);
    works(asker).then(
      () => {
        seat.isDone = true;
      },
      (error: unknown) => this.#failed.push(error),
    );
  }

  /** A machine that is down; without `initial` it is to join. */
  add(id: number, initial?: readonly PeerAddress[], clusterId?: bigint): Node {
    const { scheduler, network, random } = this;
    const shape = { ...this.#shape, clusterId, plant: this.#options.plant };
    const node = new Node({ scheduler, network, random, id, initial, procedures, ...shape });
    node.formats = this.#options.formats ?? FORMATS;
    node.rate = 1 + (random.below(2 * this.#faults.drift + 1) - this.#faults.drift) / 100;
    this.nodes.push(node);
    return node;
  }

  async disturb(): Promise<void> {
    const until = this.scheduler.nowMs + (this.#options.disturbedMs ?? 2_000);
    while (this.scheduler.nowMs < until) {
      await this.pass(BEAT_MS);
      this.#disturbances.beat();
    }
  }

  /** Lets time go by; throws what a client found wrong. */
  async pass(ms: number): Promise<void> {
    const index = this.leader()?.driver?.status().commitIndex;
    if (index !== undefined) this.#commits.push({ atMs: this.scheduler.nowMs, index });
    await this.scheduler.run(this.scheduler.nowMs + ms);
    if (this.#failed.length > 0) throw this.#failed[0];
    for (const { failure, harm, refusedToStart, id } of this.nodes) {
      assert(failure?.startsWith("BUG") !== true, `member ${id} stopped: ${failure}`);
      const isFound = refusedToStart && harm === undefined;
      assert(!isFound, `member ${id} refuses what it or the others have kept: ${failure}`);
    }
    this.#heedStalls();
  }

  /** Whoever's disk stands still does not lead. */
  #heedStalls(): void {
    const stalledMs = 3 * this.#shape.electionMs + STALL_SLACK_MS;
    for (const node of this.nodes) {
      const writesMs = node.seeWrite();
      assert(
        !node.isLeading || writesMs < stalledMs,
        `${node.id} leads, and its disk has stood still for ${writesMs} ms`,
      );
    }
  }

  /** Takes note of members that have ended by themselves. */
  note(): void {
    for (const node of this.nodes) {
      if (node.failure !== undefined) this.#failures.push(`${node.id}: ${node.failure}`);
      node.failure = undefined;
    }
  }

  /** Whoever leads the latest term. */
  leader(): Node | undefined {
    return this.nodes
      .filter(({ isLeading, life }) => isLeading && life?.isPaused === false)
      .sort((a, b) => (b.driver?.standing().term ?? 0) - (a.driver?.standing().term ?? 0))[0];
  }

  order(order: MemberOrder): void {
    const leader = this.leader();
    const has = this.#logOf(order);
    const beforeMs = this.scheduler.nowMs - CAUGHT_UP_MS;
    const due = this.#commits.findLast(({ atMs }) => atMs <= beforeMs)?.index ?? 0;
    const answered = (reply: Reply): void => {
      if (!reply.ok || order.kind === "transfer") return;
      this.#disturbances.counts.changes++;
      if (has >= due || order.kind !== "promote") return;
      this.#failed.push(
        new AssertionFailure(`${order.id} votes with ${has} entries, ${due} were committed before`),
      );
    };
    leader?.driver?.order(order, answered, SYSTEM);
  }

  /** How many entries a member that is to vote has, as far as that can be seen. */
  #logOf(order: MemberOrder): number {
    const node = order.kind === "promote" && this.nodes.find(({ id }) => id === order.id);
    if (node === false || node?.raft === undefined || node.raft.isRepairing) return Infinity;
    return node.raft.log.last;
  }

  /** Ends all faults; something new must be acknowledged soon. */
  async heal(): Promise<void> {
    Object.assign(this.network.faults, { loss: 0, repeat: 0, delayMs: this.random.pick([1, 8]) });
    this.network.cut.clear();
    let leftMs = 0;
    for (const { disk, life } of this.nodes) {
      disk.slowMs = 0;
      disk.failAfter = undefined;
      disk.inWrite = undefined;
      const { pausedUntil = 0, deafUntil = 0 } = life ?? {};
      leftMs = Math.max(leftMs, Math.max(pausedUntil, deafUntil) - this.scheduler.nowMs);
    }
    // A pause is a fault until it ends.
    await this.pass(leftMs);
    this.#healedMs = await this.acknowledgedAgain("healing", () => this.#bringBack());
    if (this.#options.clients !== undefined || this.random.chance(1, 2)) return;
    await new Outsiders(this, this.random).run();
  }

  #bringBack(): void {
    this.note();
    for (const node of this.nodes) if (node.life === undefined && !node.isRetired) node.start();
    if (this.#faults.harm > 0) this.#disturbances.replaceHarmed();
  }

  /** Lets time go by until something new is acknowledged, beat by beat; returns how long that took, ms. */
  async acknowledgedAgain(after: string, each: () => void): Promise<number> {
    const began = this.scheduler.nowMs;
    let acknowledged = false;
    while (!acknowledged) {
      each();
      this.leader()?.driver?.submit(
        { kind: "put", key: utf8("healed"), value: utf8("x") },
        undefined,
        (reply) => {
          acknowledged ||= reply.ok;
        },
        SYSTEM,
      );
      await this.pass(BEAT_MS);
      const tookMs = this.scheduler.nowMs - began;
      assert(
        tookMs <= HEALED_MS,
        `nothing is acknowledged ${tookMs} ms after ${after}: ${this.draw()}`,
      );
    }
    return this.scheduler.nowMs - began;
  }

  /** Lets clients come to their end and members to the same state; checks what was promised. */
  async end(): Promise<RunReport> {
    for (const { asker } of this.#askers) asker.isStopped = true;
    const until = this.scheduler.nowMs + SETTLED_MS;
    while (!this.#askers.every(({ isDone }) => isDone) || !this.isAgreed()) {
      await this.pass(BEAT_MS);
      this.#bringBack();
      assert(this.scheduler.nowMs < until, `no agreement: ${this.draw()}`);
    }
    const leader = this.leader()?.driver;
    assert(leader !== undefined, "somebody leads");
    const { facts, recording } = this.world;
    await checkKept((request) => this.ask(leader, request), facts);
    const state = await this.sameState();
    sameMembers(this.members());
    const checked = checkHistory(recording, this.#faults.drift);
    return {
      acknowledged: facts.acknowledged,
      counted: facts.counted,
      terms: leader.standing().term,
      ...this.#disturbances.counts,
      failures: this.#failures,
      events: this.scheduler.events,
      recorded: recording.events.length,
      checked,
      healedMs: this.#healedMs,
      state,
    };
  }

  /** Those whom the present configuration names. */
  members(): readonly Node[] {
    const ids = new Set(
      this.leader()
        ?.driver?.members()
        .map(({ id }) => id),
    );
    return this.nodes.filter(({ id }) => ids.has(id));
  }

  /** Whether all members have applied as much. */
  isAgreed(): boolean {
    const members = this.members();
    const applied = members.map(({ driver }) => driver?.status().commitIndex);
    return (
      members.length > 0 && applied.every((index) => index !== undefined && index === applied[0])
    );
  }

  /** Asks one member, and lets time go by until it answers. */
  async ask(driver: Driver, request: Request): Promise<Reply> {
    let reply: Reply | undefined;
    driver.submit(request, undefined, (given) => (reply = given), SYSTEM);
    for (let waited = 0; reply === undefined; waited++) {
      await this.pass(1);
      assert(waited < 5_000, `${request.kind} is not answered`);
    }
    return reply;
  }

  /** The snapshots of all members are the same bytes; returns their checksum. */
  sameState(): Promise<number> {
    return sameState(this.members());
  }

  draw(): string {
    return this.nodes
      .map((node) => {
        const { id, driver, failure, life } = node;
        if (driver === undefined)
          return `${id}: ${life === undefined ? "down" : "opening"} ${failure ?? ""}`;
        const { role, term, leader } = driver.standing();
        return `${id}: ${role} t${term} leader ${leader} applied ${driver.status().commitIndex}`;
      })
      .join("; ");
  }
}

function addressOf(id: number): PeerAddress {
  return { ...recordOf(id), learner: false };
}
