/**
 * Carries out the rounds of a storm: every few seconds a member is killed and started again, at times on a disk that refuses a
 * write, and meanwhile another one stands still, or does not reach or hear somebody.
 *
 * Invariant: whatever was done is undone before the next round begins, so that a storm always has a majority again.
 */
import { spawnSync } from "node:child_process";
import { setTimeout as pause } from "node:timers/promises";
import type { Prng } from "../../src/base/prng.ts";
import type { Process } from "../cluster/processes.ts";
import type { Ruling } from "../links/rules.ts";
import { PASS } from "../links/rules.ts";
import type { Disturbance } from "./round.ts";
import { drawnRound, ROUND_MS } from "./round.ts";

/** How long a disk that is to fail has time for it: as many writes may never come. */
const FAILING_MS = 10_000;

/** How the members of a storm reach each other. */
export interface Network {
  rule(...rulings: readonly Ruling[]): Promise<void>;
  heal(): Promise<void>;
}

export interface FaultCounts {
  kills: number;
  stops: number;
  partitions: number;
  diskErrors: number;
}

/** Why no disk can be made to refuse writes here, or false. */
export function straceMissing(): string | false {
  const tried = spawnSync("strace", ["--seccomp-bpf", "-f", "-qq", "-o", "/dev/null", "true"]);
  if (tried.error !== undefined) return "strace is not installed";
  return tried.status === 0 ? false : "strace may not trace here";
}

export class Faults {
  readonly counts: FaultCounts = { kills: 0, stops: 0, partitions: 0, diskErrors: 0 };
  readonly #members: readonly Process[];
  readonly #network: Network;
  readonly #random: Prng;
  readonly #say: (what: string) => void;
  readonly #hasDiskErrors = straceMissing() === false;

  constructor(
    members: readonly Process[],
    network: Network,
    random: Prng,
    say: (what: string) => void,
  ) {
    this.#members = members;
    this.#network = network;
    this.#random = random;
    this.#say = say;
  }

  /** Whether every kind of fault that can happen here has happened. */
  get hadAll(): boolean {
    const { kills, stops, partitions, diskErrors } = this.counts;
    const isAlone = this.#members.length === 1;
    return (
      kills > 0 &&
      (isAlone || (stops > 0 && partitions > 0)) &&
      (!this.#hasDiskErrors || diskErrors > 0)
    );
  }

  /** Round after round, until `over` aborts; then everything is as it was. */
  async run(over: AbortSignal): Promise<void> {
    const names = this.#members.map(({ name }) => name);
    while (!over.aborted) {
      const end = performance.now() + ROUND_MS;
      const { victim, downMs, failingWrite, disturbance } = drawnRound(this.#random, names);
      await Promise.all([
        this.#kill(this.#member(victim), downMs, failingWrite),
        disturbance === undefined ? undefined : this.#disturb(disturbance),
      ]);
      await this.#network.heal();
      await pause(Math.max(0, end - performance.now()), undefined, { signal: over }).catch(
        () => {},
      );
    }
  }

  #member(name: string): Process {
    const found = this.#members.find((each) => each.name === name);
    if (found === undefined) throw new Error(`no member is called ${name}`);
    return found;
  }

  async #kill(member: Process, downMs: number, failingWrite: number | undefined): Promise<void> {
    this.#say(`kill ${member.name}`);
    await member.kill();
    this.counts.kills++;
    await pause(downMs);
    if (failingWrite === undefined || !this.#hasDiskErrors) await member.start();
    else await this.#startOnBadDisk(member, failingWrite);
  }

  /** Starts it on a disk that will refuse writes, and anew when it has ended of that. */
  async #startOnBadDisk(member: Process, failingWrite: number): Promise<void> {
    const inject = `inject=pwrite64:error=EIO:when=${failingWrite}+`;
    const strace = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"];
    // It may end of it before it serves.
    await member.start([...strace, "-e", "trace=pwrite64", "-e", inject]).catch(() => {});
    const late = new AbortController();
    const isOver = await Promise.race([
      member.ended().then(() => true),
      pause(FAILING_MS, false, { signal: late.signal }).catch(() => false),
    ]);
    late.abort();
    if (isOver) this.counts.diskErrors++;
    this.#say(`disk of ${member.name} ${isOver ? "failed" : "did not come to fail"}`);
    await member.kill();
    await member.start();
  }

  async #disturb({ member: name, afterMs, forMs, what }: Disturbance): Promise<void> {
    await pause(afterMs);
    if (what.kind === "stop") return await this.#stop(this.#member(name), forMs);
    const { others, isDeaf, rule: kind } = what;
    const whom = others.join(" and ");
    this.#say(
      `${name} ${isDeaf ? "does not hear" : "is not heard by"} ${whom} for ${forMs} ms, ${kind}`,
    );
    this.counts.partitions++;
    const ways = others.map((other) =>
      isDeaf ? { from: other, to: name } : { from: name, to: other },
    );
    await this.#network.rule(...ways.map((way) => ({ ...way, rule: { kind } as const })));
    await pause(forMs);
    await this.#network.rule(...ways.map((way) => ({ ...way, rule: PASS })));
  }

  async #stop(member: Process, forMs: number): Promise<void> {
    this.#say(`stop ${member.name} for ${forMs} ms`);
    this.counts.stops++;
    member.signal("SIGSTOP");
    await pause(forMs);
    member.signal("SIGCONT");
  }
}
