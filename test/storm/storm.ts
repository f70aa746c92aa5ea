/**
 * A storm: real members under load of clients of the SDK while they are killed, stopped, parted and given failing disks. What the
 * clients were told is recorded window by window and checked; memory is looked at all along.
 */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prng } from "../../src/base/prng.ts";
import type { Process } from "../cluster/processes.ts";
import { statusOf } from "../cluster/processes.ts";
import { until } from "../until.ts";
import type { Verdict } from "../../src/verify/checker/verdict.ts";
import { Checks } from "./checks.ts";
import type { FaultCounts, Network } from "./faults.ts";
import { Faults } from "./faults.ts";
import { isFlat, Memory } from "./memory.ts";
import { Pace } from "./pace.ts";
import { press } from "./press.ts";
import type { Crowd, WindowResult } from "./window.ts";
import { crowd, leave, recordWindow } from "./window.ts";

/** Where a storm takes place. */
export interface StormCluster {
  readonly members: readonly Process[];
  readonly url: string;
  readonly network: Network;
}

export interface StormOptions {
  /** It goes on for so long, and then until every kind of fault has happened. */
  readonly seconds: number;
  readonly seed: number;
  /** Nothing goes wrong, and the members are given as much as they take. */
  readonly isQuiet: boolean;
  readonly say: (what: string) => void;
}

export interface StormReport {
  readonly seconds: number;
  readonly seed: number;
  readonly members: number;
  readonly operations: number;
  readonly perSecond: number;
  /** Puts beside them that are not recorded: full load. */
  readonly pressed: number;
  readonly indefinite: number;
  readonly ownerships: number;
  readonly told: number;
  readonly windows: number;
  readonly faults: FaultCounts;
  /** Terms that began meanwhile. */
  readonly terms: number;
  /** Breaches of a rule that any check found, by check; counters that lost or repeated. */
  readonly breaches: Readonly<Record<string, number>>;
  /** Most that a member had resident, MiB by minute. */
  readonly memoryMib: readonly number[];
  readonly isMemoryFlat: boolean | undefined;
}

/** Operations that begin in a second: more than the 500 that must succeed. */
const RATE = 1_000;
const WINDOW_MS = 15_000;

export class Storm {
  readonly #cluster: StormCluster;
  readonly #options: StormOptions;
  readonly #checks = new Checks();
  readonly #breaches: Record<string, number> = {};
  readonly #sums = { operations: 0, indefinite: 0, ownerships: 0, told: 0, windows: 0 };

  constructor(cluster: StormCluster, options: StormOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  async run(): Promise<StormReport> {
    const { seed, isQuiet, say } = this.#options;
    const { members, url, network } = this.#cluster;
    const random = prng(seed);
    const memory = new Memory(() => members.map(({ pid }) => pid));
    const people = await crowd(url, random, { editors: 24, counters: 3, lockers: 6 });
    const faults = new Faults(members, network, prng(random.u32()), say);
    const over = new AbortController();
    const termBefore = await this.#settledTerm();
    const begunMs = performance.now();
    const storming = isQuiet ? Promise.resolve() : faults.run(over.signal);
    const pressing = isQuiet ? press(url, over.signal) : Promise.resolve(0);
    // A member that does not come back, or puts that fail, end the storm; awaited below.
    for (const each of [storming, pressing]) each.catch(() => over.abort());
    try {
      const lastsMs = this.#options.seconds * 1_000;
      const passedMs = (): number => performance.now() - begunMs;
      await this.#record(
        people,
        passedMs,
        () => over.signal.aborted || (passedMs() >= lastsMs && (isQuiet || faults.hadAll)),
      );
      const tookS = passedMs() / 1_000;
      over.abort();
      await storming;
      const pressed = await pressing;
      const terms = (await this.#term()) - termBefore;
      return this.#report(tookS, { faults: faults.counts, terms, pressed }, memory);
    } finally {
      over.abort();
      memory.stop();
      await Promise.allSettled([storming, pressing]);
      await leave(people);
      await this.#checks.close();
    }
  }

  /** Window after window, each checked while the next one is recorded. */
  async #record(people: Crowd, passedMs: () => number, isOver: () => boolean): Promise<void> {
    const pace = new Pace(RATE);
    let checked: Promise<void> = Promise.resolve();
    for (let at = 0; !isOver(); at++) {
      const endMs = passedMs() + WINDOW_MS;
      const isPast = (): boolean => isOver() || passedMs() >= endMs;
      const found = await recordWindow(String(at), people, pace, isPast);
      await checked;
      checked = this.#judge(at, found, passedMs());
    }
    await checked;
  }

  async #judge(at: number, found: WindowResult, atMs: number): Promise<void> {
    const { verdicts } = await this.#checks.check(found.lines);
    const wrong = verdicts.filter(({ result }) => result !== "valid");
    for (const { check, result, violations } of wrong)
      this.#breach(check, result === "unknown" ? 1 : violations.length);
    const { certainly, perhaps, found: count } = found.counted;
    const isLost = count < certainly || count > certainly + perhaps;
    if (isLost) this.#breach("counter", 1);
    if (wrong.length > 0 || isLost) this.#keep(at, found, wrong);
    const { operations, indefinite, ownerships, told } = found;
    const sums = this.#sums;
    sums.windows++;
    sums.operations += operations;
    sums.indefinite += indefinite;
    sums.ownerships += ownerships;
    sums.told += told;
    const perSecond = Math.round(sums.operations / (atMs / 1_000));
    this.#options.say(
      `window ${at}: ${operations} answers, ${indefinite} operations without one, ${wrong.length === 0 && !isLost ? "valid" : "INVALID"}; ${perSecond}/s so far`,
    );
  }

  #breach(kind: string, count: number): void {
    this.#breaches[kind] = (this.#breaches[kind] ?? 0) + count;
  }

  /** Leaves the history of a window that cannot be. */
  #keep(at: number, { lines, counted }: WindowResult, wrong: readonly Verdict[]): void {
    const file = join(tmpdir(), `quorate-storm-${process.pid}-${at}.jsonl`);
    writeFileSync(file, lines);
    this.#options.say(`window ${at} cannot be: quorate check ${file}`);
    this.#options.say(
      `counted ${JSON.stringify(counted)}; ${JSON.stringify(wrong).slice(0, 4_000)}`,
    );
  }

  /** That of the first leader. */
  async #settledTerm(): Promise<number> {
    let term = 0;
    await until(
      async () => {
        const told = await Promise.all(this.#cluster.members.map((member) => statusOf(member)));
        term = told[0]?.term ?? 0;
        return told.every(
          (each) => each?.leader !== undefined && each.leader !== "" && each.term === term,
        );
      },
      () => "nobody leads",
    );
    return term;
  }

  /** The highest that a member knows. */
  async #term(): Promise<number> {
    const told = await Promise.all(this.#cluster.members.map((member) => statusOf(member)));
    return Math.max(...told.map((each) => each?.term ?? 0));
  }

  #report(
    seconds: number,
    counts: Pick<StormReport, "faults" | "terms" | "pressed">,
    memory: Memory,
  ): StormReport {
    return {
      seconds: Math.round(seconds),
      seed: this.#options.seed,
      members: this.#cluster.members.length,
      perSecond: Math.round((this.#sums.operations + counts.pressed) / seconds),
      ...this.#sums,
      ...counts,
      breaches: this.#breaches,
      memoryMib: memory.perMinute,
      isMemoryFlat: isFlat(memory.perMinute),
    };
  }
}

/** Why the storm did not go as it must, in words; empty: it did. */
export function wrongIn(report: StormReport, isQuiet: boolean): readonly string[] {
  const { breaches, perSecond, isMemoryFlat, terms } = report;
  const wrong: string[] = [];
  for (const [check, count] of Object.entries(breaches)) wrong.push(`${count} breaches: ${check}`);
  if (perSecond < PER_SECOND_MIN) wrong.push(`${perSecond} operations a second`);
  if (isMemoryFlat === false) wrong.push("memory grows");
  if (isQuiet && terms > 0) wrong.push(`${terms} elections although nothing went wrong`);
  return wrong;
}

const PER_SECOND_MIN = 500;
