/**
 * A Raft cluster under virtual time and seeded faults.
 *
 * Each seed switches on some of the faults: messages lost, repeated, delayed past each other; links cut in one
 * direction, or without entries; members cut off, crashed with what they had not flushed, paused, with slow disks; changes of
 * members, transfers, snapshots; leaders that fall soon after their election. Those of `LateFaults` have a stream of their own.
 * Then everything heals, and within ten election time-outs something new must be committed everywhere.
 * Source: the two phases are TigerBeetle's; switching faults off at random is Groce's swarm testing (ISSTA 2012).
 */
import type { Bytes } from "../../base/bytes.ts";
import { toArray } from "../../base/bytes.ts";
import type { Prng } from "../../base/prng.ts";
import { prng } from "../../base/prng.ts";
import type { Change } from "../../protocols/agreement/raft/configuration.ts";
import { membersOf } from "../../protocols/agreement/raft/configuration.ts";
import type { Configuration } from "../../protocols/agreement/raft/messages.ts";
import type { Rules } from "../../protocols/agreement/raft/rules.ts";
import { RULES } from "../../protocols/agreement/raft/rules.ts";
import type { Faults, LateFaults } from "./faults.ts";
import { drawFaults, drawLateFaults, NOTHING_LATE } from "./faults.ts";
import { Safety, Violation } from "./safety.ts";
import { blank, SimMember } from "./sim-member.ts";
import { SimWire } from "./sim-wire.ts";

/** Moments in one tick: messages and flushes happen between ticks. */
const TICK = 4;
const SPARES = 4;
const LATE_SEED = 0x1a7e;
/** Of the log before a snapshot fewer entries than this, where some keep none. */
const KEEPS_MUCH = 60;
/** Within so many ticks of its election a leader falls that is to fall. */
const FALLS_TICKS = 4;

export interface SimOptions {
  readonly seed: number;
  readonly rules?: Rules | undefined;
  readonly members?: number | undefined;
  /** Ticks under faults; default 200. */
  readonly ticks?: number | undefined;
  readonly lease?: boolean | undefined;
  /** Instead of those that the seed draws. */
  readonly faults?: Partial<Faults> | undefined;
  readonly late?: LateFaults | undefined;
}

/** What a run came to. */
export interface SimReport {
  readonly committed: number;
  readonly elections: number;
  readonly reads: number;
  readonly crashes: number;
  readonly cuts: number;
  readonly changes: number;
  readonly transfers: number;
  readonly installs: number;
  readonly events: number;
  /** Ticks from healing until all had what was proposed then. */
  readonly healedTicks: number;
}

/** Runs one seed; throws `Violation` or `AssertionFailure` with what went wrong. */
export function simulate(options: SimOptions): SimReport {
  const run = new Run(options);
  run.disturb((options.ticks ?? 200) * TICK);
  const healedTicks = run.heal();
  return { ...run.report(), healedTicks };
}

/** A member and what the run does with it. */
interface Seat {
  readonly member: SimMember;
  /** When in a tick its clock ticks. */
  readonly phase: number;
  /** When the write under way ends; of the write with this ticket. */
  flushAt: number;
  flushOf: number;
  /** Ticks that a pause has kept back. */
  missed: number;
  pausedUntil: number;
  /** It takes many snapshots. */
  readonly isEager: boolean;
  /** The latest term that it led. */
  led: number;
  /** When it falls that leads that term. */
  fallsAt: number;
}

interface Disturbance {
  /** In ten thousand, at each moment. */
  readonly rate: number;
  readonly act: (member: SimMember) => void;
}

class Run {
  readonly #random: Prng;
  readonly #seats: Seat[] = [];
  readonly #members: SimMember[] = [];
  #disturbances: readonly Disturbance[] = [];
  readonly #safety = new Safety();
  readonly #wire: SimWire;
  readonly #electionTicks: number;
  #faults: Faults;
  #late: LateFaults;
  /** Of what befalls those elected: a stream of its own. */
  readonly #chance: Prng;
  #now = 0;
  #values = 0;
  #readIds = 0;
  readonly #counts = { reads: 0, crashes: 0, cuts: 0, changes: 0, transfers: 0, installs: 0 };
  #events = 0;

  constructor(options: SimOptions) {
    const random = prng(options.seed);
    this.#random = random;
    this.#faults = { ...drawFaults(random), ...options.faults };
    this.#chance = prng(options.seed + LATE_SEED);
    this.#late = options.late ?? drawLateFaults(this.#chance);
    this.#wire = new SimWire(random, this.#chance, this.#faults, this.#late);
    this.#electionTicks = options.lease === true ? 10 : random.pick([3, 5, 10]);
    const count = options.members ?? random.pick([1, 3, 3, 4, 5]);
    const voters = Array.from({ length: count }, (_, at) => at + 1);
    for (let id = 1; id <= count + SPARES; id++) {
      const setting = {
        id,
        random: (bound: number): number => random.below(bound),
        electionTicks: this.#electionTicks,
        // Small enough to be reached, large enough to catch up within the time that healing may take.
        appendBytesMax: random.pick([1, 200, 1 << 20]),
        inflightMessagesMax: random.pick([4, 8, 256]),
        inflightBytesMax: random.pick([200, 1 << 20]),
        unwrittenBytesMax: random.pick([200, 1 << 20]),
        chunkBytes: random.pick([60, 400]),
        slowChunks: true,
        ...(options.lease === true ? { lease: { marginTicks: 3 } } : {}),
        rules: options.rules ?? RULES,
      };
      const member = new SimMember(setting, blank(id <= count ? voters : []));
      member.observer = this.#safety;
      this.#members.push(member);
      const phase = random.below(TICK);
      const times = { flushAt: 0, missed: 0, pausedUntil: 0, fallsAt: Infinity };
      const isEager = this.#chance.chance(1, 2);
      this.#seats.push({ member, phase, isEager, flushOf: 0, led: 0, ...times });
    }
    this.#disturbances = this.#plan();
  }

  disturb(moments: number): void {
    for (let at = 0; at < moments; at++) {
      this.#disturbNow();
      this.#moment();
    }
  }

  /** Ends all faults; returns the ticks until what is proposed now is everywhere. */
  heal(): number {
    this.#faults = { ...this.#faults, flush: 1 };
    this.#late = NOTHING_LATE;
    this.#wire.heal();
    for (const seat of this.#seats) Object.assign(seat, { pausedUntil: 0, fallsAt: Infinity });
    for (const member of this.#members) if (!member.isUp) member.restart();
    const limit = 10 * this.#electionTicks;
    let value: string | undefined;
    for (let tick = 0; tick < limit; tick++) {
      const leader = this.#leader();
      // Proposed anew by each next leader: what the one before took may be lost with it.
      if (leader !== undefined && (value === undefined || tick % this.#electionTicks === 0)) {
        const next = `healed${tick}`;
        if (this.#propose(leader, next)) value ??= next;
        if (leader.raft.role === "leader") this.#read(leader);
      }
      for (let at = 0; at < TICK; at++) this.#moment();
      if (this.#agree()) return tick;
    }
    throw new Violation(`liveness: no agreement within ${limit} ticks of healing: ${this.#draw()}`);
  }

  report(): Omit<SimReport, "healedTicks"> {
    const { last: committed, elections } = this.#safety;
    return { committed, elections, ...this.#counts, events: this.#events };
  }

  /** Who leads the latest term. */
  #leader(): SimMember | undefined {
    return this.#members
      .filter((member) => member.isUp && member.raft.role === "leader")
      .sort((a, b) => b.raft.term - a.raft.term)[0];
  }

  #config(): Configuration | undefined {
    return this.#leader()?.raft.config;
  }

  /** Whether something proposed after healing is applied by every member of the configuration. */
  #agree(): boolean {
    const config = this.#config();
    if (config === undefined || config.outgoing.length > 0) return false;
    const states = this.#members
      .filter(({ id }) => membersOf(config).includes(id))
      .map(({ state }) => state);
    return states.every((state) => state === states[0] && state.includes("healed"));
  }

  #draw(): string {
    return this.#members
      .map(({ raft: { id, role, term, log }, isUp }) => {
        const config = JSON.stringify(log.config);
        return `${id}:${isUp ? role : "down"} t${term} ${log.first}..${log.last} c${log.commit} ${config}`;
      })
      .join(" ; ");
  }

  #propose(member: SimMember, value: string): boolean {
    this.#resume(this.#seats[member.id - 1] as Seat);
    return member.step({ kind: "propose", data: toArray(value as Bytes) })?.ok === true;
  }

  #read(member: SimMember): void {
    this.#resume(this.#seats[member.id - 1] as Seat);
    const id = ++this.#readIds;
    this.#safety.readBegan(id);
    if (member.step({ kind: "read", id })?.ok === true) this.#counts.reads++;
  }

  #plan(): readonly Disturbance[] {
    const faults = this.#faults;
    const below = (bound: number): number => this.#random.below(bound);
    return [
      {
        rate: 1_500,
        act: (member) => this.#propose(this.#anyLeader() ?? member, `v${++this.#values}`),
      },
      { rate: 1_000, act: (member) => this.#read(this.#anyLeader() ?? member) },
      { rate: 600, act: () => this.#members.find((each) => !each.isUp)?.restart() },
      { rate: faults.cut, act: () => this.#cutLinks() },
      { rate: faults.crash, act: (member) => this.#crash(member) },
      {
        rate: faults.pause,
        act: ({ id }) => {
          (this.#seats[id - 1] as Seat).pausedUntil = this.#now + below(40 * TICK);
        },
      },
      {
        rate: faults.notice,
        act: (member) =>
          member.step({ kind: "connectionLost", member: this.#random.pick(this.#members).id }),
      },
      { rate: faults.campaign, act: (member) => member.step({ kind: "campaign" }) },
      { rate: faults.change, act: () => this.#change(this.#anyLeader()) },
      {
        rate: faults.transfer,
        act: ({ id }) => {
          const admitted = this.#anyLeader()?.step({ kind: "transfer", to: id });
          if (admitted?.ok === true) this.#counts.transfers++;
        },
      },
      {
        rate: faults.snapshot,
        act: (member) => this.#snapshot(member),
      },
    ];
  }

  #disturbNow(): void {
    this.#wire.mendAt(this.#now);
    if (this.#chance.chance(this.#late.snapshots, 10_000)) this.#snapshotEagerly();
    let drawn = this.#random.below(10_000);
    for (const { rate, act } of this.#disturbances) {
      drawn -= rate;
      if (drawn >= 0) continue;
      const seat = this.#victim();
      if (seat.pausedUntil > this.#now) return;
      this.#resume(seat);
      act(seat.member);
      return;
    }
  }

  /** Somebody, or one that leads: what befalls a leader shows more. */
  #victim(): Seat {
    const leader = this.#random.chance(1, 3) ? this.#anyLeader() : undefined;
    return leader === undefined
      ? this.#random.pick(this.#seats)
      : (this.#seats[leader.id - 1] as Seat);
  }

  /** One that believes to lead, not always the one that does. */
  #anyLeader(): SimMember | undefined {
    const leaders = this.#seats.filter(
      ({ member, pausedUntil }) =>
        member.isUp && pausedUntil <= this.#now && member.raft.role === "leader",
    );
    return leaders.length === 0 ? undefined : this.#random.pick(leaders).member;
  }

  #snapshot(member: SimMember): void {
    const keeps = this.#late.snapshots > 0 ? KEEPS_MUCH : 4;
    if (member.isUp) member.snapshot(this.#random.below(keeps));
  }

  /** One of those that take many snapshots takes one. */
  #snapshotEagerly(): void {
    const seat = this.#chance.pick(this.#seats);
    if (!seat.isEager || seat.pausedUntil > this.#now || !seat.member.isUp) return;
    this.#resume(seat);
    seat.member.snapshot(0);
  }

  #crash(member: SimMember): void {
    if (!member.isUp) return;
    member.crash(this.#random.below(4));
    this.#counts.crashes++;
  }

  /** Half of all, or one that leads with few others. */
  #cutLinks(): void {
    this.#cutAside(this.#random.chance(1, 2) ? this.#anyLeader() : undefined);
  }

  #cutAside(leader: SimMember | undefined): void {
    const random = this.#random;
    const outOf = leader === undefined ? 2 : 4;
    const aside = new Set(
      this.#members
        .filter((member) => member === leader || random.chance(1, outOf))
        .map(({ id }) => id),
    );
    const isOneWay = random.chance(1, 2);
    for (const { id: from } of this.#members) {
      for (const { id: to } of this.#members) {
        const isCut = isOneWay
          ? aside.has(from) && !aside.has(to)
          : aside.has(from) !== aside.has(to);
        if (isCut) this.#wire.cut(from, to);
      }
    }
    // Half of the time both ends are told, as when a connection is reset.
    const isTold = random.chance(1, 2);
    for (const { member, pausedUntil } of isTold ? this.#seats : []) {
      if (pausedUntil > this.#now) continue;
      for (const { id } of this.#members)
        if (this.#wire.isCut(id, member.id)) member.step({ kind: "connectionLost", member: id });
    }
    this.#wire.cutUntil(this.#now + random.below(60 * TICK));
    this.#counts.cuts++;
  }

  #change(leader: SimMember | undefined): void {
    if (leader === undefined) return;
    const random = this.#random;
    const { config } = leader.raft;
    const changes: Change[] = [];
    const spare = this.#members.find(
      ({ id }) => !membersOf(config).includes(id) && this.#isFresh(id),
    );
    const wanted = random.below(4);
    const learner = random.chance(1, 8) ? undefined : config.learners[0];
    if (learner !== undefined) changes.push({ kind: "promote", member: learner });
    if ((learner === undefined || wanted === 0) && spare !== undefined)
      changes.push({ kind: "addLearner", member: spare.id });
    if (config.voters.length > 2 && wanted > 1)
      changes.push({ kind: "remove", member: random.pick(config.voters) });
    if (leader.step({ kind: "change", changes })?.ok === true) this.#counts.changes++;
  }

  /** Was never a member: ids are not used again. */
  #isFresh(id: number): boolean {
    const found = this.#members.find((member) => member.id === id);
    return found !== undefined && found.raft.log.last === 0;
  }

  #moment(): void {
    this.#now++;
    for (const message of this.#wire.take(this.#now)) {
      const seat = this.#seats[message.to - 1];
      if (seat === undefined || !seat.member.isUp || seat.pausedUntil > this.#now) continue;
      this.#events++;
      this.#resume(seat);
      seat.member.step({ kind: "message", message });
      this.#after(seat);
    }
    for (const seat of this.#seats) {
      const { member } = seat;
      const isTick = this.#now % TICK === seat.phase;
      if (seat.pausedUntil > this.#now) {
        if (isTick) seat.missed++;
        continue;
      }
      if (!member.isUp) continue;
      this.#resume(seat);
      if (this.#random.below(this.#late.chunk || this.#faults.flush) === 0) member.keepChunks();
      if (member.pending?.ticket === seat.flushOf && seat.flushAt <= this.#now) {
        if (member.pending.install !== undefined) this.#counts.installs++;
        this.#events++;
        member.flush();
      }
      if (isTick) {
        this.#events++;
        member.step({ kind: "tick", count: 1 });
      }
      this.#after(seat);
    }
  }

  /** A host that comes back gives the ticks that were due before anything else. */
  #resume(seat: Seat): void {
    if (seat.missed === 0) return;
    const count = seat.missed;
    seat.missed = 0;
    seat.member.step({ kind: "tick", count });
  }

  /** Clients may want a change of members as soon as somebody leads, who may not lead for long. */
  #heedElection(seat: Seat): void {
    const { member } = seat;
    const { role, term } = member.raft;
    if (role !== "leader") return;
    if (seat.led < term) {
      seat.led = term;
      const falls = this.#chance.chance(this.#late.fall, 100);
      seat.fallsAt = falls ? this.#now + this.#chance.below(FALLS_TICKS * TICK) : Infinity;
      const others = this.#members.map(({ id }) => id);
      this.#wire.narrow(member.id, others);
      if (this.#chance.chance(this.#late.hasty, 100)) this.#change(member);
    }
    if (seat.fallsAt > this.#now) return;
    seat.fallsAt = Infinity;
    this.#fall(member);
  }

  #fall(leader: SimMember): void {
    const dice = this.#chance.below(4);
    if (dice < 2) return this.#cutAside(leader);
    this.#crash(leader);
    // Power is lost in a part of the house.
    for (const { member, pausedUntil } of dice === 3 ? this.#seats : [])
      if (pausedUntil <= this.#now && this.#chance.chance(1, 2)) this.#crash(member);
  }

  /** Takes what a member sends and begins its writes. */
  #after(seat: Seat): void {
    const random = this.#random;
    const { member } = seat;
    this.#heedElection(seat);
    if (member.pending !== undefined && member.pending.ticket !== seat.flushOf) {
      seat.flushOf = member.pending.ticket;
      seat.flushAt = this.#now + random.below(this.#faults.flush);
    }
    if (member.out.length > 0) {
      for (const message of member.out) this.#wire.send(message, this.#now);
      member.out = [];
    }
    member.reads = [];
    member.refusedReads = [];
  }
}
